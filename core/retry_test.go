package core_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

// remote hides that a transport is in process, so that a client takes it for the hosted backend.
type remote struct{ http.RoundTripper }

func TestRetries(t *testing.T) {
	read := func(ctx context.Context, c *core.Client) error {
		_, err := c.DB("").From("items").Rows(ctx)
		return err
	}
	write := func(ctx context.Context, c *core.Client) error {
		_, err := c.DB("").From("items").Insert(map[string]any{"id": 1}).Rows(ctx)
		return err
	}
	failure := func(status int, body string) hostedtest.Answer { return hostedtest.Answer{Status: status, Body: body} }
	const short = 2 * time.Second // the longest that two pauses of ours add up to
	for name, tt := range map[string]struct {
		call  func(context.Context, *core.Client) error
		first hostedtest.Answer
		tries int
		most  time.Duration
		least time.Duration
	}{
		"read, 503":                      {read, failure(503, ""), 3, short, 0},
		"read, 500":                      {read, failure(500, `{"error":"internal_error"}`), 3, short, 0},
		"read, 408":                      {read, failure(408, ""), 3, short, 0},
		"read, 425":                      {read, failure(425, ""), 3, short, 0},
		"read, 429":                      {read, failure(429, ""), 3, short, 0},
		"read, waits as told":            {read, hostedtest.Answer{Status: 429, Header: map[string]string{"Retry-After": "3"}}, 3, 6 * time.Second, 6 * time.Second},
		"read, told to wait too long":    {read, hostedtest.Answer{Status: 429, Header: map[string]string{"Retry-After": "60"}}, 1, 0, 0},
		"read, 503 but not retryable":    {read, failure(503, `{"code":"X","retryable":false}`), 1, 0, 0},
		"read, 400":                      {read, failure(400, `{"code":"42703"}`), 1, 0, 0},
		"read, 400 but retryable":        {read, failure(400, `{"code":"X","retryable":true}`), 3, short, 0},
		"read, the statement's fault":    {read, failure(500, `{"code":"42P17"}`), 1, 0, 0},
		"write, 503":                     {write, failure(503, ""), 1, 0, 0},
		"write, 429":                     {write, failure(429, ""), 1, 0, 0},
		"write, 503 and safe":            {write, failure(503, `{"code":"X","safe_to_retry":true}`), 3, short, 0},
		"write, safe but not retryable":  {write, failure(503, `{"code":"X","safe_to_retry":true,"retryable":false}`), 1, 0, 0},
		"write, no connection there":     {write, failure(503, `{"code":"PGRST001"}`), 3, short, 0},
		"write, rolled back by conflict": {write, failure(500, `{"code":"40001"}`), 3, short, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, g := newClient(t, hostedtest.Hosted)
				for _, method := range []string{"GET", "POST"} {
					g.Script(method, "/rest/v1/items", tt.first)
				}
				began := time.Now()
				err := tt.call(t.Context(), c)
				var e *core.Error
				if !errors.As(err, &e) || e.Status != tt.first.Status {
					t.Errorf("got %v", err)
				}
				if n := len(g.Requests()); n != tt.tries {
					t.Errorf("tried %d times, want %d", n, tt.tries)
				}
				if took := time.Since(began); took > tt.most || took < tt.least {
					t.Errorf("waited %v, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := newClient(t, hostedtest.Hosted)
		g.Script("POST", "/rest/v1/items", hostedtest.Answer{Status: 503, Body: `{"safe_to_retry":true}`}, hostedtest.Answer{Status: 201, Body: `[{"id":1}]`})
		rows, err := c.DB("").From("items").Insert(map[string]any{"id": 1}).Rows(t.Context())
		if err != nil || len(rows) != 1 {
			t.Errorf("got %s, %v", rows, err)
		}
		for _, r := range g.Requests() {
			if r.Body != `[{"id":1}]` {
				t.Errorf("sent %s", r.Body)
			}
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := newClient(t, hostedtest.Hosted)
		g.Script("GET", "/rest/v1/items", hostedtest.Answer{Status: 503, Header: map[string]string{"Retry-After": "5"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.DB("").From("items").Rows(ctx)
		var e *core.Error
		if !errors.As(err, &e) || e.Status != 503 || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestRetryOfARequestThatWasNotSent(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		tries int
		state string
	}{
		"refused":  {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 3, "not_started"},
		"cut":      {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, 1, "unknown"},
		"canceled": {context.Canceled, 1, "unknown"},
	} {
		synctest.Test(t, func(t *testing.T) {
			fails := &countingFailure{err: tt.err}
			c := connect(t, hostedtest.New(hostedtest.Hosted), fails)
			_, err := c.DB("").From("items").Delete().Rows(t.Context())
			var e *core.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.err) || e.MutationState != tt.state || fails.n != tt.tries {
				t.Errorf("%s: got %v, state %q after %d tries", name, err, e.MutationState, fails.n)
			}
		})
	}
}

type countingFailure struct {
	err error
	n   int
}

func (f *countingFailure) RoundTrip(*http.Request) (*http.Response, error) { f.n++; return nil, f.err }

func TestSchemaCacheIsWaitedForOnlyAfterDDL(t *testing.T) {
	missing := hostedtest.Answer{Status: 404, Body: `{"code":"PGRST205","message":"no table","details":null,"hint":null}`}
	for name, tt := range map[string]struct {
		ddl, local bool
		pause      time.Duration
		tries      int
	}{
		"a misspelt table":       {false, false, 0, 1},
		"a new table":            {true, false, 0, 2},
		"in process":             {true, true, 0, 1},
		"a table of a while ago": {true, false, time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := hostedtest.New(hostedtest.Hosted)
				transport := core.Handler(g)
				if !tt.local {
					transport = remote{transport}
				}
				c := connect(t, g, transport)
				g.Script("POST", "/rest/v1/items", missing, hostedtest.Answer{Status: 201, Body: "[]"})
				if tt.ddl {
					if _, err := c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "create table items()"}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(tt.pause) // of the bubble's clock
				before := len(g.Requests())
				_, err := c.DB("").From("items").Insert(map[string]any{}).Rows(t.Context())
				if n := len(g.Requests()) - before; n != tt.tries || (err == nil) != (tt.tries == 2) {
					t.Errorf("tried %d times: %v", n, err)
				}
			})
		})
	}
}
