package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core"
)

const (
	jwtSecret  = "a passphrase that only these tests know"
	projectID  = "prj_0123456789abcdef"
	anonKey    = "r402_anon_0001"
	serviceKey = "r402_service_0001"
)

// site is the program's HTTP stack on a real listener, over a backend that does what a table's name says.
type site struct {
	t    *testing.T
	base string
	log  *logBuffer

	stop    context.CancelFunc // asks the server to end
	stopped func() error       // waits for its end
	reached chan string        // the owner of each call that reached the table slow
	release chan struct{}      // lets one of those calls finish
	ended   chan error         // gets why such a call ended otherwise
}

func newSite(t *testing.T, change func(*config.Listen)) *site {
	t.Helper()
	s := &site{
		t: t, log: &logBuffer{},
		reached: make(chan string, 100), release: make(chan struct{}), ended: make(chan error, 100),
	}
	client, err := core.New(core.Config{
		Base: "http://localhost", ProjectID: projectID, AnonKey: anonKey, ServiceKey: serviceKey,
		Transport: core.Handler(http.HandlerFunc(s.backend)),
	})
	if err != nil {
		t.Fatal(err)
	}
	back := &backend{
		client: client, verify: auth.NewHS256([]byte(jwtSecret), projectID).Verify, name: "a test", projectID: projectID,
		caller: true, admin: true, anonKey: anonKey, serviceKey: serviceKey,
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &config.Listen{Guard: auth.GuardConfig{Listen: listener.Addr().String()}}
	if change != nil {
		change(l)
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	h, err := overHTTP(back, config.Settings{Toolsets: []string{"data"}, Listen: l}, log).handler(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	s.stopped = sync.OnceValue(func() error { return <-stopped })
	go func() { stopped <- serveHTTP(ctx, newHTTPServer(h, log), listener, h.endStreams) }()
	t.Cleanup(func() {
		s.stop()
		if err := s.stopped(); err != nil { // as when a stream held it up
			t.Errorf("shutdown: %v", err)
		}
		h.close()
		for _, secret := range []string{jwtSecret, serviceKey, "hunter2"} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log holds a secret:\n%s", s.log)
			}
		}
	})
	s.base = "http://" + listener.Addr().String()
	return s
}

// backend answers as a gateway would.
func (s *site) backend(w http.ResponseWriter, r *http.Request) {
	owner := "nobody"
	if token, ok, _ := auth.Bearer(r); ok {
		if c, err := auth.Unverified(token); err == nil {
			owner = c.ID
		}
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/rest/v1/":
		_, _ = io.WriteString(w, `{"swagger":"2.0","paths":{},"definitions":{}}`)
	case "/rest/v1/slow":
		s.reached <- owner
		select {
		case <-s.release:
		case <-r.Context().Done():
			s.ended <- context.Cause(r.Context())
			return
		}
		fallthrough
	case "/rest/v1/items":
		_, _ = fmt.Fprintf(w, `[{"owner":%q}]`, owner)
	case "/rest/v1/panics":
		panic("the password is hunter2")
	default:
		http.NotFound(w, r)
	}
}

// token is a user's token; its claims may be added to.
func token(t *testing.T, sub string, lifetime time.Duration) string {
	t.Helper()
	token, err := auth.Sign([]byte(jwtSecret), auth.Claims{
		Subject: sub, Role: auth.RoleAuthenticated, ProjectID: projectID, Expires: time.Now().Add(lifetime),
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// visitor is one who speaks to the site.
type visitor struct {
	*site
	bearer  string
	header  http.Header
	session string
}

func (s *site) as(bearer string) *visitor {
	return &visitor{site: s, bearer: bearer, header: http.Header{}}
}

// with returns a copy that sends a header too.
func (c *visitor) with(name, value string) *visitor {
	more := *c
	more.header = c.header.Clone()
	more.header.Set(name, value)
	return &more
}

// modern speaks the revision without sessions.
const modern = "2026-07-28"

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientCapabilities":{}}`

func (c *visitor) request(ctx context.Context, method, path, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.session != "" {
		r.Header.Set("Mcp-Session-Id", c.session)
	}
	for name, values := range c.header {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
	return r
}

// reply is an HTTP answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (c *visitor) do(method, path, body string) reply {
	c.t.Helper()
	got, err := c.try(c.request(c.t.Context(), method, path, body))
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c *visitor) try(r *http.Request) (reply, error) {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(body)}, err
}

// query is a call of query_table on a table, in the revision without sessions.
func (c *visitor) query(ctx context.Context, id int, table string) *http.Request {
	r := c.request(ctx, "POST", mcpPath, queryMessage(id, table, ","+meta))
	r.Header.Set("Mcp-Protocol-Version", modern)
	r.Header.Set("Mcp-Method", "tools/call")
	r.Header.Set("Mcp-Name", "query_table")
	return r
}

func queryMessage(id int, table, more string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"query_table",`+
		`"arguments":{"table":%q}%s}}`, id, table, more)
}

// initialize opens a session of the revision before.
func (c *visitor) initialize() *visitor {
	c.t.Helper()
	got := c.do("POST", mcpPath, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",`+
		`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
	if got.status != http.StatusOK || got.header.Get("Mcp-Session-Id") == "" {
		c.t.Fatalf("initialize: %d %v %s", got.status, got.header, got.body)
	}
	opened := *c
	opened.session = got.header.Get("Mcp-Session-Id")
	return &opened
}

// checkOwner fails unless the answer is a row of the owner.
func (a reply) checkOwner(t *testing.T, owner string) {
	t.Helper()
	var message struct {
		Result struct {
			StructuredContent struct {
				Rows []struct{ Owner string }
			}
		}
	}
	if err := json.Unmarshal([]byte(a.body), &message); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if rows := message.Result.StructuredContent.Rows; len(rows) != 1 || rows[0].Owner != owner {
		t.Errorf("%s got %d %s", owner, a.status, a.body)
	}
}

// logBuffer is a log that is written and read at once.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestHTTPServesManyCallersAtOnce(t *testing.T) {
	s := newSite(t, nil)
	var all sync.WaitGroup
	for _, owner := range []string{"ana", "ben", "nobody"} {
		c := s.as("")
		if owner != "nobody" {
			c.bearer = token(t, owner, time.Hour)
		}
		legacy := c.initialize()
		for i := range 50 {
			all.Go(func() {
				got, err := c.try(c.query(t.Context(), i, "items"))
				if err != nil {
					t.Error(err)
					return
				}
				got.checkOwner(t, owner)
			})
			all.Go(func() { legacy.do("POST", mcpPath, queryMessage(i, "items", "")).checkOwner(t, owner) })
		}
	}
	all.Wait()
}

func TestHTTPOffersNoAdminTool(t *testing.T) {
	c := newSite(t, nil).as("").initialize()
	got := c.do("POST", mcpPath, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	if !strings.Contains(got.body, `"query_table"`) || strings.Contains(got.body, "admin") {
		t.Errorf("%s", got.body)
	}
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"admin_sql","arguments":{"sql":"select 1"}}}`
	if got := c.do("POST", mcpPath, call); !strings.Contains(got.body, "-32602") {
		t.Errorf("%s", got.body)
	}
}

func TestHTTPHealth(t *testing.T) {
	s := newSite(t, func(l *config.Listen) { l.RequireAuth = true })
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/": 404, "/mcp/x": 404, "/rest/v1/items": 404, "/.env": 404,
		"/.well-known/oauth-protected-resource": 404, "/mcp": 401, "/sse": 401,
	} {
		if got := s.as("").do("GET", path, ""); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestReadyzSaysWhyNotWithoutSecrets(t *testing.T) {
	broken, err := core.New(core.Config{
		Base: "http://localhost", AnonKey: anonKey,
		Transport: core.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") })),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &readiness{ready: (&backend{client: broken}).ready, log: slog.New(slog.DiscardHandler)}
	if reason := h.ask(t.Context()); !strings.Contains(reason, "backend") || strings.Contains(reason, "hunter2") {
		t.Errorf("reason %q", reason)
	}
}

func TestProtectedResourceMetadata(t *testing.T) {
	const public = "https://mcp.example.com/base"
	s := newSite(t, func(l *config.Listen) {
		l.RequireAuth, l.Guard.PublicURL, l.AuthServer = true, public, "https://auth.example.com"
	})
	const path = "/.well-known/oauth-protected-resource/base"
	got := s.as("").do("GET", path, "")
	if got.status != 200 || !strings.Contains(got.body, `"resource":"`+public+`"`) ||
		!strings.Contains(got.body, `["https://auth.example.com"]`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	const where = `resource_metadata="https://mcp.example.com` + path + `"`
	got = s.as("").do("POST", mcpPath, "{}")
	if header := got.header.Get("WWW-Authenticate"); got.status != 401 || header != "Bearer "+where {
		t.Errorf("%d %s", got.status, header)
	}
	got = s.as(token(t, "ana", time.Hour)).do("POST", mcpPath, "{}") // good, and for another audience
	if header := got.header.Get("WWW-Authenticate"); got.status != 401 ||
		header != `Bearer error="invalid_token", `+where {
		t.Errorf("%d %s", got.status, header)
	}
}
