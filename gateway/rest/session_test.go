package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// single returns a session of ana's on a pool with one connection only, so that requests meet what others left.
func single(t *testing.T) Session {
	t.Helper()
	cfg := shared.pools["authenticated"].Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := as("ana")
	s.Pool = pool
	return s
}

func (x exchange) on(t *testing.T, s Session) *httptest.ResponseRecorder {
	t.Helper()
	r, w := x.request(t), httptest.NewRecorder()
	shared.handler.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/rest/v1/"), s)
	return w
}

func TestGetCannotWrite(t *testing.T) {
	fresh(t)
	for _, path := range []string{"sneaky", "sneaky?wrote=is.true"} {
		exchange{who: "ana", path: path, status: 405, want: `…"25006"`}.check(t)
	}
	if n := value[int](t, "select count(*) from p1.trail"); n != 0 {
		t.Errorf("a GET wrote %d rows", n)
	}
}

func TestNothingIsLeftForTheNextRequest(t *testing.T) {
	fresh(t)
	s := single(t)
	session := exchange{path: "session?select=user,left,read_only,locks"}
	clean := `[{"user":"authenticated","left":"","read_only":"on","locks":0}]`
	exchange{path: "session"}.on(t, s) // the parameter is known from now on
	for _, leave := range []exchange{
		{name: "a volatile function", method: "POST", path: "rpc/litter", status: 200},
		{name: "a trigger", method: "POST", path: "traced", body: `{"id":1}`, status: 201},
		{name: "a view", path: "memory", status: 200},
	} {
		t.Run(leave.name, func(t *testing.T) {
			if w := leave.on(t, s); w.Code != leave.status {
				t.Fatal(w.Code, w.Body)
			}
			w := session.on(t, s)
			if got := strings.ReplaceAll(w.Body.String(), `"left":null`, `"left":""`); got != clean {
				t.Errorf("the next request meets %s", got)
			}
			if w := (exchange{path: "memory?select=before"}).on(t, s); w.Body.String() != `[{"before":""}]` {
				t.Errorf("the next request meets %s", w.Body)
			}
		})
	}
}

func TestCleanConnectionsAreKept(t *testing.T) {
	s := single(t)
	call := exchange{method: "POST", path: "rpc/litter_less"}
	first := call.on(t, s).Body.String()
	if again := call.on(t, s).Body.String(); again != first {
		t.Errorf("a harmless function cost its connection: %s, then %s", first, again)
	}
	if other := (exchange{method: "POST", path: "rpc/litter"}).on(t, s).Body.String(); other != first {
		t.Errorf("a write was answered by %s, want %s", other, first)
	}
	if other := call.on(t, s).Body.String(); other == first {
		t.Error("a connection with a foreign prepared statement was used again")
	}
}

func TestFailuresKeepTheConnectionAndItsStatements(t *testing.T) {
	fresh(t)
	s := single(t)
	known := func() (n int) {
		if err := s.Pool.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
			n = len(cacheOf(c.Conn().PgConn()).known)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	refused := exchange{method: "POST", path: "items", body: `{"owner":"ben","title":"x"}`}
	refused.on(t, s)
	before := known()
	for range 3 {
		if w := refused.on(t, s); w.Code != 403 {
			t.Fatal(w.Code, w.Body)
		}
	}
	if after := known(); before == 0 || after != before {
		t.Errorf("%d statements are prepared after refusals, %d before", after, before)
	}
	if n := s.Pool.Stat().NewConnsCount(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

func TestStatementCacheIsBounded(t *testing.T) {
	s := single(t)
	for i := range maxPrepared + 20 {
		if w := (exchange{path: fmt.Sprintf("pairs?select=x%d:a", i)}).on(t, s); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	(exchange{path: "pairs"}).on(t, s)
	var n int
	if err := s.Pool.QueryRow(t.Context(), "select count(*) from pg_prepared_statements where name like 'rest_%'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n > maxPrepared+4 { // what a batch drops, perhaps one for each of its statements, is deallocated with the next
		t.Errorf("%d statements are prepared, the limit is %d", n, maxPrepared)
	}
}

func TestSchemaChangesBetweenRequests(t *testing.T) {
	admin := func(sql string) {
		t.Helper()
		if _, err := shared.pools["postgres"].Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	admin(`create table p1.changing (id int primary key, v int, m p1.mood); insert into p1.changing values (1, 7, 'ok');
		grant select, insert, update, delete on p1.changing to authenticated`)
	t.Cleanup(func() {
		if _, err := shared.pools["postgres"].Exec(context.Background(), "drop table p1.changing"); err != nil {
			t.Error(err)
		}
	})
	s := single(t)
	get := func(query string, status int, want string) {
		t.Helper()
		if w := (exchange{path: "changing?" + query}).on(t, s); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %d %s", query, w.Code, w.Body, status, want)
		}
	}
	get("v=eq.7&select=v", 200, `[{"v":7}]`)
	get("v=eq.7", 200, `[{"id":1,"v":7,"m":"ok"}]`)
	admin("alter table p1.changing alter v type text")
	get("v=eq.7&select=v", 200, `[{"v":"7"}]`)
	get("v=eq.abc&select=v", 200, `[]`)
	get("v=eq.7", 200, `[{"id":1,"v":"7","m":"ok"}]`)
	admin("alter table p1.changing add w int default 5")
	get("v=eq.7", 200, `[{"id":1,"v":"7","m":"ok","w":5}]`)
	admin("alter table p1.changing alter v type bigint using v::bigint")
	get("v=eq.99999999999&select=v", 200, `[]`)
	admin("alter table p1.changing drop v")
	get("v=eq.7&select=v", 400, `"42703"`)
	admin("alter table p1.changing rename to changed")
	get("id=eq.1", 404, `"PGRST205"`)
	admin("alter table p1.changed rename to changing")
	get("id=eq.1&select=id", 200, `[{"id":1}]`)
	// Somebody deallocates what this package prepared.
	if _, err := s.Pool.Exec(t.Context(), "deallocate all"); err != nil {
		t.Fatal(err)
	}
	get("id=eq.1&select=id", 200, `[{"id":1}]`)
	// A write with a stale statement is tried again, and written once.
	insert := exchange{method: "POST", path: "changing?select=w", body: `{"id":2,"w":1}`}
	if w := insert.on(t, s); w.Body.String() != `[{"w":1}]` {
		t.Fatal(w.Code, w.Body)
	}
	admin("alter table p1.changing alter w type text")
	insert.body = `{"id":3,"w":"one"}`
	if w := insert.on(t, s); w.Body.String() != `[{"w":"one"}]` {
		t.Fatal(w.Code, w.Body)
	}
	if n := value[int](t, "select count(*) from p1.changing where id = 3"); n != 1 {
		t.Errorf("%d rows were written, want 1", n)
	}
}

func TestLongAnswersStream(t *testing.T) {
	w := exchange{who: "ana", path: "big?order=n&limit=10000", header: "Prefer: count=exact"}.serve(t)
	if w.Code != 206 || w.Header().Get("Content-Range") != "0-9999/20000" {
		t.Error(w.Code, w.Header())
	}
	if w.Header().Get("Content-Length") != "" || !strings.HasPrefix(w.Body.String(), `[{"n":1,`) || !strings.HasSuffix(w.Body.String(), `}]`) {
		t.Error("not the whole answer, or not streamed")
	}
	if n := strings.Count(w.Body.String(), `"n":`); n != 10000 {
		t.Errorf("%d rows", n)
	}
	short := exchange{who: "ana", path: "big?order=n&limit=10"}.serve(t)
	if short.Header().Get("Content-Length") == "" {
		t.Error("a short answer has no length")
	}
}

func TestAnErrorWithinALongAnswerCutsIt(t *testing.T) {
	defer func() {
		if v := recover(); !errors.Is(v.(error), http.ErrAbortHandler) {
			t.Errorf("recovered %v", v)
		}
	}()
	w := exchange{who: "ana", path: "breaks"}.serve(t)
	t.Errorf("answered %d, %d bytes", w.Code, w.Body.Len())
}

func TestBufferedAnswersHaveALimit(t *testing.T) {
	fresh(t)
	h := New(Options{Schemas: []string{"p1"}, MaxAnswer: 100})
	x := exchange{method: "POST", path: "pairs", body: `[{"a":5,"b":1},{"a":5,"b":2},{"a":5,"b":3},{"a":5,"b":4}]`}
	w := httptest.NewRecorder()
	h.Serve(w, x.request(t), "pairs", as("ana"))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Error(w.Code, w.Body)
	}
}

func TestTimeouts(t *testing.T) {
	s := as("ana")
	s.StatementTimeout = 50 * time.Millisecond
	if w := (exchange{path: "slow"}).on(t, s); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "57014") {
		t.Error(w.Code, w.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w := httptest.NewRecorder()
	r := exchange{path: "slow"}.request(t).WithContext(ctx)
	shared.handler.Serve(w, r, "slow", as("ana"))
	if w.Code != http.StatusGatewayTimeout {
		t.Error(w.Code, w.Body)
	}
}

func TestDatabaseThatIsGone(t *testing.T) {
	s := single(t)
	s.Pool.Close()
	if w := (exchange{path: "items"}).on(t, s); w.Code < 500 || bytes.Contains(w.Body.Bytes(), []byte("pool")) {
		t.Error(w.Code, w.Body)
	}
}
