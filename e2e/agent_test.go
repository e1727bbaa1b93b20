package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// agent is an MCP client of a server: mcp-go's.
type agent struct {
	*client.Client
	server *process
}

// agent starts a server with more environment, and a client of it.
func (p *project) agent(t *testing.T, env ...string) *agent {
	t.Helper()
	return newAgent(t, p.serve(t, env...))
}

func newAgent(t *testing.T, server *process) *agent {
	t.Helper()
	a := &agent{server: server}
	a.Client = client.NewClient(transport.NewIO(server.stdout.reader(), server.stdin, io.NopCloser(strings.NewReader(""))))
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	request := mcp.InitializeRequest{}
	request.Params.ClientInfo = mcp.Implementation{Name: "e2e", Version: "1"}
	if _, err := a.Initialize(t.Context(), request); err != nil {
		t.Fatalf("initialize: %v\n%s", err, server.stderr.text())
	}
	return a
}

// reply is what a tool answered.
type reply struct {
	IsError bool
	Text    string // the whole of it, as JSON

	Rows       []map[string]any `json:"rows"`
	Notice     string           `json:"notice"`
	HasMore    bool             `json:"has_more"`
	NextOffset int              `json:"next_offset"`
	Count      *int             `json:"count"`
	Affected   *int             `json:"affected"`
	Truncated  bool             `json:"truncated"`
	Error      struct {
		Code          string   `json:"code"`
		Message       string   `json:"message"`
		NextStep      string   `json:"next_step"`
		Valid         []string `json:"valid"`
		DidYouMean    string   `json:"did_you_mean"`
		Retryable     bool     `json:"retryable"`
		MutationState string   `json:"mutation_state"`
	} `json:"error"`
}

// args are a call's arguments.
type args = map[string]any

// try calls a tool and returns its answer, whether it did its work or said why not. Anything else fails the test: a
// protocol error, or text and structure that differ.
func (a *agent) try(t *testing.T, name string, arguments any) reply {
	t.Helper()
	request := mcp.CallToolRequest{}
	request.Params.Name, request.Params.Arguments = name, arguments
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := a.CallTool(ctx, request)
	if err != nil {
		t.Fatalf("%s %v: %v", name, arguments, err)
	}
	return decodeReply(t, result)
}

func decodeReply(t *testing.T, result *mcp.CallToolResult) reply {
	t.Helper()
	if len(result.Content) != 1 {
		t.Fatalf("the answer has %d contents, want 1", len(result.Content))
	}
	text, ok := result.Content[0].(mcp.TextContent)
	if !ok {
		t.Fatalf("the answer is a %T, want text", result.Content[0])
	}
	structure, err := json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	if !sameJSON(t, text.Text, string(structure)) {
		t.Errorf("text and structure differ:\n%s\n%s", text.Text, structure)
	}
	out := reply{IsError: result.IsError, Text: text.Text}
	if err := json.Unmarshal([]byte(text.Text), &out); err != nil {
		t.Fatalf("%v: %s", err, text.Text)
	}
	if out.IsError != (out.Error.Code != "") {
		t.Errorf("isError is %v: %s", out.IsError, text.Text)
	}
	return out
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	canonical := func(text string) string {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return canonical(a) == canonical(b)
}

// call calls a tool that must do its work.
func (a *agent) call(t *testing.T, name string, arguments any) reply {
	t.Helper()
	out := a.try(t, name, arguments)
	if out.IsError {
		t.Fatalf("%s %v: %s", name, arguments, out.Text)
	}
	return out
}

// refused calls a tool that must refuse with a code, and say what to do next.
func (a *agent) refused(t *testing.T, name string, arguments any, code string) reply {
	t.Helper()
	out := a.try(t, name, arguments)
	if out.Error.Code != code {
		t.Errorf("%s %v: want the error %s, got %s", name, arguments, code, out.Text)
	}
	return out
}

// column is one column of the rows, as text.
func (r reply) column(name string) []string {
	out := []string{}
	for _, row := range r.Rows {
		text, ok := row[name].(string)
		if !ok {
			raw, _ := json.Marshal(row[name]) // it was JSON
			text = string(raw)
		}
		out = append(out, text)
	}
	return out
}

// message is one JSON-RPC message from the server.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// line is a client that speaks the wire itself, a line at a time, where the wire is what is tested.
type line struct {
	server *process
	in     *json.Decoder
	lastID int
}

func newLine(server *process) *line {
	return &line{server: server, in: json.NewDecoder(server.stdout.reader())}
}

// send writes one line as it is.
func (l *line) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(l.server.stdin, text+"\n"); err != nil {
		t.Fatal(err)
	}
}

// next waits for the server's next message.
func (l *line) next(t *testing.T) message {
	t.Helper()
	var m message
	if err := l.in.Decode(&m); err != nil {
		if errors.Is(err, io.EOF) {
			t.Fatalf("the server has ended:\n%s", l.server.stderr.text())
		}
		t.Fatal(err)
	}
	return m
}

// begin sends a request and returns its id.
func (l *line) begin(t *testing.T, method string, params any) string {
	t.Helper()
	l.lastID++
	request := map[string]any{"jsonrpc": "2.0", "id": l.lastID, "method": method}
	if params != nil {
		request["params"] = params
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	l.send(t, string(text))
	return strconv.Itoa(l.lastID)
}

// request sends a request and waits for its answer; others are passed over.
func (l *line) request(t *testing.T, method string, params any) message {
	t.Helper()
	id := l.begin(t, method, params)
	for {
		if m := l.next(t); string(m.ID) == id {
			return m
		}
	}
}

// hello opens a session of the older protocol revisions.
func (l *line) hello(t *testing.T, version string) message {
	t.Helper()
	answer := l.request(t, "initialize", map[string]any{
		"protocolVersion": version, "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "e2e", "version": "1"},
	})
	l.send(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return answer
}

// callTool is the parameters of tools/call.
func callTool(name string, arguments any) map[string]any {
	return map[string]any{"name": name, "arguments": arguments}
}
