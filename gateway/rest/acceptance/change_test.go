package acceptance

import (
	"fmt"
	"sync"
	"testing"
)

// The schema changes while the gateway runs: by its own SQL route, which tells it, and by somebody else's session, which
// does not. No answer may be made from what was.

func TestSchemaChangesThroughTheGateway(t *testing.T) {
	w := &world{}
	change := func(sql string) {
		t.Helper()
		w.sql(t, `{"sql":"`+sql+`"}`)
	}
	get := func(path string, status int, want string) {
		t.Helper()
		exchange{who: "ana", path: path, status: status, want: want}.check(t)
	}
	const open = "alter table %[1]s enable row level security; create policy p on %[1]s using (true) with check (true);"
	defer owner(t, "drop table if exists shelves, rooms")
	for round := range 3 {
		change("create table rooms (id int primary key, name text); " + fmt.Sprintf(open, "rooms"))
		change("create table shelves (id int primary key, room int, label text default 'new'); " + fmt.Sprintf(open, "shelves"))
		change("insert into rooms values (1, 'attic'), (2, 'hall'); insert into shelves values (1, 2, 'a')")
		get("shelves?select=id,rooms(name)", 400, `…"PGRST200"`)
		change("alter table shelves add constraint in_room foreign key (room) references rooms (id)")
		get("shelves?select=id,rooms(name)", 200, `[{"id":1,"rooms":{"name":"hall"}}]`)
		change("alter table shelves add other int references rooms (id) default 1")
		get("shelves?select=id,rooms(name)", 300, `…"PGRST201"`)
		get("shelves?select=id,rooms!in_room(name)", 200, `[{"id":1,"rooms":{"name":"hall"}}]`)
		change("alter table shelves drop room")
		get("shelves?select=id,rooms(name)", 200, `[{"id":1,"rooms":{"name":"attic"}}]`)
		post(fmt.Sprint(round), "shelves?columns=id,label&select=label", "Prefer: return=representation, missing=default", `[{"id":2}]`, 201, `[{"label":"new"}]`, "").check(t)
		change("alter table shelves alter label set default 'newer'")
		post(fmt.Sprint(round), "shelves?columns=id,label&select=label", "Prefer: return=representation, missing=default", `[{"id":3}]`, 201, `[{"label":"newer"}]`, "").check(t)
		change("create or replace function count_of(a int) returns int language sql immutable as $$ select a $$; grant execute on function count_of(int) to authenticated")
		get("rpc/count_of?a=1", 200, "1")
		change("drop function count_of(int); create function count_of(b text) returns text language sql immutable as $$ select b $$; grant execute on function count_of(text) to authenticated")
		get("rpc/count_of?a=1", 404, `…"PGRST202"`)
		get("rpc/count_of?b=x", 200, `"x"`)
		change("drop function count_of(text)")
		get("rpc/count_of?b=x", 404, `…"PGRST202"`)
		change("drop table shelves, rooms")
		get("shelves?select=id,rooms(name)", 404, `…"PGRST205"`)
	}
}

func TestSchemaChangesBehindTheGatewaysBack(t *testing.T) {
	get := func(path string, status int, want string) {
		t.Helper()
		exchange{who: "ana", path: path, status: status, want: want}.check(t)
	}
	owner(t, `create table rooms (id int primary key, name text); create table shelves (id int primary key, room int references rooms (id));
		alter table rooms enable row level security; create policy p on rooms using (true);
		alter table shelves enable row level security; create policy p on shelves using (true);
		insert into rooms values (1, 'attic'); insert into shelves values (1, 1)`)
	defer owner(t, "drop table if exists shelves, rooms, chambers")
	get("shelves?select=id,rooms(name)", 200, `[{"id":1,"rooms":{"name":"attic"}}]`)
	owner(t, "alter table rooms rename to chambers")
	get("shelves?select=id,chambers(name)", 200, `[{"id":1,"chambers":{"name":"attic"}}]`)
	get("shelves?select=id,rooms(name)", 400, `…"PGRST200"`)
	owner(t, "alter table chambers rename name to title")
	get("shelves?select=id,chambers(title)", 200, `[{"id":1,"chambers":{"title":"attic"}}]`)
	get("shelves?select=id,chambers(name)", 400, `…"42703"`)
	owner(t, "create function double(a int) returns int language sql immutable as $$ select a * 2 $$; grant execute on function double to authenticated")
	get("rpc/double?a=2", 200, "4")
	owner(t, "drop function double(int)")
	get("rpc/double?a=2", 404, `…"PGRST202"`)
}

// Requests meet a schema that changes all the time: each answer is one of those that were right at some moment.
func TestRequestsWhileTheSchemaChanges(t *testing.T) {
	owner(t, `drop table if exists turning, axis cascade; create table axis (id int primary key, name text); create table turning (id int primary key, a int);
		alter table axis enable row level security; create policy p on axis using (true);
		alter table turning enable row level security; create policy p on turning using (true);
		insert into axis values (1, 'x'); insert into turning values (1, 1)`)
	defer owner(t, "drop table if exists turning, axis")
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(stop)
		for range 15 {
			if err := library.run(t.Context(), "owner", "alter table turning add constraint t foreign key (a) references axis (id)"); err != nil {
				t.Error(err)
			}
			if err := library.run(t.Context(), "owner", "alter table turning drop constraint t"); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := exchange{who: "ana", path: "turning?select=id,axis(name)"}.send(t)
				if a.body != `[{"id":1,"axis":{"name":"x"}}]` && !(a.status == 400 && matches(a.body, `…"PGRST200"`)) {
					t.Errorf("answered %d %s", a.status, a.body)
					return
				}
			}
		})
	}
	all.Wait()
}
