package core_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

func TestHandlerSeesAServersRequest(t *testing.T) {
	var seen http.Request
	c := connect(t, hostedtest.New(hostedtest.Hosted), core.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = *r
		r.Header = nil // a handler may change its request
		r.URL.Path = "/"
		_, _ = io.WriteString(w, "[]")
	})))
	if _, err := c.DB("").From("a b").Limit(1).Rows(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen.Host != "localhost" || seen.RemoteAddr != "127.0.0.1:0" || seen.RequestURI != "/rest/v1/a%20b?limit=1" || seen.Body == nil {
		t.Errorf("host %q, remote %q, URI %q, body %v", seen.Host, seen.RemoteAddr, seen.RequestURI, seen.Body)
	}
}

func TestHandlerPanicIsAnError(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "a secret"} {
		n := 0
		c := connect(t, hostedtest.New(hostedtest.Hosted), core.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n++
			_, _ = io.WriteString(w, "[") // what was written before does not count
			panic(value)
		})))
		_, err := c.DB("").From("items").Rows(t.Context())
		var p *core.PanicError
		if !errors.As(err, &p) || p.Value != value || !strings.Contains(string(p.Stack), "TestHandlerPanicIsAnError") {
			t.Errorf("got %v", err)
		}
		if strings.Contains(err.Error(), "secret") || n != 1 {
			t.Errorf("got %v after %d calls", err, n)
		}
	}
}

func TestHandlerHeedsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls, answer := 0, ""
	c := connect(t, hostedtest.New(hostedtest.Hosted), core.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		cancel()
		<-r.Context().Done()
		if answer != "" {
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = io.WriteString(w, answer)
		}
	})))
	_, err := c.DB("").From("items").Delete().Rows(ctx)
	wantError(t, err, core.CodeCanceled)
	_, err = c.DB("").From("items").Rows(ctx)
	if wantError(t, err, core.CodeCanceled); calls != 1 {
		t.Error("the handler was called for a caller who had gone")
	}
	// What a handler says about a canceled write is worth more than that it was canceled.
	answer = `{"code":"CANCELED_WRITE","mutation_state":"unknown"}`
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, err = c.DB("").From("items").Delete().Rows(ctx)
	wantError(t, err, "CANCELED_WRITE")
}

// TestAnswersAreBounded holds both transports to 64 MiB.
func TestAnswersAreBounded(t *testing.T) {
	chunk := []byte(strings.Repeat(" ", 1<<20))
	huge := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 65 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	g := hostedtest.New(hostedtest.Hosted)
	_, err := connect(t, g, core.Handler(huge)).DB("").From("items").Rows(t.Context())
	wantError(t, err, core.CodeInvalidAnswer)

	server := httptest.NewServer(huge)
	defer server.Close()
	c, err := core.New(core.Config{Base: server.URL, AnonKey: g.AnonKey()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.DB("").From("items").Rows(t.Context())
	wantError(t, err, core.CodeInvalidAnswer)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer other.Close()
	for _, status := range []int{301, 302, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(other.URL, status))
		c, err := core.New(core.Config{Base: server.URL, ServiceKey: "key"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Admin().From("items").Rows(t.Context())
		var e *core.Error
		if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Hint, "RUN402_API_BASE") || followed {
			t.Errorf("%d: got %v, followed %v", status, err, followed)
		}
		server.Close()
	}
}

func TestClientIsSafeForConcurrentUse(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	g.Script("GET", "/health", hostedtest.Answer{Body: `{"status":"ok","honours":["max-affected"]}`})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for _, q := range []*core.Query{c.DB("").From("items"), c.Admin().From("items").Delete().MaxAffected(1)} {
				if rows, err := q.Rows(t.Context()); err != nil || len(rows) != 1 {
					t.Errorf("got %s, %v", rows, err)
				}
			}
			if _, err := c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "select 1"}); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}

func TestOverTCP(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	server := httptest.NewServer(g)
	defer server.Close()
	c, err := core.New(core.Config{Base: server.URL, AnonKey: g.AnonKey()})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.DB("").From("items").Insert(map[string]any{"id": 2}).Rows(t.Context())
	if err != nil || len(rows) != 1 || string(rows[0]) != `{"id":2}` {
		t.Errorf("got %s, %v", rows, err)
	}
}

func BenchmarkQueryInProcess(b *testing.B) {
	body := []byte("[" + strings.Repeat(`{"id":1234,"title":"The printer is on fire again","open":true,"at":"2026-11-23T10:00:00Z"},`, 9) + `{"id":1}]`)
	c := connect(b, hostedtest.New(hostedtest.Hosted), core.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	})))
	db := c.DB("header.user.signature")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.From("tickets").Select("id,title,open,at").Eq("open", "true").Order("id", core.Desc).Limit(11).Rows(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
