package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// A database that cannot be opened is an answer with the reason, and is tried again once it may have been mended.
func TestFailedOpeningSaysWhyAndIsTriedAgain(t *testing.T) {
	dir := pgtest.Dir(t)
	project, err := gateway.LoadProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int32
	g := gateway.New(gateway.Options{Project: project, Open: func(ctx context.Context) (gateway.Cluster, error) {
		if tries.Add(1) == 1 {
			return nil, errors.New("there is no PostgreSQL: install it")
		}
		return postgres.Open(ctx, pgtest.Config(dir, gateway.Logins()...))
	}})
	t.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	get := func() *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/rest/v1/", nil)
		r.Header.Set("apikey", project.AnonKey)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	first := get()
	if first.Code != http.StatusServiceUnavailable || !strings.Contains(first.Body.String(), "install it") ||
		!strings.Contains(first.Body.String(), `"safe_to_retry":true`) {
		t.Errorf("got %d: %s", first.Code, first.Body)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if w := get(); w.Code == http.StatusOK {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it was not tried again: %d: %s", w.Code, w.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Closing ends an opening that is under way, and a closed gateway opens nothing.
func TestCloseEndsAnOpening(t *testing.T) {
	opening := make(chan struct{})
	g := gateway.New(gateway.Options{Open: func(ctx context.Context) (gateway.Cluster, error) {
		close(opening)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	g.Start()
	<-opening
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := g.Ready(t.Context()); err == nil {
		t.Error("a closed gateway opened its database")
	}
}

// A request that is cancelled ends its statement in PostgreSQL, on both planes' routes.
func TestCancelledRequestEndsItsStatement(t *testing.T) {
	super, err := pgx.ConnectConfig(t.Context(), pgtest.Open(t, shared.dir, gateway.Logins()...).ConnConfig("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = super.Close(context.Background()) })
	sql(t, `create view naps as select pg_sleep(60)::text as nap`)
	p := shared.project
	for name, q := range map[string]request{
		"admin sql":  {method: http.MethodPost, path: "/projects/v1/admin/" + p.ID + "/sql", bearer: p.ServiceKey, body: "select pg_sleep(60)"},
		"admin rest": {path: "/admin/v1/rest/naps", apikey: p.ServiceKey},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				r := httptest.NewRequestWithContext(ctx, cmp.Or(q.method, http.MethodGet), q.path, strings.NewReader(q.body))
				r.Header.Set("apikey", q.apikey)
				if q.bearer != "" {
					r.Header.Del("apikey")
					r.Header.Set("Authorization", "Bearer "+q.bearer)
				}
				shared.ServeHTTP(httptest.NewRecorder(), r)
			}()
			naps := func() (asleep bool) {
				err := super.QueryRow(t.Context(), "select exists (select from pg_stat_activity where wait_event = 'PgSleep')").
					Scan(&asleep)
				if err != nil {
					t.Fatal(err)
				}
				return asleep
			}
			waitUntil(t, naps)
			cancel()
			<-done
			waitUntil(t, func() bool { return !naps() })
		})
	}
}

func waitUntil(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
	}
}
