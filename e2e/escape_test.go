package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostile is what an agent might be talked into sending, wherever text goes.
var hostile = []string{
	// SQL that would follow, had the text been pasted into a statement.
	`'; drop table canaries; --`, `"; drop table canaries; --`, `\'; drop table canaries; --`, `1; delete from canaries`,
	`id); delete from canaries; --`, `') returning (select text from vault limit 1); --`,
	`x' or '1'='1`, `x" or "1"="1`, `id) or (1=1`, `1 or 1=1`, "x\x00y", `x\`,
	// Expressions and relations that would be read.
	`*,(select text from canaries limit 1)`, `id || (select text from canaries)`, `id::text::regclass`, `text.max()`,
	`canaries(*)`, `...canaries!inner(text)`, `"canaries"`, `project.canaries`, `internal.audit`, `pg_authid`,
	`rpc/set_config`,
	// Who one is.
	`id; set role service_role`, `id); reset role; --`, `set_config('role','service_role',false)`,
	// The request itself: another route, another parameter, another header.
	`../../admin/v1/rest/canaries`, `..%2f..%2fadmin%2fv1%2frest%2fcanaries`, `vault?select=*`, `vault#`,
	`eq.1&or=(id.gt.0)`, `id.gt.0,or(id.gt.0)`, `or`, `not.and`, `not.is.null`, `vault.id`, `select`, `limit`, `columns`,
	"x\r\nPrefer: max-affected=1000000",
}

// field is one place in one call that takes text.
type field struct {
	tool  string
	place string
	args  func(text string) args
}

// fields are all of them. Whatever is not the hostile text is such that the call, as it is meant, touches no row but
// the caller's own.
func fields(prefix string) []field {
	filter := func(column, op, value string) []args { return []args{{"column": column, "op": op, "value": value}} }
	nothing := filter("id", "eq", "-1")
	set := args{"text": "changed"}
	query, insert, update, remove := prefix+"query_table", prefix+"insert_rows", prefix+"update_rows", prefix+"delete_rows"
	row := args{"text": "inserted"}
	if prefix != "" {
		row = args{"nowhere": 1} // the admin may write anywhere, so no row of the table's shape
	}
	on := func(call args) args { call["table"] = "vault"; return call }
	list := []field{
		{prefix + "describe_tables", "table", func(s string) args { return args{"table": s} }},
		{query, "table", func(s string) args { return args{"table": s} }},
		{query, "select", func(s string) args { return on(args{"select": s}) }},
		{query, "column", func(s string) args { return on(args{"filters": filter(s, "eq", "(id.gt.0)")}) }},
		{query, "op", func(s string) args { return on(args{"filters": filter("id", s, "0")}) }},
		{query, "value", func(s string) args { return on(args{"filters": filter("text", "neq", s)}) }},
		{query, "value of is", func(s string) args { return on(args{"filters": filter("text", "is", s)}) }},
		{query, "values", func(s string) args {
			return on(args{"filters": []args{{"column": "text", "op": "in", "values": []string{s, "x"}}}})
		}},
		{query, "order", func(s string) args { return on(args{"order": s}) }},
		{query, "limit", func(s string) args { return on(args{"limit": s}) }},
		{insert, "table", func(s string) args { return args{"table": s, "rows": []args{row}} }},
		{insert, "key", func(s string) args { return on(args{"rows": []args{{s: "x"}}}) }},
		{insert, "select", func(s string) args { return on(args{"rows": []args{{"nowhere": 1}}, "select": s}) }},
		{insert, "on_conflict", func(s string) args {
			return on(args{"rows": []args{{"id": -1, "text": "x"}}, "on_conflict": s})
		}},
		{update, "table", func(s string) args { return args{"table": s, "set": set, "filters": nothing} }},
		{update, "key", func(s string) args { return on(args{"set": args{s: "x"}, "filters": nothing}) }},
		{update, "value set", func(s string) args { return on(args{"set": args{"text": s}, "filters": nothing}) }},
		{update, "column", func(s string) args {
			return on(args{"set": set, "filters": filter(s, "eq", "(id.gt.0)")})
		}},
		{update, "op", func(s string) args { return on(args{"set": set, "filters": filter("id", s, "-1")}) }},
		{update, "value", func(s string) args { return on(args{"set": set, "filters": filter("text", "eq", s)}) }},
		{update, "select", func(s string) args { return on(args{"set": set, "filters": nothing, "select": s}) }},
		{update, "max_rows", func(s string) args { return on(args{"set": set, "filters": nothing, "max_rows": s}) }},
		{remove, "table", func(s string) args { return args{"table": s, "filters": nothing} }},
		{remove, "column", func(s string) args { return on(args{"filters": filter(s, "eq", "(id.gt.0)")}) }},
		{remove, "value", func(s string) args { return on(args{"filters": filter("text", "eq", s)}) }},
		{remove, "select", func(s string) args { return on(args{"filters": nothing, "select": s}) }},
	}
	if prefix == "" {
		return append(list, field{insert, "value", func(s string) args { return on(args{"rows": []args{{"text": s}}}) }})
	}
	return append(list,
		field{update, "all_rows", func(s string) args { return on(args{"set": set, "all_rows": s}) }},
		field{remove, "all_rows", func(s string) args { return on(args{"all_rows": s}) }},
		field{"admin_sql", "params", func(s string) args { return args{"sql": "select $1::text", "params": []string{s}} }},
		field{"admin_sql", "read_only", func(s string) args { return args{"sql": "delete from canaries", "read_only": s} }},
		field{"admin_sql", "max_rows", func(s string) args { return args{"sql": "delete from canaries", "max_rows": s} }},
	)
}

// unasked makes a server do what it is told without a confirmation, which would hide that it had understood too much.
const unasked = "RUN402_CONFIRM=off"

// secret is what no caller but ben may read.
const secret = marker + " of ben alone"

// untouched is everything that no call in these tests may change: ben's rows, the canaries, their guards, and who may
// what in PostgreSQL.
const untouched = `select concat_ws(e'\n',
	(select string_agg(v::text, ',' order by id) from project.vault v where owner = 'ben'),
	(select string_agg(c::text, ',' order by id) from project.canaries c),
	(select string_agg(concat_ws(' ', relname, relacl, relrowsecurity, relowner), ',' order by relname)
		from pg_class where relname in ('vault', 'canaries')),
	(select string_agg(p::text, ',' order by oid) from pg_policy p where polrelid::regclass::text ~ 'vault|canaries'),
	(select string_agg(concat_ws(' ', rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin), ',' order by rolname)
		from pg_roles),
	(select string_agg(concat_ws(' ', roleid, member), ',' order by roleid, member) from pg_auth_members),
	(select string_agg(s::text, ',' order by setdatabase, setrole) from pg_db_role_setting s),
	(select string_agg(nspname, ',' order by oid) from pg_namespace where nspname !~ '^pg_temp|^pg_toast'))`

// watched returns how untouched looks now, and a check that it still looks so.
func watched(t *testing.T) (check func(t *testing.T, after string)) {
	t.Helper()
	eye := shared.watch(t)
	before := ask[string](t, eye, untouched)
	if !strings.Contains(before, secret) || !strings.Contains(before, marker+" canary 3") {
		t.Fatalf("there is nothing to protect: %s", before)
	}
	return func(t *testing.T, after string) {
		t.Helper()
		if diff := cmp.Diff(before, ask[string](t, eye, untouched)); diff != "" {
			t.Fatalf("%s changed what it may not: %s", after, diff)
		}
	}
}

// Each hostile text, in each place of each tool: a caller sees nothing of ben's and nobody changes it.
func TestHostileTextChangesNoMeaning(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "admin_"} {
		t.Run(prefix+"tools", func(t *testing.T) {
			t.Parallel()
			a := shared.agent(t, shared.as(t, "mallory@example.com"), unasked)
			check := watched(t)
			for _, f := range fields(prefix) {
				for _, text := range hostile {
					out := a.try(t, f.tool, f.args(text))
					if prefix == "" && strings.Contains(out.Text, marker) {
						t.Errorf("%s: %s %q shows what is ben's: %s", f.tool, f.place, text, out.Text)
					}
				}
				check(t, f.tool+": "+f.place)
			}
		})
	}
}

// And it is understood for what it is, a value, as it came.
func TestHostileTextIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	a := shared.agent(t, shared.as(t, "quote@example.com"))
	for _, text := range hostile {
		if strings.ContainsRune(text, 0) {
			continue // which PostgreSQL's text cannot hold
		}
		id := a.call(t, "insert_rows", args{"table": "vault", "rows": []args{{"text": text}}}).column("id")
		for _, filter := range []args{
			{"column": "text", "value": text},
			{"column": "text", "op": "in", "values": []string{"x,y", text}},
		} {
			got := a.call(t, "query_table", args{"table": "vault", "filters": []args{filter}})
			if !cmp.Equal(got.column("id"), id) || !cmp.Equal(got.column("text"), []string{text}) {
				t.Errorf("%v found %s", filter, got.Text)
			}
		}
		got := a.call(t, "admin_sql", args{"sql": "select $1::text as echo", "params": []string{text}})
		if !cmp.Equal(got.column("echo"), []string{text}) {
			t.Errorf("the parameter %q came back as %s", text, got.Text)
		}
	}
}

// A row of another's is not taken over by writing to its key.
func TestUpsertTakesNoRowOver(t *testing.T) {
	t.Parallel()
	check := watched(t)
	a := shared.agent(t, shared.as(t, "mallory@example.com"), unasked)
	his := args{"table": "vault", "filters": []args{{"column": "owner", "value": "ben"}}}
	id := a.call(t, "admin_query_table", his).column("id")[0]
	out := a.try(t, "insert_rows", args{"table": "vault", "rows": []args{{"id": id, "text": "mine"}}, "upsert": true})
	if !out.IsError || strings.Contains(out.Text, secret) {
		t.Errorf("it was answered %s", out.Text)
	}
	check(t, "an upsert")
}

// What read-only SQL may try to get out of its transaction and its login.
var breakouts = strings.Split(`set role service_role
set role postgres
reset role
set session authorization postgres
reset session authorization
set local role owner
select set_config('role', 'owner', false)
select set_config('transaction_read_only', 'off', true)
set transaction read write
set session characteristics as transaction read write
set default_transaction_read_only = off
commit; delete from canaries
commit; set role owner; delete from canaries
rollback; delete from canaries
select 1; delete from canaries
abort; begin; delete from canaries; commit
; delete from canaries
/* */ commit
do $$ begin delete from project.canaries; end $$
do $$ begin commit; delete from project.canaries; end $$
do $$ begin execute 'set role owner'; execute 'delete from project.canaries'; end $$
do $$ begin perform set_config('role', 'owner', false); delete from project.canaries; end $$
with gone as (delete from canaries returning *) select * from gone
delete from canaries
truncate canaries
drop table canaries
explain analyze delete from canaries
prepare p as delete from canaries
create table breakout as select 1
alter table vault disable row level security
grant all on canaries to anon
copy canaries to program 'cat'
select * from internal.audit
select pg_read_file('/etc/passwd')
select lo_import('/etc/passwd')
alter role reader superuser`, "\n")

// What SQL that may write is not allowed to do: to become somebody else, or more.
var promotions = strings.Split(`set role service_role
set role gateway
set role postgres
set session authorization postgres
select set_config('role', 'postgres', false)
select set_config('session_authorization', 'postgres', false)
alter role owner superuser
alter role anon bypassrls
create role breakout superuser login
grant postgres to owner
grant service_role to anon
grant pg_read_server_files to owner
grant pg_execute_server_program to owner
do $$ begin execute 'set role postgres'; execute 'alter role owner superuser'; end $$
copy (select 1) to program 'true'
copy canaries from '/etc/passwd'
alter system set log_statement = 'all'
alter role anon set role = 'owner'
alter database postgres set role = 'owner'
create schema breakout
drop schema internal cascade
select * from internal.audit
delete from internal.audit
create extension file_fdw
security label on role anon is 'x'
commit; set role postgres; alter role owner superuser
rollback; alter role owner superuser`, "\n")

func TestAdminSQLStaysWithinItsRights(t *testing.T) {
	t.Parallel()
	a := shared.agent(t, unasked)
	for _, c := range []struct {
		name     string
		readOnly bool
		who      string
		texts    []string
	}{
		{"that only reads", true, "reader on", breakouts},
		{"that writes", false, "owner off", promotions},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := watched(t)
			for _, sql := range c.texts {
				out := a.try(t, "admin_sql", args{"sql": sql, "read_only": c.readOnly})
				if !c.readOnly && !out.IsError {
					t.Errorf("%q was answered %s", sql, out.Text)
				}
				check(t, sql)
				who := "select concat_ws(' ', current_user, current_setting('transaction_read_only')) as who"
				out = a.call(t, "admin_sql", args{"sql": who, "read_only": c.readOnly})
				if !cmp.Equal(out.column("who"), []string{c.who}) {
					t.Fatalf("after %q the next call is %s", sql, out.Text)
				}
			}
		})
	}
	t.Run("on a server that only reads, whatever the call says", func(t *testing.T) {
		t.Parallel()
		check := watched(t)
		reads := shared.agent(t, "RUN402_READ_ONLY=true", unasked)
		for _, readOnly := range []any{false, "false"} {
			if out := reads.try(t, "admin_sql", args{"sql": "delete from canaries", "read_only": readOnly}); !out.IsError {
				t.Errorf("it was answered %s", out.Text)
			}
			check(t, "delete")
		}
	})
}

// The check that the others rely on sees each kind of change.
func TestWatchSeesChanges(t *testing.T) {
	t.Parallel()
	eye := shared.watch(t)
	before := ask[string](t, eye, untouched)
	for _, sql := range []string{
		"delete from project.canaries where id = 2", "update project.vault set text = 'x' where owner = 'ben'",
		"alter table project.vault disable row level security", "grant truncate on project.canaries to anon",
		"alter role anon bypassrls", "grant service_role to anon", "alter role anon set role = 'owner'",
		"create schema breakout",
	} {
		tx, err := eye.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "set local lock_timeout = '10s'; "+sql); err != nil {
			t.Fatal(err)
		}
		if ask[string](t, eye, untouched) == before {
			t.Errorf("%s goes unseen", sql)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
