package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres"
)

// ddl changes the schema by a session that the handler knows nothing of.
func ddl(t testing.TB, sql string) {
	t.Helper()
	if _, err := shared.pools[postgres.Superuser].Exec(context.Background(), "set search_path = p1; "+sql+"; reset search_path"); err != nil {
		t.Fatal(err)
	}
}

// A request that was planned by what the schema was is planned again, whatever it failed over.
func TestSchemaThatChangesBehindOurBack(t *testing.T) {
	ddl(t, `create table shops (id int primary key, name text); insert into shops values (1, 'one');
		create table goods (id int primary key, shop int references shops, price int); insert into goods values (5, 1, 10);
		create function discount(percent int) returns int language sql stable return percent;
		grant select, insert on shops, goods to service_role; grant execute on function discount to service_role`)
	t.Cleanup(func() { ddl(t, "drop table if exists goods, shops, makers cascade; drop function if exists discount") })
	embed := exchange{who: "service", path: "shops?select=id,goods(id)", status: 200, want: `[{"id":1,"goods":[{"id":5}]}]`}
	for _, step := range []struct {
		name, sql string
		exchange
	}{
		{"at first", "", embed},
		{"a foreign key's column has another name", "alter table goods rename column shop to sold_by", embed},
		{"a new table", "create table makers (id int primary key, shop int references shops); grant select on makers to service_role",
			exchange{who: "service", path: "shops?select=id,makers(id)", status: 200, want: `[{"id":1,"makers":[]}]`}},
		{"a table has another name", "alter table goods rename to wares", exchange{who: "service",
			path: "shops?select=id,wares(id)", status: 200, want: `[{"id":1,"wares":[{"id":5}]}]`}},
		{"and its old one no more", "alter table wares rename to goods", embed},
		{"a function", "", exchange{who: "service", path: "rpc/discount?percent=5", status: 200, want: `5`}},
		{"whose parameter has another name", `drop function discount; create function discount(parts int) returns int
			language sql stable return parts; grant execute on function discount to service_role`,
			exchange{who: "service", path: "rpc/discount?parts=6", status: 200, want: `6`}},
		{"whose parameter has another type", `drop function discount; create function discount(parts text) returns text
			language sql stable return parts; grant execute on function discount to service_role`,
			exchange{who: "service", path: "rpc/discount?parts=many", status: 200, want: `"many"`}},
		{"a column that missing=default needs", "alter table goods add column note text default 'new'", exchange{who: "service",
			method: http.MethodPost, path: "goods?columns=id,note&select=id,note", header: "Prefer: missing=default,return=representation",
			body: `[{"id":6}]`, status: 201, want: `[{"id":6,"note":"new"}]`}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.sql != "" {
				ddl(t, step.sql)
			}
			step.check(t)
		})
	}
}

// Requests are right while others change the schema, and each one that comes after a change is right at once.
func TestRequestsWhileTheSchemaChanges(t *testing.T) {
	ddl(t, `create table poles (id int primary key); insert into poles values (1);
		create table flags (id int primary key, pole_0 int references poles); insert into flags values (2, 1);
		grant select on poles, flags to service_role`)
	t.Cleanup(func() { ddl(t, "drop table flags, poles") })
	embed := exchange{who: "service", path: "poles?select=id,flags(id)", status: 200, want: `[{"id":1,"flags":[{"id":2}]}]`}
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if w := embed.serve(t); w.Body.String() != embed.want {
						t.Errorf("status %d: %s", w.Code, w.Body)
					}
				}
			}
		})
	}
	for i := range 20 {
		ddl(t, fmt.Sprintf("alter table flags rename column pole_%d to pole_%d", i, i+1))
		embed.check(t)
	}
	close(done)
	all.Wait()
}
