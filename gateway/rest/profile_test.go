package rest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/postgres"
)

// twoSchemas is a Handler of p2 and p1, in that order, and the session of a login that becomes each request's role.
func twoSchemas(t *testing.T) (*Handler, Session) {
	t.Helper()
	const setup = `create schema p2; grant usage on schema p2 to anon, authenticated;
		create table p2.items (id int primary key, who text default current_user);
		grant select, insert on p2.items to anon, authenticated;
		insert into p2.items values (1, 'seed');
		create function p2.seen(name text) returns text language sql stable as
			$$ select current_setting('request.headers')::json ->> name $$;
		create function p2.cookie() returns text language sql stable as $$ select current_setting('request.cookies') $$;
		create function p2.vet() returns void language plpgsql as
			$$ begin
				if current_setting('request.headers')::json ->> 'x-vet' is not null then
					raise sqlstate 'PT402' using message = current_user || ' has to pay';
				end if;
			end $$;
		grant execute on all functions in schema p2 to anon, authenticated`
	pool := shared.pools[postgres.Superuser]
	if _, err := pool.Exec(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	schemas, path := []string{"p2", "p1"}, []string{"auth"}
	return New(Options{Schemas: schemas, SearchPath: path, Catalog: catalogOf(schemas, path)}), Session{
		Pool: pool, Role: "authenticated", Become: "authenticated", Claims: `{"role":"authenticated","sub":"ana"}`,
		Credentials: true, StatementTimeout: 5 * time.Second,
	}
}

func TestProfilesAndBecoming(t *testing.T) {
	h, s := twoSchemas(t)
	defer func() { _, _ = s.Pool.Exec(t.Context(), "drop schema p2 cascade") }()
	vetted, quiet := s, s
	vetted.PreRequest = "p2.vet"
	quiet.Credentials = false
	closed := s
	closed.Become = "nobody_at_all"
	own := s
	own.Settings = `{"app.greeting":"hello","TimeZone":"Asia/Tokyo"}`
	for _, x := range []struct {
		exchange
		as Session
	}{
		{exchange{name: "the first schema is the default", path: "items?select=id", status: 200, want: `[{"id":1}]`,
			headers: "Content-Profile: p2"}, s},
		{exchange{name: "a profile chooses another", path: "pairs?limit=0", header: "Accept-Profile: p1", status: 200,
			want: `[]`, headers: "Content-Profile: p1"}, s},
		{exchange{name: "a table of another schema is not there", path: "pairs", status: 404, want: `…PGRST205`,
			headers: "Content-Profile: -"}, s},
		{exchange{name: "a profile that is not served", path: "items", header: "Accept-Profile: pg_catalog", status: 406,
			want: `{"code":"PGRST106","message":"Invalid schema: pg_catalog","details":null,` +
				`"hint":"Only the following schemas are exposed: p2, p1"}`}, s},
		{exchange{name: "a write heeds Content-Profile alone", method: "POST", path: "items?select=who", body: `{"id":2}`,
			header: "Accept-Profile: nowhere | Content-Profile: p2 | Prefer: return=representation", status: 201,
			want: `[{"who":"authenticated"}]`}, s},
		{exchange{name: "a write to a profile that is not served", method: "POST", path: "items", body: `{"id":3}`,
			header: "Content-Profile: nowhere", status: 406, want: `…PGRST106`}, s},
		{exchange{name: "functions see headers", path: "rpc/seen?name=x-one", header: "X-One: 1", status: 200, want: `"1"`}, s},
		{exchange{name: "and credentials", path: "rpc/seen?name=authorization", header: "Authorization: Bearer t",
			status: 200, want: `"Bearer t"`}, s},
		{exchange{name: "but not where they are hidden", path: "rpc/seen?name=authorization",
			header: "Authorization: Bearer t", status: 200, want: `null`}, quiet},
		{exchange{name: "functions see cookies", path: "rpc/cookie", header: "Cookie: a=1; b=2", status: 200,
			want: `"{\"a\":\"1\",\"b\":\"2\"}"`}, s},
		{exchange{name: "what is called before lets pass", path: "items?id=eq.1&select=id", status: 200,
			want: `[{"id":1}]`}, vetted},
		{exchange{name: "or refuses, as the role", path: "items", header: "X-Vet: 1", status: 402,
			want: `…authenticated has to pay`}, vetted},
		{exchange{name: "a write too", method: "POST", path: "items", body: `{"id":9}`, header: "X-Vet: 1", status: 402,
			want: `…PT402`}, vetted},
		{exchange{name: "a role that is not there", path: "items", status: 401, want: `…nobody_at_all`}, closed},
		{exchange{name: "what the role has of its own", path: "items?select=id&limit=1", status: 200, want: `[{"id":1}]`}, own},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := x.request(t)
			h.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/rest/v1/"), x.as)
			x.judge(t, w)
		})
	}
}

func TestAnyProfile(t *testing.T) {
	h := New(Options{Schemas: []string{"p1"}, AnyProfile: true})
	w := httptest.NewRecorder()
	x := exchange{path: "pairs?limit=0", header: "Accept-Profile: public"}
	h.Serve(w, x.request(t), "pairs", as("ana"))
	if w.Code != http.StatusOK || w.Header().Get("Content-Profile") != "" {
		t.Error(w.Code, w.Header(), w.Body)
	}
}
