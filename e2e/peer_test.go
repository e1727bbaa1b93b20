package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// way is how a client speaks to a server: over which transport, in which revision of the protocol.
type way struct{ transport, revision string }

// Clients up to 2025-11-25 open a session; those of 2026-07-28 do not.
const (
	firstRevision  = "2024-11-05"
	legacyRevision = "2025-11-25"
	modernRevision = "2026-07-28"
)

func ways() []way {
	return []way{
		{"stdio", firstRevision}, {"stdio", legacyRevision}, {"stdio", modernRevision},
		{"sse", firstRevision}, {"sse", legacyRevision}, {"sse", modernRevision},
		{"http", legacyRevision}, {"http", modernRevision},
	}
}

func (w way) String() string { return w.transport + " " + w.revision }

// site is a server that listens.
type site struct {
	*process
	base string
}

// listen serves MCP over HTTP.
func (p *project) listen(t *testing.T, env ...string) *site {
	t.Helper()
	c := p.run(t, []string{"serve", "--listen", "127.0.0.1:0"}, env...)
	c.command = "serve --listen" // its standard output is for people
	base, err := c.address()
	if err != nil {
		t.Fatal(err)
	}
	return &site{process: c, base: base}
}

// peer is a client that shares no code with the server: that of the official Go SDK. It acts for one user.
type peer struct {
	*sdk.ClientSession
	asked chan string // what its person was asked
}

// join connects a peer: to the site, or over standard streams to a server of its own. Its person agrees to all that
// they are asked.
func (s *site) join(t *testing.T, w way, token string) *peer {
	t.Helper()
	p := &peer{asked: make(chan string, 10)}
	client := sdk.NewClient(&sdk.Implementation{Name: "e2e", Version: "1"}, &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{},
		ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			p.asked <- r.Params.Message
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"confirm": true}}, nil
		},
	})
	var transport sdk.Transport
	switch w.transport {
	case "stdio":
		env := []string{"RUN402_TOOLSETS=data"} // as over HTTP
		if token != "" {
			env = append(env, "RUN402_USER_TOKEN="+token)
		}
		server := s.project.serve(t, env...)
		transport = &sdk.IOTransport{Reader: io.NopCloser(server.stdout.reader()), Writer: server.stdin}
	case "sse":
		transport = &sdk.SSEClientTransport{Endpoint: s.base + "/sse", HTTPClient: newBrowser(t, token)}
	case "http":
		transport = &sdk.StreamableClientTransport{Endpoint: s.base + "/mcp", HTTPClient: newBrowser(t, token)}
	}
	var err error
	p.ClientSession, err = client.Connect(t.Context(), transport, &sdk.ClientSessionOptions{ProtocolVersion: w.revision})
	if err != nil {
		t.Fatalf("%s: %v", w, err)
	}
	t.Cleanup(func() { _ = p.Close() }) // over HTTP it ends what its context already ended
	if got := p.InitializeResult().ProtocolVersion; got != w.revision {
		t.Fatalf("%s: the server speaks %s", w, got)
	}
	return p
}

// newBrowser is an http.Client that sends a bearer, on connections of its own.
func newBrowser(t *testing.T, token string) *http.Client {
	connections := &http.Transport{MaxIdleConnsPerHost: 1000}
	t.Cleanup(connections.CloseIdleConnections)
	return &http.Client{Transport: bearer{token: token, next: connections}}
}

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// call calls a tool and returns its answer as JSON, or what the protocol said instead.
func (p *peer) call(ctx context.Context, tool string, arguments any) (string, error) {
	result, err := p.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return protocolError(err)
	}
	structure, err := json.Marshal(result.StructuredContent)
	if err != nil {
		return "", err
	}
	if len(result.Content) != 1 {
		return "", fmt.Errorf("the answer has %d contents", len(result.Content))
	}
	text, ok := result.Content[0].(*sdk.TextContent)
	if !ok {
		return "", fmt.Errorf("the answer is a %T", result.Content[0])
	}
	var said any
	if err := json.Unmarshal([]byte(text.Text), &said); err != nil {
		return "", err
	}
	canonical, err := json.Marshal(said)
	if err == nil && string(canonical) != string(structure) {
		err = fmt.Errorf("text and structure differ: %s and %s", canonical, structure)
	}
	return fmt.Sprintf("isError=%v %s", result.IsError, structure), err
}

// protocolError is an answer like any other, when the server sent it.
func protocolError(err error) (string, error) {
	if wire := (*jsonrpc.Error)(nil); errors.As(err, &wire) {
		return fmt.Sprintf("error %d %s", wire.Code, wire.Message), nil
	}
	return "", err
}

// say is a call that is answered.
func (p *peer) say(t *testing.T, tool string, arguments args) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := p.call(ctx, tool, arguments)
	if err != nil {
		t.Fatalf("%s %v: %v", tool, arguments, err)
	}
	return tool + " " + traceID.ReplaceAllString(answer, `"trace_id":""`)
}
