package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// cluster is shared by the tests of the package, each with a database of its own. It starts when a test first needs it:
// what fuzzes needs none, and its workers must not start one each.
var cluster struct {
	once sync.Once
	*postgres.Server
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if cluster.Server != nil {
		if err := cluster.Close(context.Background()); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(cluster.dir)
	}
	os.Exit(code)
}

func startCluster() {
	if cluster.dir, cluster.err = os.MkdirTemp("", "mail"); cluster.err != nil {
		return
	}
	if cluster.err = postgres.MakeDir(cluster.dir); cluster.err == nil {
		cluster.Server, cluster.err = postgres.Open(context.Background(), pgtest.Config(cluster.dir))
	}
}

var databases atomic.Int32

// newPool returns a database with the tables of mail.
func newPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	name := fmt.Sprintf("mail%d", databases.Add(1))
	admin := openPool(t, "postgres")
	if _, err := admin.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	migration, err := os.ReadFile("../migrations/00003_mail.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	pool := openPool(t, name)
	up = "create schema internal; set search_path = internal;" + up + "reset search_path"
	if _, err := pool.Exec(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	return pool
}

func openPool(t testing.TB, database string) *pgxpool.Pool {
	t.Helper()
	if cluster.once.Do(startCluster); cluster.err != nil {
		t.Fatal(cluster.err)
	}
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig = cluster.ConnConfig("postgres", database)
	cfg.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// service is a project's mail that has begun to send.
type service struct {
	*Mail
	*http.ServeMux
	pool *pgxpool.Pool
}

func newService(t testing.TB, provider Provider, change ...func(*Options)) service {
	t.Helper()
	return serviceOver(t, newPool(t), provider, change...)
}

func serviceOver(t testing.TB, pool *pgxpool.Pool, provider Provider, change ...func(*Options)) service {
	t.Helper()
	o := Options{
		ProjectID: "prj_0123456789abcdef", FromDomain: "shop.example.com", Provider: provider,
		Pool: func(context.Context) (*pgxpool.Pool, error) { return pool, nil }, Log: slog.New(slog.DiscardHandler),
		Wait: 20 * time.Second,
	}
	for _, f := range change {
		f(&o)
	}
	s := service{New(o), http.NewServeMux(), pool}
	s.Routes(s.ServeMux, func(next http.HandlerFunc) http.HandlerFunc { return next })
	s.Start(pool)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Close(ctx)
	})
	return s
}

// answered is an answer of the service; body is its JSON.
type answered struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// do makes a request; a body is marshalled, unless it is a string.
func (s service) do(t testing.TB, method, path string, body any, header ...string) answered {
	t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "/mailboxes/v1"+path, strings.NewReader(text))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	a := answered{status: w.Code, header: w.Result().Header, raw: w.Body.String()}
	_ = json.Unmarshal([]byte(a.raw), &a.body) // of what is no JSON the raw text counts
	return a
}

func (a answered) want(t testing.TB, status int) answered {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d, want %d: %s", a.status, status, a.raw)
	}
	return a
}

// refused checks an envelope.
func (a answered) refused(t testing.TB, status int, code string) answered {
	t.Helper()
	if a.want(t, status); a.body["code"] != code || a.body["error"] != strings.ToLower(code) || a.body["message"] == "" {
		t.Fatalf("answered %s, want the code %s", a.raw, code)
	}
	return a
}

func (a answered) is(name string, want any) bool { return a.body[name] == want }

func (a answered) text(name string) string {
	text, _ := a.body[name].(string)
	return text
}

// box makes a mailbox and returns its id.
func (s service) box(t testing.TB, slug string) string {
	t.Helper()
	return s.do(t, "POST", "", map[string]string{"slug": slug}).want(t, 201).text("mailbox_id")
}

func letterTo(to string) wire.SendEmail {
	return wire.SendEmail{To: to, Subject: "Hello", HTML: "<p>Good day.</p>"}
}

func (s service) sendFrom(t testing.TB, box string, in any, header ...string) answered {
	t.Helper()
	return s.do(t, "POST", "/"+box+"/messages", in, header...)
}

// count is how many rows a table has.
func (s service) count(t testing.TB, table string) (n int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), "select count(*) from internal."+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits for something that happens by itself.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
