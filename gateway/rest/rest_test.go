package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// world is what the tests of this package share: one PostgreSQL with the schema of testdata, and a pool for each login.
type world struct {
	handler *Handler
	pools   map[string]*pgxpool.Pool
}

var shared world // made by TestMain; tests put the rows back with fresh

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

// catalogOf returns what the tests' PostgreSQL holds in some schemas.
func catalogOf(schemas, path []string) *catalog.Cache {
	return catalog.New(func(ctx context.Context, old *catalog.Catalog) (*catalog.Catalog, error) {
		return catalog.Load(ctx, shared.pools[postgres.Superuser], schemas, path, old)
	})
}

func runTests(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "rest")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	if err := postgres.MakeDir(dir); err != nil {
		return fail(err)
	}
	logins := []string{"anon", "authenticated", "service_role"}
	server, err := postgres.Open(ctx, pgtest.Config(dir, logins...))
	if err != nil {
		return fail(err)
	}
	defer server.Close(ctx)
	schemas, path := []string{"p1"}, []string{"public", "auth"}
	shared.pools = map[string]*pgxpool.Pool{}
	shared.handler = New(Options{Schemas: schemas, SearchPath: path, Catalog: catalogOf(schemas, path)})
	for _, login := range append(logins, postgres.Superuser) {
		cfg, err := pgxpool.ParseConfig("pool_max_conns=4")
		if err != nil {
			return fail(err)
		}
		cfg.ConnConfig = server.ConnConfig(login, "postgres")
		pool, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			return fail(err)
		}
		defer pool.Close()
		shared.pools[login] = pool
	}
	for _, file := range []string{"testdata/schema.sql", "testdata/rows.sql"} {
		if err := shared.load(ctx, file); err != nil {
			return fail(err)
		}
	}
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func (w world) load(ctx context.Context, file string) error {
	sql, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = w.pools[postgres.Superuser].Exec(ctx, string(sql))
	return err
}

// fresh puts the rows of the tables back.
func fresh(t testing.TB) {
	t.Helper()
	if err := shared.load(t.Context(), "testdata/rows.sql"); err != nil {
		t.Fatal(err)
	}
}

// value asks for a single value as superuser.
func value[T any](t testing.TB, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := shared.pools[postgres.Superuser].QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// as is the session of ana, ben or service; "" is nobody.
func as(who string) Session {
	s := Session{StatementTimeout: 5 * time.Second, LockTimeout: time.Second}
	switch who {
	case "":
		s.Role, s.Claims = "anon", `{"role":"anon"}`
	case "service":
		s.Role, s.Claims = "service_role", `{"role":"service_role"}`
	default:
		s.Role, s.Claims = "authenticated", `{"sub":"`+who+`","role":"authenticated"}`
	}
	s.Pool = shared.pools[s.Role]
	return s
}

// exchange is a request and what its answer has to be.
type exchange struct {
	name   string
	who    string
	method string // GET when empty
	path   string // "items?select=id"
	header string // "Prefer: return=minimal | Accept: text/csv"
	body   string
	via    *Handler // nil is shared.handler

	status  int
	want    string // the whole body, or what it has to contain when it begins with "…"
	headers string // as header; a value of "-" means absent
}

func (x exchange) request(t testing.TB) *http.Request {
	t.Helper()
	method := x.method
	if method == "" {
		method = http.MethodGet
	}
	var body *strings.Reader
	if x.body != "" {
		body = strings.NewReader(x.body)
	} else {
		body = strings.NewReader("")
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "http://gateway/rest/v1/"+strings.ReplaceAll(x.path, " ", "%20"), body)
	for _, h := range splitHeaders(x.header) {
		r.Header.Add(h[0], h[1])
	}
	return r
}

func splitHeaders(s string) (out [][2]string) {
	for _, h := range strings.Split(s, " | ") {
		if name, value, ok := strings.Cut(h, ": "); ok {
			out = append(out, [2]string{name, value})
		}
	}
	return out
}

func (x exchange) serve(t testing.TB) *httptest.ResponseRecorder {
	t.Helper()
	r := x.request(t)
	w := httptest.NewRecorder()
	h := x.via
	if h == nil {
		h = shared.handler
	}
	h.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/rest/v1/"), as(x.who))
	return w
}

func (x exchange) check(t *testing.T) {
	t.Helper()
	x.judge(t, x.serve(t))
}

// judge holds an answer to what it has to be.
func (x exchange) judge(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	if w.Code != x.status {
		t.Fatalf("%s %s: status %d, want %d: %s", x.method, x.path, w.Code, x.status, body)
	}
	if part, ok := strings.CutPrefix(x.want, "…"); ok {
		if !strings.Contains(body, part) {
			t.Errorf("%s %s: body %s does not contain %s", x.method, x.path, body, part)
		}
	} else if body != x.want {
		t.Errorf("%s %s: body\n%s\nwant\n%s", x.method, x.path, body, x.want)
	}
	for _, h := range splitHeaders(x.headers) {
		got := w.Header().Get(h[0])
		if h[1] == "-" {
			h[1] = ""
		}
		if got != h[1] {
			t.Errorf("%s %s: %s is %q, want %q", x.method, x.path, h[0], got, h[1])
		}
	}
	if w.Code >= 400 && x.method != http.MethodHead {
		var e map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || len(e) != 4 {
			t.Errorf("%s %s: an error has four keys, not %s", x.method, x.path, body)
		}
	}
}

func run(t *testing.T, exchanges []exchange) {
	t.Helper()
	for _, x := range exchanges {
		t.Run(x.name, x.check)
	}
}
