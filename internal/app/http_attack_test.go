package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/config"
)

// stream is an open SSE stream.
type stream struct {
	t      *testing.T
	events *bufio.Reader
	close  context.CancelFunc
}

func (c *visitor) stream(path string) *stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	res, err := http.DefaultClient.Do(c.request(ctx, "GET", path, ""))
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
	})
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("GET %s: %s", path, res.Status)
	}
	return &stream{c.t, bufio.NewReader(res.Body), cancel}
}

// next returns the data of the next event.
func (s *stream) next() string {
	s.t.Helper()
	for {
		line, err := s.events.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSpace(data)
		}
	}
}

func TestAttackEvilOrigin(t *testing.T) {
	s := newSite(t, func(l *config.Listen) { l.Guard.AllowedOrigins = []string{"https://app.example.com"} })
	for _, path := range []string{"/mcp", "/sse", "/message?sessionId=x", "/healthz", "/readyz", "/nothing"} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			got := s.as("").with("Origin", "https://evil.example").do(method, path, "{}")
			if got.status != 403 || got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d %v", method, path, got.status, got.header)
			}
		}
	}
	stream := s.as("").with("Origin", "https://app.example.com")
	res, err := http.DefaultClient.Do(stream.request(t.Context(), "GET", ssePath, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != "https://app.example.com" {
		t.Errorf("an allowed page gets %q", got)
	}
	if res, err = http.DefaultClient.Do(s.as("").request(t.Context(), "GET", ssePath, "")); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Values("Access-Control-Allow-Origin"); got != nil {
		t.Errorf("without an origin, the stream lets %q in", got)
	}
}

func TestAttackDNSRebinding(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/mcp", "/sse", "/message?sessionId=x", "/healthz"} {
		if got := s.as("").with("Host", "evil.example").do("POST", path, "{}"); got.status != 403 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func TestAttackFormPost(t *testing.T) {
	s := newSite(t, nil)
	endpoint := s.as("").stream(ssePath).next()
	for _, path := range []string{endpoint, mcpPath} {
		for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
			got := s.as("").with("Content-Type", contentType).do("POST", path, queryMessage(1, "slow", ""))
			if got.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s %q: %d", path, contentType, got.status)
			}
		}
	}
}

func TestAttackSessions(t *testing.T) {
	s := newSite(t, nil)
	ana, ben := s.as(token(t, "ana", time.Hour)).initialize(), s.as(token(t, "ben", time.Hour))
	endpoint := ana.stream(ssePath).next()
	thief := *ben
	thief.session = ana.session
	inventor := *ben
	inventor.session = "mcp-session-8d5a7d5c-1f0e-4c62-9d7e-000000000000"
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for name, c := range map[string]*visitor{"stolen": &thief, "invented": &inventor} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			if got := c.do(method, mcpPath, ping); got.status != 404 {
				t.Errorf("%s, %s: %d", name, method, got.status)
			}
		}
	}
	for _, path := range []string{endpoint, messagePath + "?sessionId=x"} {
		if got := ben.do("POST", path, ping); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := s.as("").do("POST", mcpPath, ping); got.status != 404 {
		t.Errorf("no session: %d", got.status)
	}

	renewed := *ana
	renewed.bearer = token(t, "ana", 2*time.Hour)
	if got := renewed.do("POST", mcpPath, ping); got.status != 200 {
		t.Errorf("ana, with a newer token: %d %s", got.status, got.body)
	}
	if got := renewed.do("POST", endpoint, ping); got.status != 202 {
		t.Errorf("ana on SSE, with a newer token: %d %s", got.status, got.body)
	}
	if got := ana.do("DELETE", mcpPath, ""); got.status != 200 {
		t.Errorf("delete: %d", got.status)
	}
	if got := ana.do("POST", mcpPath, ping); got.status != 404 {
		t.Errorf("after delete: %d", got.status)
	}
}

func TestAttackForeignCancel(t *testing.T) {
	s := newSite(t, nil)
	ana, ben := s.as(token(t, "ana", time.Hour)), s.as(token(t, "ben", time.Hour))
	answered := make(chan reply, 1)
	go func() {
		got, err := ana.try(ana.query(t.Context(), 42, "slow"))
		if err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	<-s.reached
	cancel := ben.request(t.Context(), "POST", mcpPath,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":42,`+meta+`}}`)
	cancel.Header.Set("Mcp-Protocol-Version", modern)
	cancel.Header.Set("Mcp-Method", "notifications/cancelled")
	if got, err := ben.try(cancel); err != nil || got.status != http.StatusAccepted {
		t.Errorf("%d, %v", got.status, err)
	}
	select {
	case s.release <- struct{}{}:
	case err := <-s.ended:
		t.Fatalf("ana's call was ended: %v", err)
	}
	(<-answered).checkOwner(t, "ana")
}

func TestCancelEndsTheStatement(t *testing.T) {
	s := newSite(t, nil)
	ana := s.as(token(t, "ana", time.Hour))
	const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":42}}`
	for name, run := range map[string]func(){
		"by closing the request": func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if _, err := ana.try(ana.query(ctx, 1, "slow")); !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
			}()
			<-s.reached
			cancel()
			<-gone
		},
		"by a notification of the session": func() {
			legacy := ana.initialize()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				legacy.do("POST", mcpPath, queryMessage(42, "slow", ""))
			}()
			<-s.reached
			legacy.do("POST", mcpPath, cancelled)
			<-gone
		},
		"by a notification over SSE": func() {
			endpoint := ana.stream(ssePath).next()
			ana.do("POST", endpoint, queryMessage(42, "slow", ""))
			<-s.reached
			ana.do("POST", endpoint, cancelled)
		},
		"by leaving the SSE stream": func() {
			stream := ana.stream(ssePath)
			ana.do("POST", stream.next(), queryMessage(1, "slow", ""))
			<-s.reached
			stream.close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			run()
			if err := <-s.ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the statement ended with %v", err)
			}
		})
	}
}

func TestSSEAnswersOnTheStream(t *testing.T) {
	s := newSite(t, nil)
	ana := s.as(token(t, "ana", time.Hour))
	stream := ana.stream(ssePath)
	endpoint := stream.next()
	if got := ana.do("POST", endpoint, queryMessage(7, "items", "")); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	reply{body: stream.next()}.checkOwner(t, "ana")
}

func TestAttackLargeBody(t *testing.T) {
	s := newSite(t, nil)
	body := strings.Repeat(" ", 30<<20)
	endpoint := s.as("").stream(ssePath).next()
	for _, path := range []string{mcpPath, endpoint} {
		for _, length := range []int64{int64(len(body)), -1} {
			r := s.as("").request(t.Context(), "POST", path, body)
			r.ContentLength = length
			// The server may close the connection before it has read what it will not take.
			if got, err := s.as("").try(r); err == nil && got.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, length %d: %d", path, length, got.status)
			}
		}
	}
	if got := s.as("").do("GET", "/healthz", ""); got.status != 200 {
		t.Errorf("afterwards %d", got.status)
	}
}

func TestAttackSlowHeader(t *testing.T) {
	srv := newHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if srv.ReadHeaderTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 || srv.WriteTimeout != 0 {
		t.Fatalf("limits %+v", srv)
	}
	srv.ReadHeaderTimeout = 50 * time.Millisecond // so as not to wait for ten seconds
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveHTTP(ctx, srv, listener, func() {}) }()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(conn) // returns when the server hangs up
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAttackPanicWithASecret(t *testing.T) {
	s := newSite(t, nil)
	ana := s.as(token(t, "ana", time.Hour))
	got, err := ana.try(ana.query(t.Context(), 1, "panics"))
	if err != nil || !strings.Contains(got.body, `"isError":true`) || strings.Contains(got.body, "hunter2") {
		t.Errorf("%v, %d %s", err, got.status, got.body)
	}
	stream := ana.stream(ssePath)
	ana.do("POST", stream.next(), queryMessage(1, "panics", ""))
	if got := stream.next(); !strings.Contains(got, `"isError":true`) || strings.Contains(got, "hunter2") {
		t.Errorf("%s", got)
	} // newSite looks into the log
}

func TestAttackBearers(t *testing.T) {
	s := newSite(t, nil)
	good := token(t, "ana", time.Hour)
	for name, bearer := range map[string]string{
		"a service key": serviceKey, "an expired token": token(t, "ana", -time.Second), "another key": "r402_anon_2",
		"a changed token": good[:len(good)-4] + "AAAA",
	} {
		got := s.as(bearer).do("POST", mcpPath, "{}")
		if got.status != 401 || got.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` ||
			strings.Contains(got.body, bearer) {
			t.Errorf("%s: %d %v %s", name, got.status, got.header, got.body)
		}
	}
	nobody := s.as(anonKey)
	got, err := nobody.try(nobody.query(t.Context(), 1, "items"))
	if err != nil {
		t.Fatal(err)
	}
	got.checkOwner(t, "nobody")
}

func TestAttackThousandIdleStreams(t *testing.T) {
	const streams = 1000
	s := newSite(t, nil)
	ana := s.as(token(t, "ana", time.Hour))
	before := heap()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range streams {
		res, err := transport.RoundTrip(ana.request(t.Context(), "GET", ssePath, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("%s", res.Status)
		}
		if _, err := res.Body.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d idle streams: %d bytes each, the client's half included", streams, (heap()-before)/streams)
	got, err := ana.try(ana.query(t.Context(), 1, "items"))
	if err != nil {
		t.Fatal(err)
	}
	got.checkOwner(t, "ana")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestShutdownLetsCallsFinishAndEndsStreams(t *testing.T) {
	s := newSite(t, nil)
	ana := s.as(token(t, "ana", time.Hour))
	legacy := ana.initialize()
	for _, stream := range []*stream{ana.stream(ssePath), legacy.stream(mcpPath)} {
		defer stream.close()
	}
	answered := make(chan reply, 1)
	go func() {
		got, err := ana.try(ana.query(t.Context(), 1, "slow"))
		if err != nil {
			t.Error(err)
		}
		answered <- got
	}()
	<-s.reached
	s.stop()
	s.release <- struct{}{}
	(<-answered).checkOwner(t, "ana")
	if err := s.stopped(); err != nil {
		t.Error(err)
	}
}

func TestShutdownDoesNotWaitForConnectionsThatNobodyUsed(t *testing.T) {
	s := newSite(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.as("").do("GET", "/healthz", "") // accepted after it
	s.stop()
	if err := s.stopped(); err != nil {
		t.Error(err)
	}
}
