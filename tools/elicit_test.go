package tools

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// person answers what a client asks.
type person func(context.Context, mcp.ElicitationParams) (*mcp.ElicitationResult, error)

// Elicit implements client.ElicitationHandler.
func (p person) Elicit(ctx context.Context, q mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	return p(ctx, q.Params)
}

func answers(action mcp.ElicitationResponseAction, content any) person {
	return func(context.Context, mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
		return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: action, Content: content}}, nil
	}
}

const (
	legacy = "2025-06-18"
	modern = "2026-07-28"
)

// wires are the ways to a server; each starts one and returns a client's transport to it.
var wires = map[string]func(t *testing.T, m *server.MCPServer) transport.Interface{
	"stdio": func(t *testing.T, m *server.MCPServer) transport.Interface {
		fromClient, toServer := io.Pipe()
		fromServer, toClient := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.NewStdioServer(m).Listen(context.WithoutCancel(t.Context()), fromClient, toClient)
		}()
		t.Cleanup(func() {
			_ = toServer.Close()
			<-done // mcp-go has one stdio session in a process
		})
		return transport.NewIO(fromServer, toServer, io.NopCloser(strings.NewReader("")))
	},
	"http": func(t *testing.T, m *server.MCPServer) transport.Interface {
		s := httptest.NewServer(server.NewStreamableHTTPServer(m))
		t.Cleanup(s.Close)
		tr, err := transport.NewStreamableHTTP(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	},
	"sse": func(t *testing.T, m *server.MCPServer) transport.Interface {
		h := server.NewSSEServer(m)
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		t.Cleanup(func() { _ = h.Shutdown(context.WithoutCancel(t.Context())) })
		tr, err := transport.NewSSE(s.URL + "/sse")
		if err != nil {
			t.Fatal(err)
		}
		return tr
	},
}

// connect connects a client; without a person it declares no elicitation.
func connect(t *testing.T, s *Set, wire, version string, p person) *client.Client {
	t.Helper()
	options := []client.ClientOption{client.WithProtocolVersion(version)}
	if p != nil {
		options = append(options, client.WithElicitationHandler(p))
	}
	c := client.NewClient(wires[wire](t, newServer(s)), options...)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	hello := mcp.InitializeRequest{}
	hello.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
	hello.Params.ProtocolVersion = version
	if _, err := c.Initialize(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	if c.ProtocolVersion() != version {
		t.Fatalf("%s speaks %s", wire, c.ProtocolVersion())
	}
	return c
}

// callAs calls a tool through a client.
func callAs(t *testing.T, c *client.Client, tool, args string) answered {
	t.Helper()
	request := mcp.CallToolRequest{}
	request.Params.Name, request.Params.Arguments = tool, json.RawMessage(args)
	result, err := c.CallTool(t.Context(), request)
	if err != nil {
		t.Fatalf("%s: protocol error: %v", tool, err)
	}
	text, ok := result.Content[0].(mcp.TextContent)
	if !ok {
		t.Fatalf("%s: content %+v", tool, result.Content)
	}
	got := answered{isError: result.IsError, text: text.Text}
	if err := json.Unmarshal([]byte(got.text), &got.body); err != nil {
		t.Fatal(err)
	}
	return got
}

// each runs a test on every transport in both eras, one after the other.
func each(t *testing.T, test func(t *testing.T, wire, version string)) {
	for _, version := range []string{legacy, modern} {
		for _, wire := range []string{"stdio", "http", "sse"} {
			t.Run(wire+" "+version, func(t *testing.T) { test(t, wire, version) })
		}
	}
}

// silent reports whether mcp-go cannot ask there.
func silent(wire, version string) bool { return wire == "sse" && version == legacy }

func TestAPersonIsAskedThroughTheClient(t *testing.T) {
	yes := map[string]any{"confirm": true}
	for name, test := range map[string]struct {
		answer person
		code   string
		sent   []string // limits of the writes
	}{
		"accepts":                  {answers("accept", yes), "", []string{"100", "250"}},
		"accepts without a tick":   {answers("accept", map[string]any{"confirm": false}), codeDeclined, []string{"100"}},
		"accepts an empty form":    {answers("accept", map[string]any{}), codeDeclined, []string{"100"}},
		"accepts something else":   {answers("accept", map[string]any{"confirm": "true"}), codeDeclined, []string{"100"}},
		"declines":                 {answers("decline", nil), codeDeclined, []string{"100"}},
		"declines, with a tick":    {answers("decline", yes), codeDeclined, []string{"100"}},
		"cancels":                  {answers("cancel", nil), codeDeclined, []string{"100"}},
		"does what nobody foresaw": {answers("maybe", yes), codeDeclined, []string{"100"}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, wire, version string) {
				if silent(wire, version) {
					t.Skip("tested as a client that cannot ask")
				}
				g := newBigBackend()
				var r recorder
				var asked mcp.ElicitationParams
				s := newSet(t, g, func(o *Options) { confirms(g, ConfirmElicit)(o); o.Audit = &r })
				c := connect(t, s, wire, version, func(ctx context.Context, q mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
					asked = q
					return test.answer(ctx, q)
				})
				got := callAs(t, c, "delete_rows", manyRows)
				if got.body.Error.Code != test.code || test.code == "" && *got.body.Affected != 250 {
					t.Errorf("%s", got.text)
				}
				if diff := cmp.Diff(test.sent, writes(g)); diff != "" {
					t.Errorf("limits: %s", diff)
				}
				if want := "Let delete_rows touch 250 rows of items?\n\n" + manyRows; asked.Message != want {
					t.Errorf("asked %q", asked.Message)
				}
				last := r.events[len(r.events)-1]
				if last.Outcome != orElse(test.code, "ok") || (last.Confirmed == "elicitation") != (test.code == "") {
					t.Errorf("recorded %+v", last)
				}
			})
		})
	}
}

func TestAClientThatCannotAskIsNeverAsked(t *testing.T) {
	each(t, func(t *testing.T, wire, version string) {
		var p person
		if silent(wire, version) { // it says that it can, and mcp-go cannot ask it
			p = answers("accept", map[string]any{"confirm": true})
		}
		g := newBigBackend()
		c := connect(t, newSet(t, g, asUser(g)), wire, version, p)
		got := callAs(t, c, "delete_rows", manyRows)
		if got.body.Error.Code != codeConfirm {
			t.Fatalf("%s", got.text)
		}
		got = callAs(t, c, "delete_rows", with(t, manyRows, "confirm_token", got.body.Error.ConfirmToken))
		if got.isError || *got.body.Affected != 250 {
			t.Errorf("%s", got.text)
		}
	})
}

func TestAClientThatDoesNotAnswerGetsAToken(t *testing.T) {
	for name, p := range map[string]person{
		"fails": func(context.Context, mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
			return nil, errors.New("not implemented")
		},
		"never answers": func(ctx context.Context, _ mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		for _, wire := range []string{"stdio", "http"} {
			for c, code := range map[Confirm]string{ConfirmToken: codeConfirm, ConfirmElicit: codeConfirmDenied} {
				t.Run(strings.Join([]string{name, wire, string(c)}, " "), func(t *testing.T) {
					g := newBigBackend()
					s := newSet(t, g, func(o *Options) { confirms(g, c)(o); o.Timeout = 200 * time.Millisecond })
					ended, end := context.WithCancel(context.WithoutCancel(t.Context()))
					t.Cleanup(end)
					got := callAs(t, connect(t, s, wire, legacy, func(_ context.Context, q mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
						return p(ended, q)
					}), "delete_rows", manyRows)
					end()
					if got.body.Error.Code != code || (got.body.Error.ConfirmToken != "") != (c == ConfirmToken) {
						t.Errorf("%s", got.text)
					}
				})
			}
		}
	}
}

func TestMoreRowsThanThePersonSawAreNotTouched(t *testing.T) {
	each(t, func(t *testing.T, wire, version string) {
		if silent(wire, version) {
			t.Skip("tested as a client that cannot ask")
		}
		g := newBigBackend()
		var asked atomic.Int32
		c := connect(t, newSet(t, g, asUser(g)), wire, version, func(context.Context, mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
			if asked.Add(1) == 1 {
				g.Table("items", slices.Repeat([]string{`{"id":1}`}, 251)...)
				return answers("accept", map[string]any{"confirm": true})(t.Context(), mcp.ElicitationParams{})
			}
			return answers("decline", nil)(t.Context(), mcp.ElicitationParams{})
		})
		got := callAs(t, c, "delete_rows", manyRows)
		want := map[string]string{legacy: codeConfirmDenied, modern: codeDeclined}[version] // the modern client asks again
		if got.body.Error.Code != want {
			t.Errorf("%s", got.text)
		}
		if diff := cmp.Diff([]string{"100", "250"}, writes(g)); diff != "" {
			t.Errorf("limits: %s", diff)
		}
	})
}

// forge calls a tool as a client that answers what it likes.
func forge(t *testing.T, s *Set, tool, args, state string) answered {
	t.Helper()
	params := map[string]any{
		"name": tool, "arguments": json.RawMessage(args),
		"inputResponses": map[string]any{"confirm": map[string]any{"action": "accept", "content": map[string]any{"confirm": true}}},
		"_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion":    modern,
			"io.modelcontextprotocol/clientCapabilities": map[string]any{"elicitation": map[string]any{}},
		},
	}
	if state != "" {
		params["requestState"] = state
	}
	var got struct {
		Result struct {
			IsError           bool
			StructuredContent json.RawMessage
		}
	}
	if err := json.Unmarshal(rpc(t, newServer(s), "tools/call", params), &got); err != nil {
		t.Fatal(err)
	}
	out := answered{isError: got.Result.IsError, text: string(got.Result.StructuredContent)}
	if err := json.Unmarshal(got.Result.StructuredContent, &out.body); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAnswerCountsOnlyWithOurOwnQuestion(t *testing.T) {
	var in deleteInput
	if err := decodeArguments(nodeOf[deleteInput](t), json.RawMessage(manyRows), &in); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		tool, args string
		state      func(s *Set, about [32]byte) string
		taken      bool
	}{
		"our question": {"delete_rows", manyRows, func(s *Set, about [32]byte) string {
			return s.states.seal(grant{rows: 250}, about, s.now())
		}, true},
		"no question":      {"delete_rows", manyRows, func(*Set, [32]byte) string { return "" }, false},
		"an invented one":  {"delete_rows", manyRows, func(*Set, [32]byte) string { return "AAAA" }, false},
		"an agent's token": {"delete_rows", manyRows, func(s *Set, about [32]byte) string { return s.tokens.seal(grant{rows: 250}, about, s.now()) }, false},
		"one of long ago": {"delete_rows", manyRows, func(s *Set, about [32]byte) string {
			return s.states.seal(grant{rows: 250}, about, s.now().Add(-proofLife))
		}, false},
		"for another tool": {"admin_delete_rows", manyRows, func(s *Set, about [32]byte) string {
			return s.states.seal(grant{rows: 250}, about, s.now())
		}, false},
		"for other rows": {"delete_rows", strings.Replace(manyRows, `"0"`, `"1"`, 1), func(s *Set, about [32]byte) string {
			return s.states.seal(grant{rows: 250}, about, s.now())
		}, false},
		"for another caller": {"delete_rows", manyRows, func(s *Set, _ [32]byte) string {
			raw, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			return s.states.seal(grant{rows: 250}, subject("delete_rows", "user-2", "authenticated", "", "true", string(raw)), s.now())
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []Confirm{ConfirmToken, ConfirmElicit} {
				g := newBigBackend()
				s := newSet(t, g, confirms(g, c))
				got := forge(t, s, test.tool, test.args, test.state(s, subjectOf(t, s, "delete_rows", in)))
				if got.isError == test.taken || !test.taken && got.body.Error.Code != codeNotConfirmed {
					t.Errorf("%s", got.text)
				}
				if n := len(writes(g)); (n == 1) != test.taken {
					t.Errorf("%d writes were sent", n)
				}
			}
		})
	}
	g := newBigBackend()
	s := newSet(t, g, confirms(g, ConfirmDeny))
	state := s.states.seal(grant{rows: 250}, subjectOf(t, s, "delete_rows", in), s.now())
	if got := forge(t, s, "delete_rows", manyRows, state); got.body.Error.Code != codeConfirmDenied {
		t.Errorf("a server that denies: %s", got.text)
	}
}

func TestAQuestionHidesNothing(t *testing.T) {
	g := newBigBackend()
	g.Script("POST", sqlPath, envelope("MAX_ROWS_EXCEEDED", `{"affected":500,"max_rows":100}`))
	var asked string
	c := connect(t, newSet(t, g, asUser(g)), "http", modern, func(_ context.Context, q mcp.ElicitationParams) (*mcp.ElicitationResult, error) {
		asked = q.Message
		return answers("decline", nil)(t.Context(), q)
	})
	raw, err := json.Marshal(map[string]any{"sql": "delete from a -- \u202e\u200b" + strings.Repeat("x", 5000), "read_only": false})
	if err != nil {
		t.Fatal(err)
	}
	callAs(t, c, "admin_sql", string(raw))
	if !strings.HasPrefix(asked, "Let admin_sql touch 500 rows?\n\n") || strings.ContainsAny(asked, "\u202e\u200b") ||
		!strings.Contains(asked, "delete from a") || !strings.HasSuffix(asked, "characters more)") || len(asked) > 2200 {
		t.Errorf("%q", asked)
	}
}

// A client may say that it elicits and mean only URLs.
func TestFormsMustBeDeclared(t *testing.T) {
	some := &struct{}{}
	for _, test := range []struct {
		c    *mcp.ClientCapabilities
		want bool
	}{
		{nil, false},
		{&mcp.ClientCapabilities{}, false},
		{&mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{}}, true},
		{&mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{Form: some}}, true},
		{&mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{Form: some, URL: some}}, true},
		{&mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{URL: some}}, false},
	} {
		if got := hasForms(test.c); got != test.want {
			t.Errorf("%+v: %v", test.c, got)
		}
	}
}
