package gateway_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

const ownSecret = "a secret of the operator, long enough"

// shop is a database that was there before us, with roles of its own names.
const shop = `
create role web login noinherit; create role boss login bypassrls; create role guest; create role customer;
create role auditor bypassrls; create role clerk; create role stranger; create role slow;
alter role customer set "app.greeting" = 'hello'; alter role customer set search_path = 'nowhere';
alter role slow set statement_timeout = '150ms'; alter role slow set default_transaction_isolation = 'serializable';
grant guest, customer, clerk, slow to web;
create schema api; create schema private; create schema extra;
grant usage on schema api, private, extra to guest, customer, clerk, slow, boss;
create table api.orders (id int primary key, customer text not null, total numeric not null);
alter table api.orders enable row level security;
create policy own on api.orders to customer using (customer = current_setting('request.jwt.claims')::json ->> 'sub');
insert into api.orders values (1, 'ana', 10), (2, 'ben', 20), (3, 'ana', 30);
grant select, insert, update, delete on api.orders to customer, boss;
create table api.menu (dish text primary key);
insert into api.menu values ('soup'), ('tart');
grant select on api.menu to guest, customer;
create table private.plans (id int primary key);
grant select on private.plans to customer;
create function extra.shout(text) returns text language sql immutable as $$ select upper($1) $$;
create function api.greeting() returns text language sql stable as
	$$ select extra.shout(current_setting('app.greeting')) || current_user $$;
create function api.become(role text) returns json language plpgsql as $$ begin
	perform set_config('role', become.role, false);
	return (select json_agg(o) from api.orders o);
end $$;
create function api.isolation() returns text language sql stable as $$ select current_setting('transaction_isolation') $$;
create function api.dawdle() returns void language sql as $$ select pg_sleep(30) $$;
create function api.vet() returns void language plpgsql as $$ begin
	if current_setting('request.headers')::json ->> 'x-banned' is not null then
		raise sqlstate 'PT403' using message = 'you are banned';
	end if;
end $$;
`

// own starts a PostgreSQL with the shop in it.
func own(t *testing.T) (*postgres.Server, gateway.Own) {
	t.Helper()
	server := pgtest.Start(t, "web", "boss", "keeper")
	super(t, server, shop)
	claim, err := auth.ParseClaimPath("role")
	if err != nil {
		t.Fatal(err)
	}
	return server, gateway.Own{
		URL: urlOf(server, "web"), AdminURL: urlOf(server, "boss"), Schemas: []string{"api", "private"},
		SearchPath: []string{"extra"}, AnonRole: "guest", AnonGiven: true, JWTSecret: ownSecret, RoleClaim: claim,
	}
}

func urlOf(server *postgres.Server, user string) string {
	c := server.ConnConfig(user, "postgres")
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", c.Host, c.Port, user)
}

// super runs SQL as the superuser and returns the first value of its last statement.
func super(t *testing.T, server *postgres.Server, sql string) string {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), server.ConnConfig(postgres.Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

// serveOwn returns a gateway on the database.
func serveOwn(t *testing.T, o gateway.Own, change ...func(*gateway.Options)) (*gateway.Gateway, gateway.Project) {
	t.Helper()
	project, err := o.Project()
	if err != nil {
		t.Fatal(err)
	}
	opts := gateway.Options{Project: project, Own: &o}
	for _, c := range change {
		c(&opts)
	}
	g := gateway.New(opts)
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g, project
}

func ownToken(t *testing.T, role, sub string) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": sub}
	if role != "" {
		claims["role"] = role
	}
	return "Bearer " + signed(t, ownSecret, claims)
}

// signed is a token as somebody else than Run402 makes it.
func signed(t *testing.T, secret string, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call is a request to a gateway, with headers as "Name: value".
func call(t *testing.T, g *gateway.Gateway, method, path, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

const snapshot = `select md5(string_agg(x, ',' order by x)) from (
	select 'c' || oid || relname || coalesce(relacl::text, '') as x from pg_class where relkind <> 't' or relname !~ '^pg_toast'
	union all select 'p' || oid || proname || coalesce(proacl::text, '') from pg_proc
	union all select 'n' || oid || nspname || coalesce(nspacl::text, '') from pg_namespace
	union all select 'r' || oid || rolname || rolsuper || rolbypassrls from pg_roles
	union all select 'm' || roleid || member from pg_auth_members
	union all select 's' || setrole || setconfig::text from pg_db_role_setting
	union all select 'e' || oid from pg_event_trigger union all select 't' || oid from pg_trigger
	union all select 'd' || coalesce(datacl::text, '') from pg_database) s`

func TestOwnDatabaseIsServedAsPostgRESTWould(t *testing.T) {
	server, o := own(t)
	o.PreRequest, o.Audience = "api.vet", "us"
	before := super(t, server, snapshot)
	g, project := serveOwn(t, o)
	ana, anon := "Authorization: "+ownToken(t, "customer", "ana"), "X-None: 1"
	expired := signed(t, ownSecret, jwt.MapClaims{"role": "customer", "exp": 1000})
	foreign := signed(t, "another secret, which is long enough too", jwt.MapClaims{"role": "customer"})
	late := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "customer"})
	late.Header["kid"] = "k1"
	named, err := late.SignedString([]byte(ownSecret))
	if err != nil {
		t.Fatal(err)
	}
	const orders, menu = "/rest/v1/orders?select=id&order=id", "/rest/v1/menu?select=dish&order=dish"
	for name, test := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		want               string
	}{
		"nobody, without any key":    {"GET", menu, "", []string{anon}, 200, `[{"dish":"soup"}`},
		"nobody, with the anon key":  {"GET", menu, "", []string{"apikey: " + project.AnonKey}, 200, "soup"},
		"nobody, with any other key": {"GET", menu, "", []string{"apikey: whatever"}, 200, "soup"},
		"the anon key as bearer":     {"GET", menu, "", []string{"Authorization: Bearer " + project.AnonKey}, 200, "soup"},
		"another scheme is no token": {"GET", menu, "", []string{"Authorization: Basic YTpi"}, 200, "soup"},
		"nobody, where closed":       {"GET", orders, "", []string{anon}, 401, `"42501"`},
		"a user, under her policy":   {"GET", orders, "", []string{ana}, 200, `[{"id":1},` + "\n" + `{"id":3}]`},
		"a role's own settings":      {"POST", "/rest/v1/rpc/greeting", "{}", []string{ana}, 200, `"HELLOcustomer"`},
		"another schema":             {"GET", "/rest/v1/plans", "", []string{ana, "Accept-Profile: private"}, 200, "[]"},
		"one that is not served":     {"GET", "/rest/v1/x", "", []string{ana, "Accept-Profile: extra"}, 406, "PGRST106"},
		"a token that has expired":   {"GET", menu, "", []string{"Authorization: Bearer " + expired}, 401, "PGRST303"},
		"a token of another secret":  {"GET", menu, "", []string{"Authorization: Bearer " + foreign}, 401, "PGRST301"},
		"issued in the future": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "iat": 99999999999})}, 401, "issued at future"},
		"a moment too late": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "exp": time.Now().Add(-10 * time.Second).Unix()})}, 200, "soup"},
		"an end that is no number": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "exp": "soon"})}, 401, "'exp' claim must be a number"},
		"an audience of another shape": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "aud": []any{1}})}, 401, "'aud' claim must be"},
		"an audience that is not ours": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "aud": []string{"them"}})}, 401, "not in audience"},
		"an audience that is": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "aud": []string{"them", "us"}})}, 200, "soup"},
		"a numeric sub": {"GET", menu, "", []string{"Authorization: Bearer " + signed(t, ownSecret,
			jwt.MapClaims{"role": "customer", "sub": 7})}, 200, "soup"},
		"a key's name":       {"GET", menu, "", []string{"Authorization: Bearer " + named}, 200, "soup"},
		"nobody's signature": {"GET", menu, "", []string{"Authorization: Bearer eyJhbGciOiJub25lIn0.e30."}, 401, "unsecured"},
		"a role's isolation": {"GET", "/rest/v1/rpc/isolation", "", []string{"Authorization: " + ownToken(t, "slow", "")}, 200,
			"serializable"},
		"no token at all":             {"GET", menu, "", []string{"Authorization: Bearer a.b"}, 401, "got 2"},
		"an empty token":              {"GET", menu, "", []string{"Authorization: Bearer "}, 401, "Empty JWT"},
		"a role that is not there":    {"GET", menu, "", []string{"Authorization: " + ownToken(t, "nemo", "")}, 401, "22023"},
		"a role it may not become":    {"GET", menu, "", []string{"Authorization: " + ownToken(t, "stranger", "")}, 403, "42501"},
		"a role that bypasses":        {"GET", orders, "", []string{"Authorization: " + ownToken(t, "auditor", "")}, 403, "bypasses"},
		"the superuser":               {"GET", orders, "", []string{"Authorization: " + ownToken(t, "postgres", "")}, 403, "bypasses"},
		"the admin login":             {"GET", orders, "", []string{"Authorization: " + ownToken(t, "boss", "")}, 403, "bypasses"},
		"service_role":                {"GET", orders, "", []string{"Authorization: " + ownToken(t, "service_role", "")}, 401, "22023"},
		"a token without a role":      {"GET", menu, "", []string{"Authorization: " + ownToken(t, "", "ana")}, 200, "soup"},
		"what the pre-request raises": {"GET", menu, "", []string{"X-Banned: 1"}, 403, "you are banned"},
		"the service key":             {"GET", menu, "", []string{"apikey: " + project.ServiceKey}, 403, "ADMIN_REQUIRED"},
		"a role's timeout":            {"POST", "/rest/v1/rpc/dawdle", "{}", []string{"Authorization: " + ownToken(t, "slow", "")}, 500, "57014"},
		"the admin plane":             {"GET", "/admin/v1" + orders, "", []string{"apikey: " + project.ServiceKey}, 200, `{"id":2}`},
		"the admin plane, to a user":  {"GET", "/admin/v1" + orders, "", []string{"apikey: " + strings.TrimPrefix(ana, "Authorization: Bearer ")}, 403, "FORBIDDEN"},
		"the admin plane, to nobody":  {"GET", "/admin/v1" + orders, "", []string{anon}, 401, "AUTHENTICATION_REQUIRED"},
		"health":                      {"GET", "/health", "", []string{anon}, 200, "sql-read-only"},
		"no users":                    {"GET", "/auth/v1/user", "", []string{anon}, 404, "gateway init"},
	} {
		t.Run(name, func(t *testing.T) {
			path := strings.Replace(test.path, "/admin/v1/rest/v1/", "/admin/v1/rest/", 1)
			a := call(t, g, test.method, path, test.body, test.header...)
			if a.status != test.status || !strings.Contains(a.body, strings.ReplaceAll(test.want, "\n", "")) &&
				!strings.Contains(a.body, test.want) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.want)
			}
			if strings.Contains(a.body, "PGRST30") && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer error=") {
				t.Error("WWW-Authenticate:", a.header.Get("WWW-Authenticate"))
			}
		})
	}
	if after := super(t, server, snapshot); after != before {
		t.Error("something was created or changed in the database")
	}
}

func TestOwnSettingsThatDoNotFit(t *testing.T) {
	_, o := own(t)
	for name, change := range map[string]func(*gateway.Own){
		"RUN402_DB_SCHEMAS":   func(o *gateway.Own) { o.Schemas = []string{"api", "missing"} },
		"RUN402_DB_ANON_ROLE": func(o *gateway.Own) { o.AnonRole = "missing" },
		"bypasses":            func(o *gateway.Own) { o.AnonRole = "auditor" },
	} {
		changed := o
		change(&changed)
		g, _ := serveOwn(t, changed)
		err := g.Ready(t.Context())
		if !errors.As(err, new(*gateway.MisfitError)) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for want, change := range map[string]func(*gateway.Own){
		"same user":        func(o *gateway.Own) { o.AdminURL = o.URL },
		"another database": func(o *gateway.Own) { o.AdminURL = strings.Replace(o.AdminURL, "dbname=postgres", "dbname=x", 1) },
		"not understood":   func(o *gateway.Own) { o.URL = "postgres://u:hunter2@h:port/d" },
	} {
		changed := o
		change(&changed)
		if _, err := changed.Project(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestOwnWithoutAnAdminPlaneOrAnonymousAccess(t *testing.T) {
	_, o := own(t)
	o.AdminURL, o.AnonRole, o.AnonGiven, o.Roles = "", "anon", false, []string{"customer"}
	g, project := serveOwn(t, o)
	if project.ServiceKey != "" {
		t.Error("there is a service key")
	}
	for path, want := range map[string]string{
		"/admin/v1/rest/orders": "ADMIN_UNAVAILABLE", "/rest/v1/menu": "PGRST302",
	} {
		if a := call(t, g, "GET", path, ""); !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := call(t, g, "GET", "/rest/v1/orders", "", "Authorization: "+ownToken(t, "customer", "ben")); a.status != 200 {
		t.Error(a)
	}
	if a := call(t, g, "GET", "/rest/v1/orders", "", "Authorization: "+ownToken(t, "clerk", "")); a.status != 403 ||
		!strings.Contains(a.body, "RUN402_DB_ROLES") {
		t.Error("a role that is not listed:", a)
	}
}

func TestAdminSQLOnAnOwnDatabase(t *testing.T) {
	server, o := own(t)
	super(t, server, "grant create on schema api to boss; create table api.dust (n int); alter table api.dust owner to boss; "+
		"insert into api.dust select generate_series(1, 5)")
	g, project := serveOwn(t, o)
	sql := func(body string) answer {
		return call(t, g, "POST", "/projects/v1/admin/"+project.ID+"/sql", body,
			"apikey: "+project.ServiceKey, "Content-Type: application/json")
	}
	for name, test := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"reads past policies":         {`{"sql":"select count(*)::int from orders","read_only":true}`, 200, `"count":3`},
		"does not write when reading": {`{"sql":"delete from orders","read_only":true}`, 403, "read-only"},
		"nor two at once":             {`{"sql":"select 1; delete from orders","read_only":true}`, 400, "multiple commands"},
		"nor by asking":               {`{"sql":"select set_config('transaction_read_only','off',true)","read_only":true}`, 400, "sql_error"},
		"is bounded":                  {`{"sql":"update orders set total = 1","max_rows":2,"destroy":"nothing"}`, 400, "MAX_ROWS_EXCEEDED"},
		"says what it would drop":     {`{"sql":"drop table dust","destroy":"nothing"}`, 400, "table dust"},
		"and truncate":                {`{"sql":"truncate dust","destroy":"nothing"}`, 400, "truncate api.dust"},
		"and columns":                 {`{"sql":"alter table dust drop column n","destroy":"nothing"}`, 400, "dust.n"},
		"but not a new type":          {`{"sql":"alter table dust alter n type bigint","destroy":"nothing"}`, 200, "ok"},
		"describes":                   {`{"sql":"select 1 as one"}`, 200, `"schema":"api"`},
	} {
		t.Run(name, func(t *testing.T) {
			if a := sql(test.body); a.status != test.status || !strings.Contains(a.body, test.want) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	a := call(t, g, "GET", "/projects/v1/admin/"+project.ID+"/schema", "", "apikey: "+project.ServiceKey)
	if a.status != 200 || !strings.Contains(a.body, `"orders"`) || strings.Contains(a.body, "dark") {
		t.Error(a.status, a.body)
	}
}

// Between poolers that share connections out by transaction and a prepared statement there is no peace.
func TestWithoutPreparedStatements(t *testing.T) {
	server, o := own(t)
	o.URL += " default_query_exec_mode=exec"
	g, _ := serveOwn(t, o)
	ana := "Authorization: " + ownToken(t, "customer", "ana")
	for range 3 {
		if a := call(t, g, "GET", "/rest/v1/orders?select=id&id=eq.3", "", ana); a.body != `[{"id":3}]` {
			t.Fatal(a)
		}
		if a := call(t, g, "GET", "/rest/v1/orders?id=eq.x", "", ana); a.status != http.StatusBadRequest {
			t.Fatal(a)
		}
	}
	const prepared = "select count(*)::text from pg_stat_activity where usename = 'web' and query like '%rest_%'"
	if n := super(t, server, prepared); n != "0" {
		t.Error(n, "statements were prepared")
	}
}

func TestPublishedRSAKeys(t *testing.T) {
	_, o := own(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	o.JWTSecret = ""
	o.Keys, err = auth.ParseKeySet(fmt.Appendf(nil, `{"keys":[{"kty":"RSA","kid":"r1","alg":"RS256","e":"AQAB","n":%q}]}`,
		base64.RawURLEncoding.EncodeToString(private.N.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	g, _ := serveOwn(t, o)
	for method, want := range map[jwt.SigningMethod]int{jwt.SigningMethodRS256: 200, jwt.SigningMethodRS384: 401} {
		token, err := jwt.NewWithClaims(method, jwt.MapClaims{"role": "customer", "sub": "ana"}).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		if a := call(t, g, "GET", "/rest/v1/orders", "", "Authorization: Bearer "+token); a.status != want {
			t.Error(method.Alg(), a)
		}
	}
}

func TestKeysOfAnOwnDatabase(t *testing.T) {
	o := gateway.Own{URL: "postgres://web@h/d", AdminURL: "postgres://boss:one@h/d", JWTSecret: ownSecret}
	first, err := o.Project()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := o.Project(); again != first {
		t.Error("another copy has other keys")
	}
	o.AdminURL = "postgres://boss:two@h/d"
	if other, _ := o.Project(); other.ServiceKey == first.ServiceKey || other.ID != first.ID {
		t.Error("who may sign tokens knows the service key")
	}
	o.JWTSecret, o.AdminURL = "", "postgres://boss@h/d"
	one, _ := o.Project()
	if two, _ := o.Project(); one.ServiceKey == two.ServiceKey {
		t.Error("a service key that is made of nothing secret can be known")
	}
}
