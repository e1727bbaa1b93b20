package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAdminSQLAnswersAsTheContractSays(t *testing.T) {
	sql(t, "create table sqls (id int primary key, n bigint, name text); insert into sqls values (1, 10, 'a'), (2, 20, 'b')")
	for _, c := range []struct {
		name string
		body map[string]any
		want string // status, schema left out
	}{
		{
			name: "a query has rows, fields and both counters",
			body: map[string]any{"sql": "select 42 as n"},
			want: `{"rows":[{"n":42}],"rowCount":1,"row_count":1,"fields":[{"name":"n","type":"int4"}]}`,
		},
		{
			name: "whole numbers of 64 bits and decimals are strings",
			body: map[string]any{"sql": "select 1::int8 as a, 1.50 as b, 1.5::float8 as c, true as d, null::int as e"},
			want: `{"rows":[{"a":"1","b":"1.50","c":1.5,"d":true,"e":null}],"rowCount":1,"row_count":1,"fields":[{"name":"a","type":"int8"},{"name":"b","type":"numeric"},{"name":"c","type":"float8"},{"name":"d","type":"bool"},{"name":"e","type":"int4"}]}`,
		},
		{
			name: "times are ISO 8601, JSON is JSON, arrays are arrays",
			body: map[string]any{"sql": `select '2026-01-02 03:04:05.678+01'::timestamptz a, '2026-01-02 03:04:05'::timestamp b, '{"k": [1]}'::json c, array[[1,null],[3,4]] d, array['x','"y"'] e, array[]::text[] f`},
			want: `{"rows":[{"a":"2026-01-02T02:04:05.678Z","b":"2026-01-02T03:04:05.000","c":{"k":[1]},"d":[[1,null],[3,4]],"e":["x","\"y\""],"f":[]}],"rowCount":1,"row_count":1,"fields":[{"name":"a","type":"timestamptz"},{"name":"b","type":"timestamp"},{"name":"c","type":"oid:114"},{"name":"d","type":"oid:1007"},{"name":"e","type":"text[]"},{"name":"f","type":"text[]"}]}`,
		},
		{
			name: "a change counts what it affected",
			body: map[string]any{"sql": "update sqls set n = n + 1"},
			want: `{"rows":[],"rowCount":2,"row_count":2,"fields":[]}`,
		},
		{
			name: "a change that returns rows answers them",
			body: map[string]any{"sql": "update sqls set n = 5 where id = $1 returning id, n", "params": []any{1}},
			want: `{"rows":[{"id":1,"n":"5"}],"rowCount":1,"row_count":1,"fields":[{"name":"id","type":"int4"},{"name":"n","type":"int8"}]}`,
		},
		{
			name: "parameters are what Node's driver makes of them",
			body: map[string]any{"query": "select $1::int[] a, $2::jsonb b, $3::bool c, $4::text d, $5::text[] e", "params": []any{[]any{1, nil, 3}, map[string]any{"k": "v"}, true, nil, []any{`a"b\`, "c,d"}}},
			want: `{"rows":[{"a":[1,null,3],"b":{"k": "v"},"c":true,"d":null,"e":["a\"b\\","c,d"]}],"rowCount":1,"row_count":1,"fields":[{"name":"a","type":"oid:1007"},{"name":"b","type":"jsonb"},{"name":"c","type":"bool"},{"name":"d","type":"text"},{"name":"e","type":"text[]"}]}`,
		},
		{
			name: "a change of the schema has no count",
			body: map[string]any{"sql": "comment on table sqls is 'x'"},
			want: `{"rows":[],"rowCount":null,"row_count":null,"fields":[]}`,
		},
		{
			name: "of several statements the last one's rows, and the sum of the counts",
			body: map[string]any{"sql": "update sqls set name = 'z'; select id from sqls order by id;"},
			want: `{"rows":[{"id":1},{"id":2}],"rowCount":4,"row_count":4,"fields":[{"name":"id","type":"int4"}]}`,
		},
		{
			name: "of several bounded statements the changed rows",
			body: map[string]any{"sql": "create temp table t (a int); update sqls set name = 'z'; select id from sqls", "max_rows": 3},
			want: `{"rows":[],"rowCount":2,"row_count":2,"fields":[],"notices":["Of several statements no rows come back: select by a call of its own."]}`,
		},
		{
			name: "of two columns with one name the later counts",
			body: map[string]any{"sql": "select 1 as a, 2 as a"},
			want: `{"rows":[{"a":2}],"rowCount":1,"row_count":1,"fields":[{"name":"a","type":"int4"},{"name":"a","type":"int4"}]}`,
		},
		{
			name: "max_rows cuts what is read and says so",
			body: map[string]any{"sql": "select generate_series(1, 5) as n", "max_rows": 2, "read_only": true},
			want: `{"rows":[{"n":1},{"n":2}],"rowCount":5,"row_count":5,"fields":[{"name":"n","type":"int4"}],"truncated":true}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := trySQL(t, c.body)
			if a.status != http.StatusOK {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
			got := strings.Replace(compact(t, a.body), `"status":"ok","schema":"project",`, "", 1)
			if diff := cmp.Diff(compact(t, c.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdminSQLRefuses(t *testing.T) {
	sql(t, "create table refuses (id int primary key); insert into refuses select generate_series(1, 5)")
	big := strings.Repeat("x", 6<<20)
	for _, c := range []struct {
		name    string
		body    map[string]any
		status  int
		code    string
		message string // part of it
	}{
		{"blank SQL", map[string]any{"sql": "  \n"}, 400, "INVALID_REQUEST", "no SQL"},
		{"params that are no list", map[string]any{"sql": "select 1", "params": "x"}, 400, "INVALID_REQUEST", "params"},
		{"a NUL character", map[string]any{"sql": "select '\x00'"}, 400, "INVALID_REQUEST", "NUL"},
		{"more than 6 MiB", map[string]any{"sql": big}, 413, "REQUEST_BODY_TOO_LARGE", "6291456"},
		{"a syntax error", map[string]any{"sql": "selec 1"}, 400, "SQL_ERROR", "SQL error: syntax error"},
		{"an unknown table", map[string]any{"sql": "select * from nowhere"}, 400, "SQL_ERROR", `relation "nowhere"`},
		{"several statements with params", map[string]any{"sql": "select $1; select 2", "params": []any{1}}, 400, "SQL_ERROR", "multiple commands"},
		{"create schema", map[string]any{"sql": "create schema s"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"drop schema", map[string]any{"sql": "drop schema project cascade"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"create extension", map[string]any{"sql": "create extension pgcrypto"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"create role", map[string]any{"sql": "create role r"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"set role", map[string]any{"sql": "set role anon"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"set session authorization", map[string]any{"sql": "set session authorization postgres"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"alter system", map[string]any{"sql": "alter system set work_mem = '1MB'"}, 400, "SQL_ERROR", "transaction block"},
		{"a session that is ended", map[string]any{"sql": "do $$ begin raise sqlstate '57P01'; end $$"}, 503, "DATABASE_UNAVAILABLE", "not known"},
		{"copy from program", map[string]any{"sql": "copy refuses from program 'id'"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"the internal schema", map[string]any{"sql": "select * from internal.audit"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"the event triggers", map[string]any{"sql": "drop event trigger expose"}, 403, "FORBIDDEN", "Blocked SQL pattern:"},
		{"a commit in what is bounded", map[string]any{"sql": "begin; delete from refuses; commit", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"a rollback in what is bounded", map[string]any{"sql": "delete from refuses; rollback", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"what follows a rollback", map[string]any{"sql": "rollback; delete from refuses", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"a commit with every cursor closed", map[string]any{"sql": "close all; delete from refuses; commit", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"a rollback alone", map[string]any{"sql": "rollback", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"a transaction of its own after a rollback", map[string]any{"sql": "rollback; begin; delete from refuses; select 1", "max_rows": 9}, 400, "SQL_ERROR", "one transaction"},
		{"a commit after a change of the limit", map[string]any{"sql": "delete from refuses where id = 1; commit; delete from refuses", "max_rows": 3}, 400, "SQL_ERROR", "one transaction"},
		{"more changes than max_rows", map[string]any{"sql": "delete from refuses", "max_rows": 3}, 400, "MAX_ROWS_EXCEEDED", "5 rows"},
		{"more changes beside a write than max_rows", map[string]any{"sql": "with d as (delete from refuses returning 1) select count(*) from d; update refuses set id = id where false", "max_rows": 3}, 400, "MAX_ROWS_EXCEEDED", "5 rows"},
		{"more changes within a write than max_rows", map[string]any{"sql": "with d as (delete from refuses returning 1) insert into refuses select 1 where false", "max_rows": 3}, 400, "MAX_ROWS_EXCEEDED", "5 rows"},
		{"more changes behind a select than max_rows", map[string]any{"sql": "with d as (delete from refuses returning 1) select count(*) from d", "max_rows": 3}, 400, "MAX_ROWS_EXCEEDED", "5 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := trySQL(t, c.body)
			e := a.decode(t)
			if a.status != c.status || e["code"] != c.code || e["error"] != strings.ToLower(c.code) ||
				!strings.Contains(e["message"].(string), c.message) {
				t.Errorf("got %d %s, want %d %s with %q", a.status, a.body, c.status, c.code, c.message)
			}
		})
	}
	if a := sql(t, "select count(*)::int as n from refuses"); !strings.Contains(a.body, `"n":5`) {
		t.Errorf("a refused statement took effect: %s", a.body)
	}
}

// Nothing that runs with read_only may write, whichever way it tries.
func TestReadOnlySQLCannotWrite(t *testing.T) {
	sql(t, `create table readonly (id int primary key, owner text);
		create function writes() returns int language plpgsql volatile as $$ begin insert into readonly values (99); return 1; end $$;
		create function sneaks() returns int language plpgsql security definer as $$ begin insert into readonly values (98); return 1; end $$;
		create function lies() returns int language plpgsql stable as $$ begin perform set_config('transaction_read_only', 'off', true); return 1; end $$;
		create view hostile as select writes() as n;
		create sequence counter`)
	for _, text := range []string{
		"insert into readonly values (1)",
		"commit; insert into readonly values (1)",
		"rollback; begin; insert into readonly values (1); commit",
		"select 1; insert into readonly values (1)",
		"set transaction read write",
		"set session characteristics as transaction read write",
		"begin read write",
		"select set_config('transaction_read_only', 'off', true)",
		"do $$ begin commit; insert into project.readonly values (1); end $$",
		"do $$ begin execute 'set transaction read write'; insert into project.readonly values (1); end $$",
		"with w as (insert into readonly values (1) returning id) select * from w",
		"select writes()", "select sneaks()", "select lies()", "select * from hostile",
		"select nextval('counter')", "select lo_create(4242)", "select lo_from_bytea(4242, 'x')",
		"create table readonly2 (id int)", "create temp table t (id int)", "drop table readonly", "truncate readonly",
		"grant all on readonly to anon", "copy readonly from program 'echo 1'", "lock table readonly",
		"set role owner", "reset role", "set session authorization owner", "select * from internal.audit",
		"select pg_terminate_backend(pg_backend_pid())", "prepare x as insert into readonly values (1)",
		"select dblink('', 'insert into readonly values (1)')", "explain analyze insert into readonly values (1)",
		"select query_to_xml('insert into project.readonly values (1)', true, true, '')",
		"vacuum readonly", "call writes()", "notify x", "listen x", "refresh materialized view hostile",
	} {
		t.Run(text, func(t *testing.T) {
			trySQL(t, map[string]any{"sql": text, "read_only": true})
			a := trySQL(t, map[string]any{"sql": `select (select count(*)::int from readonly) n, (select count(*)::int from pg_largeobject_metadata) l,
				(select is_called from counter) c, to_regclass('readonly2') is null gone, current_setting('transaction_read_only') r, current_user::text u`, "read_only": true})
			if !strings.Contains(a.body, `{"n":0,"l":0,"c":false,"gone":true,"r":"on","u":"reader"}`) {
				t.Errorf("it left something behind: %s", a.body)
			}
		})
	}
}

// Whoever writes policies tries them as somebody, by the claims alone.
func TestAdminSQLCanTryPoliciesAsAUser(t *testing.T) {
	for claims, want := range map[string]string{
		`{"sub":"ana"}`: `{"uid":"ana"}`, `{"sub":7}`: `{"uid":"7"}`, `{}`: `{"uid":null}`, `{"sub":""}`: `{"uid":""}`, ``: `{"uid":null}`,
	} {
		a := sql(t, "select set_config('request.jwt.claims', '"+claims+"', true); select auth.uid() as uid")
		if !strings.Contains(a.body, `"rows":[`+want+`]`) {
			t.Errorf("with claims %s: %s", claims, a.body)
		}
	}
}

// What one admin SQL leaves in the session must not meet the next.
func TestAdminSQLStartsEachRequestAnew(t *testing.T) {
	sql(t, `set work_mem = '7MB'; create temp table left_behind (id int); prepare p as select 1; listen l;
		select pg_advisory_lock(1); select set_config('request.jwt.claims', '{"sub":"mallory"}', false)`)
	for range 2 {
		a := sql(t, `select current_setting('work_mem') <> '7MB' and to_regclass('pg_temp.left_behind') is null
			and not exists (select from pg_prepared_statements) and not exists (select from pg_listening_channels())
			and not exists (select from pg_locks where locktype = 'advisory') and auth.uid() = 'service' as clean`)
		if !strings.Contains(a.body, `{"clean":true}`) {
			t.Fatalf("the session was not as new: %s", a.body)
		}
	}
}

func TestAdminSQLIsOneTransaction(t *testing.T) {
	trySQL(t, map[string]any{"sql": "create table half (id int); select 1/0"})
	if a := sql(t, "select to_regclass('half') is null as gone"); !strings.Contains(a.body, `{"gone":true}`) {
		t.Errorf("the first half of a failed request stayed: %s", a.body)
	}
	// A DO block that commits ends the transaction that it is in; in ours it is refused, so the settings stay.
	a := trySQL(t, map[string]any{"sql": "do $$ begin commit; end $$"})
	if a.status != http.StatusBadRequest {
		t.Errorf("commit in a DO block answered %d: %s", a.status, a.body)
	}
}
