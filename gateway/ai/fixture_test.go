package ai

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// newAI returns AI helpers over a PostgreSQL of their own.
func newAI(t testing.TB, o Options) *AI {
	t.Helper()
	pool := newPool(t)
	o.Pool = func(context.Context) (*pgxpool.Pool, error) { return pool, nil }
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return New(o)
}

func newPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	migration, err := os.ReadFile("../migrations/00005_ai.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	config, err := pgxpool.ParseConfig("search_path=internal")
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig = pgtest.Start(t).ConnConfig("postgres", "postgres")
	config.ConnConfig.RuntimeParams["search_path"] = "internal"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), "create schema internal"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	return pool
}

// answer is what a route said.
type answer struct {
	status int
	header http.Header
	body   string
}

// is reports whether a refusal has a status and a code.
func (a answer) is(status int, code string) bool {
	var e wire.Error
	return a.status == status && json.Unmarshal([]byte(a.body), &e) == nil && e.Code == code
}

func (a answer) refusal(t testing.TB) wire.Error {
	t.Helper()
	var e wire.Error
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return e
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var out T
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

func (a *AI) call(ctx context.Context, method, path, body string) answer {
	mux := http.NewServeMux()
	a.Routes(mux, func(next http.HandlerFunc) http.HandlerFunc { return next })
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	return answer{w.Code, w.Header(), w.Body.String()}
}

func post(t testing.TB, a *AI, path string, body any) answer {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return a.call(t.Context(), http.MethodPost, path, string(text))
}

func report(t testing.TB, a *AI) wire.AIUsageReport {
	t.Helper()
	return decode[wire.AIUsageReport](t, a.call(t.Context(), http.MethodGet, wire.AIUsage, ""))
}
