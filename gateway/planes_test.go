package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/auth"
)

// Every credential meets every route: contract sections 2.1, 3 and 4.
func TestCredentialsMeetRoutes(t *testing.T) {
	sql(t, `create table planes (id int primary key, owner text);
		alter table planes enable row level security;
		create policy own on planes using (owner = auth.uid());
		insert into planes values (1, 'ana'), (2, 'ben')`)
	p := shared.project
	user := func(subject string) auth.Claims {
		return auth.Claims{Subject: subject, Role: auth.RoleAuthenticated, ProjectID: p.ID, Expires: time.Now().Add(time.Hour)}
	}
	expired, other, service, stranger := user("ana"), user("ana"), user("ana"), user("ana")
	expired.Expires = time.Now().Add(-time.Minute)
	other.ProjectID = "prj_0000000000000000"
	service.Role = auth.RoleService
	stranger.Role = "postgres"
	ana, ben := sign(t, p.JWTSecret, user("ana")), sign(t, p.JWTSecret, user("ben"))
	forged := sign(t, "another secret", user("ana"))
	otherKey := sign(t, "another secret", auth.Claims{Role: auth.RoleService, ProjectID: other.ProjectID})

	const (
		caller = "/rest/v1/planes?select=id&order=id"
		admin  = "/admin/v1/rest/planes?select=id&order=id"
	)
	rawSQL, schema := "/projects/v1/admin/"+p.ID+"/sql", "/projects/v1/admin/"+p.ID+"/schema"
	for _, c := range []struct {
		name           string
		path           string
		apikey, bearer string
		status         int
		want           string // the whole body, or the code of an error
	}{
		{"caller plane: nothing", caller, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"caller plane: unknown key", caller, "x", "", 401, "AUTHENTICATION_REQUIRED"},
		{"caller plane: token but no key", caller, "", ana, 401, "AUTHENTICATION_REQUIRED"},
		{"caller plane: anon", caller, p.AnonKey, "", 200, `[]`},
		{"caller plane: anon key twice", caller, p.AnonKey, p.AnonKey, 200, `[]`},
		{"caller plane: ana", caller, p.AnonKey, ana, 200, `[{"id":1}]`},
		{"caller plane: ben", caller, p.AnonKey, ben, 200, `[{"id":2}]`},
		{"caller plane: expired", caller, p.AnonKey, sign(t, p.JWTSecret, expired), 401, "AUTHENTICATION_REQUIRED"},
		{"caller plane: forged", caller, p.AnonKey, forged, 401, "AUTHENTICATION_REQUIRED"},
		{"caller plane: other project", caller, p.AnonKey, sign(t, p.JWTSecret, other), 403, "PROJECT_TOKEN_MISMATCH"},
		{"caller plane: a token that says service_role", caller, p.AnonKey, sign(t, p.JWTSecret, service), 403, "ROLE_FORBIDDEN"},
		{"caller plane: a token that says postgres", caller, p.AnonKey, sign(t, p.JWTSecret, stranger), 403, "ROLE_FORBIDDEN"},
		{"caller plane: service key", caller, p.ServiceKey, "", 403, "ADMIN_REQUIRED"},
		{"caller plane: service key as token", caller, p.AnonKey, p.ServiceKey, 403, "ADMIN_REQUIRED"},
		{"caller plane: service key twice", caller, p.ServiceKey, p.ServiceKey, 403, "ADMIN_REQUIRED"},

		{"admin plane: nothing", admin, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"admin plane: key in Authorization only", admin, "", p.ServiceKey, 401, "AUTHENTICATION_REQUIRED"},
		{"admin plane: anon key", admin, p.AnonKey, "", 403, "FORBIDDEN"},
		{"admin plane: ana", admin, ana, "", 403, "FORBIDDEN"},
		{"admin plane: anon key and ana", admin, p.AnonKey, ana, 403, "FORBIDDEN"},
		{"admin plane: expired", admin, sign(t, p.JWTSecret, expired), "", 403, "FORBIDDEN"},
		{"admin plane: forged", admin, forged, "", 401, "AUTHENTICATION_REQUIRED"},
		{"admin plane: another project's key", admin, otherKey, "", 401, "AUTHENTICATION_REQUIRED"},
		{"admin plane: a token that says service_role", admin, sign(t, p.JWTSecret, service), "", 403, "FORBIDDEN"},
		{"admin plane: service key", admin, p.ServiceKey, "", 200, `[{"id":1},{"id":2}]`},
		{"admin plane: service key, and a token that does not count", admin, p.ServiceKey, forged, 200, `[{"id":1},{"id":2}]`},

		{"sql: nothing", rawSQL, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"sql: anon key", rawSQL, "", p.AnonKey, 403, "FORBIDDEN"},
		{"sql: ana", rawSQL, "", ana, 403, "FORBIDDEN"},
		{"sql: forged", rawSQL, "", forged, 401, "AUTHENTICATION_REQUIRED"},
		{"sql: another project's key", rawSQL, "", otherKey, 401, "AUTHENTICATION_REQUIRED"},
		{"sql: anon key wins as apikey", rawSQL, p.AnonKey, p.ServiceKey, 403, "FORBIDDEN"},
		{"sql: another project", "/projects/v1/admin/prj_0000000000000000/sql", "", p.ServiceKey, 404, "PROJECT_NOT_FOUND"},
		{"sql: service key", rawSQL, "", p.ServiceKey, 200, `"rows":[{"n":2}]`},
		{"sql: service key as apikey", rawSQL, p.ServiceKey, "", 200, `"rows":[{"n":2}]`},

		{"schema: nothing", schema, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"schema: anon key", schema, p.AnonKey, "", 403, "FORBIDDEN"},
		{"schema: ana", schema, "", ana, 403, "FORBIDDEN"},
		{"schema: another project", "/projects/v1/admin/prj_0000000000000000/schema", "", p.ServiceKey, 404, "PROJECT_NOT_FOUND"},
		{"schema: service key", schema, "", p.ServiceKey, 200, `"planes"`},

		{"no such route", "/rest/v2/planes", p.AnonKey, "", 404, "NOT_FOUND"},
		{"a route that only looks like the caller plane", "/rest/v1x/planes", p.AnonKey, "", 404, "NOT_FOUND"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := request{path: c.path, apikey: c.apikey, bearer: c.bearer}
			if strings.HasSuffix(c.path, "/sql") {
				q.method, q.body = http.MethodPost, "select count(*)::int as n from planes"
			}
			a := do(t, q)
			if a.status != c.status {
				t.Fatalf("status %d, want %d: %s", a.status, c.status, a.body)
			}
			if c.status != http.StatusOK {
				if e := a.decode(t); e["code"] != c.want || e["trace_id"] == "" {
					t.Errorf("got %s, want code %s", a.body, c.want)
				}
				return
			}
			if strings.HasPrefix(c.want, "[") && a.body != c.want || !strings.Contains(a.body, c.want) {
				t.Errorf("got %s, want %s", a.body, c.want)
			}
		})
	}
}

// A table is dark until row level security is on, a view until it runs as its reader; the answer to the DDL says so.
func TestTablesAreDarkUntilTheyAreGuarded(t *testing.T) {
	reach := func(subject, table string) int {
		return do(t, as(t, subject, request{path: "/rest/v1/" + table})).status
	}
	notices := func(a answer) string {
		out := ""
		for _, n := range anySlice(a.decode(t)["notices"]) {
			out += n.(string) + "\n"
		}
		return out
	}
	a := sql(t, "create table plain (id int); create view seen as select * from plain; create materialized view kept as select 1 as id")
	for _, want := range []string{
		"alter table plain enable row level security", "alter view seen set (security_invoker = true)", "kept: a materialized view",
	} {
		if !strings.Contains(notices(a), want) {
			t.Errorf("the notices do not say %q: %s", want, a.body)
		}
	}
	for _, name := range []string{"plain", "seen", "kept"} {
		if got := reach("", name); got != http.StatusUnauthorized && got != http.StatusNotFound {
			t.Errorf("anon got %d on %s", got, name)
		}
		if got := reach("ana", name); got != http.StatusForbidden && got != http.StatusNotFound {
			t.Errorf("ana got %d on %s", got, name)
		}
	}

	t.Run("whatever is granted on a dark table is taken back, and said", func(t *testing.T) {
		a := sql(t, "grant select on plain to anon; grant select (id) on plain to public; grant all on seen to authenticated")
		if !strings.Contains(notices(a), "plain: row level security is off") {
			t.Errorf("nothing was said: %s", a.body)
		}
		if reach("", "plain") == http.StatusOK || reach("ana", "seen") == http.StatusOK {
			t.Error("a grant opened a dark table")
		}
	})
	t.Run("a table that no trigger hears of is not given by default", func(t *testing.T) {
		sql(t, "alter default privileges in schema project grant select on tables to anon, public; "+
			"alter default privileges grant all on tables to authenticated; explain analyze create table unheard as select 1 as id")
		if reach("", "unheard") == http.StatusOK || reach("ana", "unheard") == http.StatusOK {
			t.Error("default privileges opened a dark table")
		}
	})
	t.Run("row level security opens it", func(t *testing.T) {
		a := sql(t, "alter table plain enable row level security; create policy p on plain using (true); alter view seen set (security_invoker = on)")
		if notices(a) != "" {
			t.Errorf("unexpected notices: %s", a.body)
		}
		for _, name := range []string{"plain", "seen"} {
			if got := reach("ana", name); got != http.StatusOK {
				t.Errorf("ana got %d on %s", got, name)
			}
		}
	})
	t.Run("a revoke stays, over later changes of the table", func(t *testing.T) {
		sql(t, "revoke select on plain from anon; alter table plain add column note text")
		if got := reach("", "plain"); got == http.StatusOK {
			t.Error("a later change of the table gave back what was revoked")
		}
	})
	t.Run("without row level security it is dark again", func(t *testing.T) {
		a := sql(t, "alter table plain disable row level security")
		if !strings.Contains(notices(a), "plain: row level security is off") || reach("ana", "plain") == http.StatusOK {
			t.Errorf("it stayed open: %s", a.body)
		}
	})
	t.Run("a serial column draws from its sequence", func(t *testing.T) {
		sql(t, "create table drawn (id serial primary key, a int); alter table drawn enable row level security; create policy p on drawn using (true); alter table drawn add column n serial")
		if a := do(t, as(t, "ana", request{method: "POST", path: "/rest/v1/drawn", body: `[{"a":1}]`})); a.status != http.StatusCreated {
			t.Errorf("insert answered %d: %s", a.status, a.body)
		}
	})
	t.Run("an indexed table opens as any other", func(t *testing.T) {
		sql(t, "create table indexed (id int); create index on indexed (id); alter table indexed enable row level security")
		if got := reach("ana", "indexed"); got != http.StatusOK {
			t.Errorf("ana got %d", got)
		}
	})
	t.Run("a function is closed until it is granted", func(t *testing.T) {
		a := sql(t, "create function shut() returns int language sql stable return 1")
		if !strings.Contains(notices(a), "grant execute on function shut() to authenticated") {
			t.Errorf("nothing was said: %s", a.body)
		}
		call := request{method: "POST", path: "/rest/v1/rpc/shut", body: "{}"}
		if a := do(t, as(t, "ana", call)); a.status == http.StatusOK {
			t.Errorf("ana could call it: %s", a.body)
		}
		sql(t, "grant execute on function shut() to authenticated")
		if a := do(t, as(t, "ana", call)); a.status != http.StatusOK {
			t.Errorf("ana could not call it: %d %s", a.status, a.body)
		}
		if a := do(t, as(t, "ana", request{path: "/rest/v1/rpc%2Fshut"})); a.status != http.StatusNotFound {
			t.Errorf("a table's name reached a function: %d %s", a.status, a.body)
		}
	})
}

func anySlice(v any) []any {
	s, _ := v.([]any)
	return s
}

// The escapes that design.md names: each gets through where roles are set on a shared login.
func TestCallersCannotEscape(t *testing.T) {
	sql(t, `create table secrets (id int primary key, owner text, text text);
		alter table secrets enable row level security;
		create policy own on secrets using (owner = auth.uid());
		insert into secrets values (1, 'ana', 'hers'), (2, 'ben', 'his');
		create function become(role text) returns text language plpgsql volatile as $$
			begin perform set_config('role', role, false); return (select string_agg(text, ',' order by id) from secrets); end $$;
		create function become_too(role text) returns text language plpgsql volatile as $$
			begin execute format('set role %I', role); return (select string_agg(text, ',' order by id) from secrets); end $$;
		create function be(claims text) returns void language sql volatile as $$ select set_config('request.jwt.claims', claims, false) $$;
		create function litter() returns void language plpgsql volatile as $$
			begin perform set_config('app.litter', 'left', false), set_config('search_path', 'pg_temp', false), pg_advisory_lock(7);
			begin create temp table secrets (id int, owner text, text text); exception when insufficient_privilege then null; end; end $$;
		create function litter_left() returns text language sql stable as $$
			select concat_ws(',', nullif(current_setting('app.litter', true), ''), to_regclass('pg_temp.secrets')::text,
				(select 'lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() limit 1), current_user) $$;
		grant execute on all functions in schema project to anon, authenticated`)
	rpc := func(subject, name, body string) answer {
		return do(t, as(t, subject, request{method: "POST", path: "/rest/v1/rpc/" + name, body: body}))
	}
	for _, name := range []string{"become", "become_too"} {
		for _, role := range []string{"service_role", "owner", "reader", "postgres", "gateway", "project_admin", "authenticated", "none"} {
			if a := rpc("ana", name, `{"role":"`+role+`"}`); strings.Contains(a.body, "his") {
				t.Errorf("as %s by %s, ana read: %s", role, name, a.body)
			}
		}
	}
	// Ten callers after the one who littered: whichever connection they get, it is clean, and they are themselves.
	for range 6 {
		rpc("ana", "litter", `{}`)
		rpc("ana", "be", `{"claims":"{\"sub\":\"ana\"}"}`)
	}
	for range 10 {
		if a := rpc("ben", "litter_left", `{}`); a.body != `"authenticated"` {
			t.Fatalf("the session was not as new: %s", a.body)
		}
		if a := do(t, as(t, "ben", request{path: "/rest/v1/secrets?select=text"})); a.body != `[{"text":"his"}]` {
			t.Fatalf("ben read: %s", a.body)
		}
	}
}

// A view may call a function that its author wrote for whoever reads it with more rights: nobody does.
func TestHostileViewGainsNothing(t *testing.T) {
	sql(t, `create table spoils (who text, super boolean);
		create function grab() returns boolean language plpgsql volatile as $$
			begin
				begin execute 'alter role owner superuser'; exception when others then null; end;
				begin execute 'insert into project.spoils select session_user, rolsuper from pg_roles where rolname = current_user'; exception when others then null; end;
				return true;
			end $$;
		create view bait as select grab() as grabbed;
		grant execute on function grab() to public`)
	p := shared.project
	for _, q := range []request{
		{path: "/admin/v1/rest/bait", apikey: p.ServiceKey},
		{path: "/admin/v1/rest/", apikey: p.ServiceKey},
		{path: "/projects/v1/admin/" + p.ID + "/schema", bearer: p.ServiceKey},
		{method: "POST", path: "/projects/v1/admin/" + p.ID + "/sql", bearer: p.ServiceKey, body: "select * from bait"},
	} {
		do(t, q)
	}
	trySQL(t, map[string]any{"sql": "select * from bait", "read_only": true})
	a := sql(t, `select exists (select from spoils where super or who in ('gateway', 'postgres', 'reader')) or
		(select bool_or(rolsuper) from pg_roles where rolname <> 'postgres') as gained`)
	if !strings.Contains(a.body, `{"gained":false}`) {
		t.Errorf("the view's function gained rights: %s", sql(t, "select * from spoils").body)
	}
}
