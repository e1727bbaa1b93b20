package acceptance

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
)

// another serves the library's database by other options and returns its URL.
func another(t *testing.T, opts gateway.Options) string {
	t.Helper()
	g := gateway.New(opts)
	if err := g.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		server.Close()
		_ = g.Close(context.Background())
	})
	return server.URL
}

func at(url string, exchanges []exchange) []exchange {
	for i := range exchanges {
		exchanges[i].at = url
	}
	return exchanges
}

func local(change func(*gateway.Options)) gateway.Options {
	opts := gateway.Options{
		Project: library.project,
		Open:    func(context.Context) (gateway.Cluster, error) { return borrowed{library.cluster}, nil },
	}
	change(&opts)
	return opts
}

func TestAggregates(t *testing.T) {
	url := another(t, local(func(o *gateway.Options) { o.Aggregates = true }))
	books := func(sel, want string) exchange {
		return exchange{name: sel, who: "ana", path: "books?select=" + sel, status: 200, want: want}
	}
	run(t, at(url, []exchange{
		books("count()", `[{"count":4}]`),
		books("pages.sum(),pages.max(),pages.min()", `[{"sum":852,"max":310,"min":90}]`),
		books("pages.avg()", `[{"avg":213.0000000000000000}]`),
		books("total:pages.sum()::text", `[{"total":"852"}]`),
		books("price::int.sum()", `[{"sum":24}]`),
		books("weight:info->>grams::int.sum()", `[{"weight":725}]`),
		books("price.count()", `[{"count":3}]`),
		books("author_id,count()&order=author_id.nullslast", `[{"author_id":1,"count":2},{"author_id":2,"count":1},{"author_id":null,"count":1}]`),
		books("author_id,pages.max()&author_id=is.not_null&order=author_id.desc", `[{"author_id":2,"max":254},{"author_id":1,"max":310}]`),
		books("state,n:id.count()&state=neq.lost&order=state", `[{"state":"new","n":2},{"state":"worn","n":1}]`),
		{name: "inside", who: "ana", path: "authors?select=name,books(count(),pages.sum())&order=id", status: 200,
			want: `[{"name":"Selma Varga","books":[{"count":2,"sum":508}]},{"name":"Tomas Reed","books":[{"count":1,"sum":254}]},` +
				`{"name":"Ines Okafor","books":[{"count":0,"sum":null}]}]`},
		{name: "grouped by what is spread", who: "ana", path: "books?select=pages.sum(),...authors(country)&author_id=eq.1", status: 200,
			want: `[{"sum":508,"country":"HU"}]`},
		{name: "what policies show", who: "ben", path: "loans?select=count()", status: 200, want: `[{"count":1}]`},
		{name: "no such function", who: "ana", path: "books?select=pages.median()", status: 400, want: `…"PGRST100"`},
		{name: "not of that type", who: "ana", path: "books?select=title.sum()", status: 404, want: `…"42883"`},
	}))
}

func TestMaxRows(t *testing.T) {
	url := another(t, local(func(o *gateway.Options) { o.MaxRows = 2 }))
	run(t, at(url, []exchange{
		{name: "without a limit", who: "ana", path: "books?select=id&order=id", status: 200, want: ids("1 2"), headers: "Content-Range: 0-1/*"},
		{name: "with a higher limit", who: "ana", path: "books?select=id&order=id&limit=3", status: 200, want: ids("1 2")},
		{name: "with a lower limit", who: "ana", path: "books?select=id&order=id&limit=1", status: 200, want: ids("1")},
		{name: "the next page", who: "ana", path: "books?select=id&order=id&offset=2", status: 200, want: ids("3 4"), headers: "Content-Range: 2-3/*"},
		{name: "counted", who: "ana", path: "books?select=id&order=id", header: "Prefer: count=exact", status: 206, want: ids("1 2"), headers: "Content-Range: 0-1/4"},
		{name: "inside", who: "ana", path: "genres?select=books(id)&id=eq.1&books.order=id", status: 200, want: `[{"books":[{"id":1},{"id":2}]}]`},
		{name: "of a function", who: "ana", path: "rpc/longer_than?pages=1&select=id&order=id", status: 200, want: ids("1 2")},
	}))
	runFresh(t, at(url, []exchange{
		{name: "a write is not cut", who: "ana", method: "PATCH", path: "copies?id=gt.100&select=id", header: representation, body: `{"amount":3}`, status: 200,
			want: `[{"id":101},{"id":102},{"id":103}]`},
	}))
}

// outside serves the library's database as one that was there before, by a login that may become who asks.
func outside(t *testing.T, own gateway.Own) (url string) {
	t.Helper()
	if err := library.run(t.Context(), "postgres", `do $$ begin
		if not exists (select from pg_roles where rolname = 'web') then
			create role web login noinherit; grant anon, authenticated to web; grant connect on database postgres to web;
		end if;
	end $$`); err != nil {
		t.Fatal(err)
	}
	claim, err := auth.ParseClaimPath("role")
	if err != nil {
		t.Fatal(err)
	}
	socket := library.cluster.ConnConfig("web", "postgres")
	own.URL = fmt.Sprintf("host=%s port=%d user=web dbname=postgres", socket.Host, socket.Port)
	own.AnonRole, own.AnonGiven, own.RoleClaim, own.JWTSecret = "anon", true, claim, library.project.JWTSecret
	project, err := own.Project()
	if err != nil {
		t.Fatal(err)
	}
	return another(t, gateway.Options{Project: project, Own: &own})
}

// A database that was there before, served as PostgREST would: two schemas, and a function that vets each request.
func TestSchemasAndPreRequest(t *testing.T) {
	if err := library.run(t.Context(), "postgres", `
		create schema annex; grant usage on schema annex to anon, authenticated;
		create table annex.books (id int primary key, title text); insert into annex.books values (50, 'Annexed');
		grant select, insert on annex.books to anon, authenticated;
		create function annex.only_here() returns int language sql immutable as 'select 50'; grant execute on function annex.only_here to anon, authenticated;
		create function annex.vet() returns void language plpgsql as $$ begin
			if current_setting('request.headers')::json ->> 'x-banned' is not null then raise sqlstate 'PT403' using message = 'you are banned'; end if;
		end $$; grant execute on function annex.vet to anon, authenticated`); err != nil {
		t.Fatal(err)
	}
	url := outside(t, gateway.Own{
		Schemas: []string{"project", "annex"}, SearchPath: []string{"auth"}, PreRequest: "annex.vet",
	})
	const annex, write = "Accept-Profile: annex", "Content-Profile: annex"
	run(t, at(url, []exchange{
		{name: "the first is the default", who: "ana", path: "books?select=id&limit=1&order=id", status: 200, want: ids("1"), headers: "Content-Profile: project"},
		{name: "the other", who: "ana", path: "books", header: annex, status: 200, want: `[{"id":50,"title":"Annexed"}]`, headers: "Content-Profile: annex"},
		{name: "what is in one is not in the other", who: "ana", path: "genres", header: annex, status: 404, want: `…"PGRST205"…annex.genres`},
		{name: "a function", who: "ana", path: "rpc/only_here", header: annex, status: 200, want: "50"},
		{name: "a function that is not there", who: "ana", path: "rpc/only_here", status: 404, want: `…"PGRST202"`},
		{name: "POST to a function", who: "ana", method: "POST", path: "rpc/only_here", header: write, status: 200, want: "50"},
		{name: "embedding stays within", who: "ana", path: "books?select=id,authors(id)&id=eq.1", status: 200, want: `[{"id":1,"authors":{"id":1}}]`},
		{name: "a write", who: "ana", method: "POST", path: "books?select=id", header: write + " | " + representation, body: `{"id":51,"title":"x"}`, status: 201, want: `[{"id":51}]`,
			headers: "Content-Profile: annex"},
		{name: "neither", who: "ana", path: "books", header: "Accept-Profile: public", status: 406,
			want: `…"PGRST106"…Invalid schema: public…Only the following schemas are exposed: project, annex`},
		{name: "nobody", path: "books?select=id", header: annex + " | Prefer: count=exact", status: 200, want: `…50`},
		{name: "the root of the other", who: "ana", path: "", header: annex, status: 200, want: `…"/rpc/only_here"`},
		{name: "vetted", who: "ana", path: "books", header: "X-Banned: yes", status: 403, want: `{"code":"PT403","message":"you are banned","details":null,"hint":null}`},
		{name: "a write, vetted", who: "ana", method: "POST", path: "books", header: write + " | X-Banned: yes", body: `{"id":52,"title":"x"}`, status: 403, want: `…"PT403"`},
		{name: "policies hold", who: "ben", path: "loans?select=id", status: 200, want: ids("2")},
	}))
}
