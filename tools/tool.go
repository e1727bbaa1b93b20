package tools

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/auth"
)

// plane is whose authority a tool works with. It belongs to the tool and is never an argument.
type plane string

const (
	planeNone   plane = "none"
	planeCaller plane = "caller" // the caller's role, under row level security
	planeAdmin  plane = "admin"  // the service role, which bypasses it
	// planeService has the service key too, for what is no row: nobody's rights but the project's are in question.
	planeService plane = "service"
)

// hints are the four annotations that clients decide by. All four are always sent.
type hints struct {
	readOnly, destructive, idempotent bool
	openWorld                         bool // it sends something out of the project: mail, a call to a model
}

// spec is what a tool is, beside the function that does its work.
type spec struct {
	name        string // verb_object, at most 30 characters
	description string // what it returns, whose authority it uses; at most 200 characters
	toolset     string
	plane       plane
	hints       hints
	needsRole   bool // over HTTP it is open only to a role, as all tools of the admin plane are
}

// tool is a spec with its function behind one shape, ready to be called.
type tool struct {
	spec
	schema json.RawMessage
	call   func(ctx context.Context, args json.RawMessage, ev *Event) (any, error)
	err    error // why the tool cannot be offered; New returns it
}

// Arguments and results may say more about a call than their JSON.
type (
	targeted interface{ target() string }          // the table that a call is about
	sized    interface{ size() int }               // how many rows a result is about
	asker    interface{ take() string }            // arguments that may hold a confirm token
	renderer interface{ render() json.RawMessage } // a result that encodes itself, clean and within maxResult
	pictured interface{ image() picture }          // a result that shows an image beside its JSON
)

// picture is an image that a client shows the model. One without data is none.
type picture struct {
	data      []byte
	mediaType string
}

// define makes a tool of a plain function. The schema of In is reflected here, once.
func define[In, Out any](s spec, fn func(context.Context, In) (Out, error)) *tool {
	schema, args, err := reflectSchema(reflect.TypeFor[In]())
	if err != nil {
		return &tool{spec: s, err: fmt.Errorf("tool %s: %w", s.name, err)}
	}
	call := func(ctx context.Context, raw json.RawMessage, ev *Event) (any, error) {
		var in In
		if err := decodeArguments(args, raw, &in); err != nil {
			return nil, err
		}
		if t, ok := any(in).(targeted); ok {
			ev.Target = short(t.target())
		}
		if a, ok := any(&in).(asker); ok {
			token := a.take()
			if err := confirmationOf(ctx).admit(token, in); err != nil {
				return nil, err
			}
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		if s, ok := any(out).(sized); ok {
			ev.Rows = s.size()
		}
		return out, nil
	}
	return &tool{spec: s, schema: schema, call: call}
}

// definition is the tool as clients get it.
func (t *tool) definition() mcp.Tool {
	h := t.hints
	return mcp.Tool{
		Name: t.name, Description: t.description, RawInputSchema: t.schema,
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint: &h.readOnly, DestructiveHint: &h.destructive,
			IdempotentHint: &h.idempotent, OpenWorldHint: &h.openWorld,
		},
	}
}

// serve answers one tools/call. Whatever happens becomes a result: a Go error or a panic that reached mcp-go would go
// to the client with its text.
func (s *Set) serve(t *tool) func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	return func(ctx context.Context, req mcp.CallToolRequest) (result *mcp.CallToolResult, _ error) {
		start := time.Now()
		ev := Event{Principal: "unknown", Tool: t.name, Plane: string(t.plane), Outcome: "ok"}
		c := s.newConfirmation(t, req)
		defer func() {
			if r := recover(); r != nil {
				result = s.refuse(ctx, t, &ev, panicked(r))
			}
			ev.Confirmed, ev.Duration = c.how, time.Since(start)
			s.o.Audit.Record(ctx, ev)
		}()
		out, err := s.run(ctx, t, c, &ev)
		if q, ok := errors.AsType[*question](err); ok {
			out, err = s.ask(ctx, t, c, q, &ev)
		}
		if err != nil {
			return s.refuse(ctx, t, &ev, err), nil
		}
		return out, nil
	}
}

// run makes the call once, within its time. The error is a question or a failure.
func (s *Set) run(ctx context.Context, t *tool, c *confirmation, ev *Event) (*mcp.CallToolResult, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	caller, err := s.o.Callers(ctx)
	if err != nil {
		return nil, &failure{
			Code: codeInvalidToken, Message: err.Error(), MutationState: "not_started",
			NextStep: "Ask the person to sign in again.",
		}
	}
	ev.Principal, ev.Verified = principal(caller), caller.Verified
	c.caller = caller
	if err := s.admit(ctx, t, caller); err != nil { // before the arguments, whose errors tell of what is behind
		return nil, err
	}
	out, err := t.call(context.WithValue(auth.WithCaller(ctx, caller), confirmationKey{}, c), c.request.RawArguments, ev)
	if err != nil {
		if q := s.question(c, ev.Target, err); q != nil {
			return nil, q
		}
		return nil, failed(ctx, s.o.Log, t.name, err)
	}
	var text json.RawMessage
	if r, ok := out.(renderer); ok {
		text = r.render()
	} else {
		text, _ = clean(marshal(out))
	}
	result := answer(text, false)
	if p, ok := out.(pictured); ok && len(p.image().data) > 0 {
		img := p.image()
		result.Content = append(result.Content, mcp.ImageContent{
			Type: "image", Data: base64.StdEncoding.EncodeToString(img.data), MIMEType: img.mediaType,
		})
	}
	return result, nil
}

// explainTimeout is for what may have to be asked of the backend to explain a failure.
const explainTimeout = 5 * time.Second

// refuse answers with a tool error, which the agent sees and can act on.
func (s *Set) refuse(ctx context.Context, t *tool, ev *Event, err error) *mcp.CallToolResult {
	if p := (*panicError)(nil); errors.As(err, &p) {
		s.o.Log.ErrorContext(ctx, "tool panicked", "tool", t.name, "type", typeName(p.value), "stack", string(p.stack))
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	f := failed(ctx, s.o.Log, t.name, err)
	if !errors.As(err, new(gateRefusal)) {
		s.explain(ctx, t, ev.Target, f)
	}
	ev.Outcome = f.Code
	text, _ := clean(marshal(map[string]*failure{"error": f}))
	return answer(text, true)
}

// answer carries the same JSON as text and as structure: some clients show the model only the one, some only the other.
func answer(text json.RawMessage, isError bool) *mcp.CallToolResult {
	return &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.TextContent{Type: "text", Text: string(text)}},
		StructuredContent: text,
		IsError:           isError,
	}
}

// rawArguments are the arguments as they came: the decoded ones have lost the text of their numbers.
func rawArguments(req mcp.CallToolRequest) json.RawMessage {
	if raw := req.Params.RawArguments; len(raw) > 0 {
		return raw
	}
	raw, err := json.Marshal(req.Params.Arguments)
	if err != nil {
		return nil
	}
	return raw
}

func principal(c auth.Caller) string {
	switch {
	case c.Anonymous():
		return "anon"
	case c.ID == "":
		return "role " + c.Role
	}
	return c.ID
}

// panicError is a panic as an error. Its value may hold anything, so only its type is ever shown, to the log.
type panicError struct {
	value any
	stack []byte
}

func panicked(value any) error      { return &panicError{value: value, stack: debug.Stack()} }
func (p *panicError) Error() string { return "panic" }
func typeName(v any) string         { return fmt.Sprintf("%T", v) }
