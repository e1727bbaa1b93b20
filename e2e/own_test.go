package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const ownSecret = "a secret of the operator, long enough"

// ownDatabase makes a PostgreSQL with a database that was there before the program: the project's own cluster stands in
// for one, and lets every role in. It returns the variables that the program gets.
func ownDatabase(t *testing.T) (p *project, env []string, url func(user string) string) {
	t.Helper()
	p = newProject(t)
	host := p.run(t, []string{"gateway", "--listen", "127.0.0.1:0"})
	if _, err := host.address(); err != nil {
		t.Fatal(err)
	}
	super := p.watch(t)
	hba := ask[string](t, super, "show hba_file")
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("local all all trust\n"), rules...), 0); err != nil {
		t.Fatal(err)
	}
	ask[bool](t, super, "select pg_reload_conf()")
	_, err = super.Exec(t.Context(), `create database shop`)
	if err != nil {
		t.Fatal(err)
	}
	_, sockets, err := p.postmaster()
	if err != nil {
		t.Fatal(err)
	}
	url = func(user string) string {
		return "host=" + sockets + " port=5432 sslmode=disable dbname=shop user=" + user
	}
	conn := connect(t, url("postgres"))
	_, err = conn.Exec(t.Context(), `
		create role web login noinherit; create role boss login bypassrls; create role guest; create role customer;
		create role hidden bypassrls; grant guest, customer to web;
		create schema api; grant usage on schema api to guest, customer, boss;
		create table api.orders (id int primary key, owner text not null);
		alter table api.orders enable row level security;
		create policy own on api.orders to customer
			using (owner = current_setting('request.jwt.claims')::json ->> 'email');
		insert into api.orders values (1, 'ana@example.com'), (2, 'ben@example.com');
		grant select on api.orders to customer, boss;
		create table api.menu (dish text); insert into api.menu values ('soup'), ('`+marker+`');
		grant select on api.menu to guest`)
	if err != nil {
		t.Fatal(err)
	}
	return p, []string{
		"RUN402_DATABASE_URL=" + url("web"), "RUN402_ADMIN_DATABASE_URL=" + url("boss"), "RUN402_DB_SCHEMAS=api",
		"RUN402_DB_ANON_ROLE=guest", "RUN402_JWT_SECRET=" + ownSecret,
	}, url
}

// print runs a command of the program to its end and returns all that it printed.
func (p *project) print(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = p.environ(env...)
	out, _ := cmd.CombinedOutput() // how it ended is in ProcessState
	return string(out), cmd.ProcessState.ExitCode()
}

func TestOwnPostgreSQL(t *testing.T) { //nolint:tparallel // its parts use one database, one after the other
	t.Parallel()
	p, env, url := ownDatabase(t)
	super := connect(t, url("postgres"))
	const snapshot = `select md5(string_agg(x, ',' order by x)) from (
		select 'c' || relname || coalesce(relacl::text, '') as x from pg_class where relname !~ '^pg_toast'
		union all select 'p' || oid::regprocedure || coalesce(proacl::text, '') from pg_proc
		union all select 'n' || nspname || coalesce(nspacl::text, '') from pg_namespace
		union all select 'r' || rolname || rolsuper || rolbypassrls from pg_roles
		union all select 'm' || roleid || member from pg_auth_members
		union all select 'e' || evtname from pg_event_trigger) s`
	before := ask[string](t, super, snapshot)
	token, code := p.print(t, env, "token", "--email", "ana@example.com", "--role", "customer")
	if code != 0 {
		t.Fatal(token)
	}
	token = strings.TrimSpace(token)

	t.Run("over stdio, as a user and as admin", func(t *testing.T) {
		agent := p.agent(t, append(env, "RUN402_USER_TOKEN="+token)...)
		if got := agent.call(t, "query_table", args{"table": "orders"}).column("id"); len(got) != 1 {
			t.Error("the user sees", got)
		}
		if got := agent.call(t, "admin_query_table", args{"table": "orders"}).column("id"); len(got) != 2 {
			t.Error("the admin sees", got)
		}
		if got := agent.call(t, "admin_sql", args{"sql": "select count(*)::int as n from api.orders"}).Text; !strings.Contains(got, "2") {
			t.Error("admin SQL answers", got)
		}
		if who := agent.call(t, "whoami", nil).Text; !strings.Contains(who, "your own PostgreSQL") || !strings.Contains(who, "customer") {
			t.Error("whoami:", who)
		}
		if tables := agent.call(t, "describe_tables", nil).Text; !strings.Contains(tables, "orders") || strings.Contains(tables, "menu") {
			t.Error("describe_tables:", tables)
		}
	})
	t.Run("over HTTP, to everybody", func(t *testing.T) {
		site := p.listen(t, env...)
		ana := site.join(t, way{"http", legacyRevision}, token)
		if got := ana.say(t, "query_table", args{"table": "orders"}); !strings.Contains(got, "ana@") || strings.Contains(got, "ben@") {
			t.Error(got)
		}
	})
	t.Run("to clients of PostgREST", func(t *testing.T) {
		c := p.run(t, []string{"gateway", "--listen", "127.0.0.1:0"}, env...)
		base, err := c.address()
		if err != nil {
			t.Fatal(err)
		}
		if status, body := fetch(t, "GET", base+"/rest/v1/menu?select=dish&limit=1", "", nil); status != 200 || body != `[{"dish":"soup"}]` {
			t.Error(status, body)
		}
		status, body := fetch(t, "GET", base+"/rest/v1/orders?select=id", "", http.Header{"Authorization": {"Bearer " + token}})
		if status != 200 || body != `[{"id":1}]` {
			t.Error(status, body)
		}
		hidden, _ := p.print(t, env, "token", "--email", "ana@example.com", "--role", "hidden")
		status, body = fetch(t, "GET", base+"/rest/v1/orders", "", http.Header{"Authorization": {"Bearer " + strings.TrimSpace(hidden)}})
		if status != http.StatusForbidden {
			t.Error("as a role that bypasses row level security:", status, body)
		}
		dotenv, _ := p.print(t, env, "env", "--base", base)
		_, key, _ := strings.Cut(dotenv, "RUN402_SERVICE_KEY=")
		key, _, _ = strings.Cut(key, "\n")
		status, body = fetch(t, "GET", base+"/admin/v1/rest/orders?select=id&order=id", "", http.Header{"Apikey": {key}})
		if status != 200 || body != `[{"id":1},{"id":2}]` {
			t.Error("the key that env prints:", status, body)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		out, code := p.print(t, env, "doctor")
		for _, want := range []string{"your own PostgreSQL", "web", "boss", "api", "menu"} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not say %q:\n%s", want, out)
			}
		}
		if code != 0 {
			t.Error(out)
		}
	})
	if after := ask[string](t, super, snapshot); after != before {
		t.Error("something was made or changed in the database")
	}
	t.Run("a login that could bypass policies ends the server", func(t *testing.T) {
		if _, err := super.Exec(t.Context(), "create role bridge noinherit; grant hidden to bridge; grant bridge to web"); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"gateway", "--listen", "127.0.0.1:0"}, {"doctor"}} {
			out, code := p.print(t, env, command...)
			if code == 0 || !strings.Contains(out, "revoke hidden from bridge") {
				t.Errorf("%s ended with %d:\n%s", command, code, out)
			}
		}
		c := p.run(t, []string{"serve"}, env...)
		select {
		case <-c.ended:
		case <-time.After(30 * time.Second):
			t.Fatal("the server still runs")
		}
		c.killed = true // that it failed is what is asked for
		if said := c.stderr.text(); !strings.Contains(said, "revoke hidden from bridge") {
			t.Error(said)
		}
	})
}

func TestGatewayInitShowsRunsAndRunsAgain(t *testing.T) {
	t.Parallel()
	p, _, url := ownDatabase(t)
	super := connect(t, url("postgres"))
	arguments := []string{"gateway", "init", "--db-schemas", "api", "--database-url", url("postgres")}
	shown, code := p.print(t, nil, arguments...)
	if code != 0 || !strings.Contains(shown, "create schema if not exists internal") || !strings.Contains(shown, "Nothing was run") {
		t.Fatalf("shown, %d:\n%s", code, shown)
	}
	if ask[bool](t, super, "select to_regnamespace('internal') is not null") {
		t.Fatal("it was run before it was asked to")
	}
	done, code := p.print(t, nil, append(arguments, "--yes")...)
	if code != 0 {
		t.Fatalf("%d:\n%s", code, done)
	}
	again, code := p.print(t, nil, append(arguments, "--yes")...)
	if code != 0 || !strings.Contains(again, "nothing to do") {
		t.Errorf("again, %d:\n%s", code, again)
	}
	_, dotenv, _ := strings.Cut(done, "The environment for functions-mcp:\n")
	env := strings.Split(strings.TrimSpace(dotenv), "\n")
	c := p.run(t, []string{"gateway", "--listen", "127.0.0.1:0"}, env...)
	base, err := c.address()
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := p.print(t, env, "env")
	_, anon, _ := strings.Cut(keys, "RUN402_ANON_KEY=")
	anon, _, _ = strings.Cut(anon, "\n")
	status, body := fetch(t, "POST", base+"/auth/v1/signup", `{"email":"eve@example.com","password":"correct horse battery"}`,
		http.Header{"Apikey": {anon}})
	if status > http.StatusCreated {
		t.Error("signup:", status, body)
	}
}
