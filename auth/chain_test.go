package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

// identify knows the users ana and ben by tokens of their names, and ana by a second one.
func identify(token string) (Caller, error) {
	switch token {
	case "ana", "ana2":
		return Caller{Token: token, ID: "ana", ProjectID: project, Role: RoleAuthenticated, Verified: true}, nil
	case "ben":
		return Caller{Token: token, ID: "ben", ProjectID: project, Role: RoleAuthenticated, Verified: true}, nil
	}
	return Caller{}, ErrSignature
}

func newChain(t *testing.T, change func(*ChainConfig)) *Chain {
	t.Helper()
	cfg := ChainConfig{
		Guard: GuardConfig{Listen: "127.0.0.1:8402"}, Identify: identify, Sessions: &Sessions{},
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := NewChain(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func post(bearer, body string) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:8402/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return r
}

// answerOf sends a request through the whole chain and returns the status and the code of a refusal.
func answerOf(t *testing.T, h http.Handler, r *http.Request) (status int, e wire.Error) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("X-Request-Id") == "" {
		t.Error("the answer has no request id")
	}
	if w.Code >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("%d %q: %v", w.Code, w.Body, err)
		}
		if e.RequestID != w.Header().Get("X-Request-Id") {
			t.Errorf("the envelope has the request id %q", e.RequestID)
		}
	}
	return w.Code, e
}

// TestChainKeepsItsOrder sends a request with everything wrong, which the first check refuses, then repairs one thing
// after the other.
func TestChainKeepsItsOrder(t *testing.T) {
	sessions := &Sessions{}
	limits := Limits{AddressRate: 0.1, CallerRate: 0.1}
	c := newChain(t, func(cfg *ChainConfig) { cfg.Sessions, cfg.Limits = sessions, limits })
	h := c.Front(c.Calls(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("here") }), HeaderSession))
	foreign := sessions.New(WithCaller(t.Context(), Caller{Token: "ben", ID: "ben", Verified: true}))
	c.addrs.take("203.0.113.9")
	c.users.take("user " + project + "/ana")

	wrong := func() *http.Request {
		r := post("forged", `{"method":"notifications/cancelled"}`)
		r.RemoteAddr, r.Host, r.ContentLength = "203.0.113.9:1", "evil.example", MaxRequestBody+1
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Content-Type", "text/plain")
		return r
	}
	var repairs []func(*http.Request)
	for _, step := range []struct {
		name   string
		repair func(*http.Request)
		status int
		code   string
	}{
		{"nothing repaired", func(*http.Request) {}, 429, "RATE_LIMITED"},
		{"the address", func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1" }, 413, "REQUEST_BODY_TOO_LARGE"},
		{"the length", func(r *http.Request) { r.ContentLength = -1 }, 403, "HOST_NOT_ALLOWED"},
		{"the host", func(r *http.Request) { r.Host = "localhost" }, 403, "ORIGIN_NOT_ALLOWED"},
		{"the origin", func(r *http.Request) { r.Header.Del("Origin") }, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{
			"the content type", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
			401, "AUTHENTICATION_REQUIRED",
		},
		{"the bearer", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ana") }, 429, "RATE_LIMITED"},
		{"the caller", func(r *http.Request) { r.Header.Del("Authorization") }, 202, ""},
		{"the cancel", func(r *http.Request) { r.Header.Set("Mcp-Session-Id", foreign) }, 404, "SESSION_NOT_FOUND"},
		{"the session", func(r *http.Request) { r.Header.Del("Mcp-Session-Id"); r.Method = "PUT" }, 500, "INTERNAL_ERROR"},
	} {
		repairs = append(repairs, step.repair)
		r := wrong()
		for _, repair := range repairs {
			repair(r)
		}
		c.users.byKey.Invalidate("anon at 127.0.0.1") // each anonymous request of this test starts with a full bucket
		if status, e := answerOf(t, h, r); status != step.status || e.Code != step.code {
			t.Errorf("%s: %d %s, want %d %s", step.name, status, e.Code, step.status, step.code)
		}
	}
}

func TestChainNeedsItsParts(t *testing.T) {
	if _, err := NewChain(ChainConfig{Guard: GuardConfig{Listen: "127.0.0.1:1"}}); err == nil {
		t.Error("made a chain that knows nobody")
	}
	full := ChainConfig{
		Guard: GuardConfig{Listen: "0.0.0.0:1"}, Identify: identify, Sessions: &Sessions{}, Log: slog.Default(),
	}
	if _, err := NewChain(full); err == nil || !strings.Contains(err.Error(), "--public-url") {
		t.Errorf("error %v", err)
	}
}

func TestPanicShowsNeitherItsTextNorItsValue(t *testing.T) {
	const secret = "postgres://u:hunter2@db"
	var logged bytes.Buffer
	h := Recover(slog.New(slog.NewJSONHandler(&logged, nil)))(http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { panic(errors.New(secret)) }))
	h = numberRequest(h)
	status, e := answerOf(t, h, post("", "{}"))
	if status != 500 || e.Code != "INTERNAL_ERROR" || strings.Contains(e.Message, secret) {
		t.Errorf("%d %+v", status, e)
	}
	if strings.Contains(logged.String(), "hunter2") || !strings.Contains(logged.String(), e.RequestID) ||
		!strings.Contains(logged.String(), "errorString") {
		t.Errorf("logged %s", &logged)
	}
}

func TestPanicCutsAStreamThatHasBegun(t *testing.T) {
	h := Recover(slog.New(slog.DiscardHandler))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half an answer"))
		panic("x")
	}))
	w := httptest.NewRecorder()
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("net/http was not told to cut the connection")
		}
		if w.Body.String() != "half an answer" {
			t.Errorf("the client got %q", w.Body)
		}
	}()
	h.ServeHTTP(w, post("", "{}"))
}
