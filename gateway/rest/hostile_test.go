package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/postgres"
)

// Rows without a column have no value to look at, and whatever goes wrong, the connection is given back.
func TestCSVOfNoColumns(t *testing.T) {
	h := library(t, nil)
	for range 5 { // more than there are connections
		for _, prefer := range []string{"", " | Prefer: count=exact"} {
			exchange{who: "ana", path: "books?select=shelves()", header: "Accept: text/csv" + prefer, via: h, status: 200}.check(t)
		}
	}
}

// PostgreSQL would plan each EXISTS of an alternative twice, and what is in it too: this many take it longer than anybody
// lives.
func TestAlternativesInAlternatives(t *testing.T) {
	const depth = 45
	list, filters := "id", ""
	for i := range depth {
		list = "id,k:folders(" + list + ")"
		filters += "&" + strings.Repeat("k.", i) + "or=(k.not.is.null,name.eq.root)"
	}
	exchange{who: "ana", path: "folders?limit=1&order=id&select=" + list + filters, via: library(t, nil),
		status: 200, want: `[{"id":1,"k":[]}]`}.check(t)
}

// A request that is short to send is not long to answer.
func TestRequestsThatGrow(t *testing.T) {
	h := library(t, nil)
	names := strings.Repeat("name,", 5000) + "id"
	keys := func(prefix string) string { return `{"` + strings.Repeat(prefix+`":1,"`, 2000) + `id":1}` }
	run(t, []exchange{
		{via: h, who: "ana", name: "names of columns to write", method: "POST", path: "authors?columns=" + names, body: "{}", status: 400, want: "…more than 1600 names"},
		{via: h, who: "ana", name: "columns to read", path: "authors?select=" + names, status: 400, want: "…fewer than 1600 columns"},
		{via: h, who: "ana", name: "a long name in each line of CSV", method: "POST", path: "authors", header: "Content-Type: text/csv",
			body: strings.Repeat("k", 1000) + "\n" + strings.Repeat("1\n", 10), status: 400, want: "…PGRST102"},
		{via: h, who: "ana", name: "long names in each line of CSV", method: "POST", path: "authors", header: "Content-Type: text/csv",
			body: strings.Repeat("k", 63) + "\n" + strings.Repeat("1\n", 2<<20), status: 413, want: "…PGRST102"},
		{via: h, who: "ana", name: "keys of an object", method: "POST", path: "authors", body: keys("a"), status: 400, want: "…more than 1600 keys"},
	})
}

// Objects are told apart by every key, also after one that the first object lacks.
func TestKeysThatDiffer(t *testing.T) {
	for body, same := range map[string]bool{
		`[{"a":1,"b":1},{"x":1,"b":1}]`:               false,
		`[{"a":1,"b":1},{"b":1,"a":1}]`:               true,
		`[{"a":1,"b":1},{"b":1,"a":1,"b":2}]`:         true,
		`[{"a":1,"b":1},{"a":1}]`:                     false,
		`[{"a":1,"b":1},{"a":1,"b":1,"c":1}]`:         false,
		`[{"a":1,"b":1},{"a":1,"x":1},{"b":1,"a":1}]`: false,
	} {
		b, err := parseBody([]byte(body))
		if err != nil || b.same != same {
			t.Errorf("%s: %+v %v", body, b, err)
		}
	}
}

// A cast names a type of values, whatever SQL would take before it.
func TestCastsToNamesOfObjects(t *testing.T) {
	for _, cast := range []string{"regclass", "REGROLE", "setof regclass", "SETOF  regproc", " regtype", "regclass array"} {
		if _, _, err := parseSelect("id::" + cast); err == nil {
			t.Errorf("%s was taken", cast)
		}
	}
}

// A client that does not read holds no connection to PostgreSQL for longer than a statement may run.
func TestClientsThatDoNotRead(t *testing.T) {
	h := library(t, nil)
	if _, err := shared.pools[postgres.Superuser].Exec(t.Context(), `create table lib.wide as
		select n, repeat('x', 1000) as pad from generate_series(1, 60000) n; grant select on lib.wide to authenticated`); err != nil {
		t.Fatal(err)
	}
	s := as("ana")
	s.StatementTimeout = 500 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Serve(w, r, "wide", s) }))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := int(s.Pool.Config().MaxConns)
	for range n {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
	}
	for range n {
		conn, err := s.Pool.Acquire(ctx)
		if err != nil {
			t.Fatalf("no connection for others: %v", err)
		}
		defer conn.Release()
	}
}

// A row is held whole, so it has a limit too; the connection it came on is closed, and the next request has another.
func TestRowsThatAreTooLarge(t *testing.T) {
	h := library(t, func(o *Options) { o.MaxAnswer = 1 << 20 })
	if _, err := shared.pools[postgres.Superuser].Exec(t.Context(), `create function lib.essay(lib.books) returns text
		language sql as $$ select repeat('x', 2000000) $$; grant execute on function lib.essay to authenticated`); err != nil {
		t.Fatal(err)
	}
	run(t, []exchange{
		{name: "large", who: "ana", path: "books?id=eq.1&select=id,essay", via: h, status: 413, want: `…"54000"`},
		{name: "next", who: "ana", path: "books?id=eq.1&select=id", via: h, status: 200, want: `[{"id":1}]`},
	})
}

// A long statement costs PostgreSQL megabytes for as long as it is prepared, and clients choose the statements.
func TestLongStatementsAreNotKept(t *testing.T) {
	h := library(t, nil)
	long := exchange{who: "ana", path: "books?select=id&limit=1&order=id&or=(" + strings.Repeat("id.eq.1,", 900) + "id.eq.2)", via: h,
		status: 200, want: `[{"id":1}]`}
	long.check(t)
	long.check(t)
	wrong := long
	wrong.path += "&pages=eq.many"
	wrong.status, wrong.want = 400, "…22P02"
	wrong.check(t)
	conn, err := shared.pools["authenticated"].Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for sql := range cacheOf(conn.Conn().PgConn()).known {
		if len(sql) > maxKept {
			t.Errorf("a statement of %d bytes is prepared", len(sql))
		}
	}
}

// A write whose answer is too large may have been over before that was seen: who is refused must not think it undone.
func TestWritesWhoseAnswerIsTooLarge(t *testing.T) {
	h := library(t, func(o *Options) { o.MaxAnswer = 1000 })
	body := `[{"id":100,"name":"` + strings.Repeat("x", 900) + `"},{"id":101,"name":"` + strings.Repeat("y", 900) + `"}]`
	exchange{who: "ana", method: "POST", path: "authors", header: "Prefer: return=representation", body: body, via: h,
		status: 413, want: "…Whether the write took place is unknown"}.check(t)
	t.Log("written:", value[int](t, "select count(*) from lib.authors where id >= 100"))
}

// A long name is like no other, and finding that out takes no longer than reading it.
func TestLongNamesOfArguments(t *testing.T) {
	exchange{who: "ana", method: "POST", path: "rpc/pairs", body: `{"` + strings.Repeat("x", 4<<20) + `":1}`,
		via: library(t, nil), status: 404, want: `…"hint":null`}.check(t)
}
