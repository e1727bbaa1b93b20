// Package resources is what an agent reads: MCP resources over core, on the same caller as the tools. They add nothing
// that the tools cannot say, since many clients show no resources.
package resources

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

const (
	projectURI  = "run402://project"
	tablesURI   = "run402://tables"
	tableURI    = "run402://tables/{table}"
	contentType = "application/json"
)

// Options says what the resources work with. Client, Callers and Clean are needed.
type Options struct {
	Client  *core.Client
	Callers auth.Callers
	// Clean takes out of JSON text what no person sees: names and comments are written by others. See tools.Clean.
	Clean func(json.RawMessage) json.RawMessage

	// CallerPlane says that there is an anon key. The tables are then those that the caller may reach.
	CallerPlane bool
	// Admin says that the admin toolset is open to everyone who reads here (stdio, with a service key). A table then
	// shows its policies too, and without an anon key the tables are all tables.
	Admin bool

	ProjectID string
	Backend   string   // as in tools.Options
	Toolsets  []string // those that are open, as a fact

	Log     *slog.Logger  // nil discards
	Timeout time.Duration // of one read; 0 means 20 s
}

// Set is the resources. It is safe for concurrent use.
type Set struct{ o Options }

// New returns the resources.
func New(o Options) *Set {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	return &Set{o}
}

// ServerOptions are what the resources need said when the MCP server is made: capabilities and completion.
func (s *Set) ServerOptions() []server.ServerOption {
	return []server.ServerOption{
		server.WithResourceCapabilities(false, false),
		server.WithCompletions(),
		server.WithResourceCompletionProvider(s),
	}
}

// Register adds the resources and the template to an MCP server.
func (s *Set) Register(m *server.MCPServer) {
	m.AddResource(mcp.Resource{
		URI: projectURI, Name: "project", MIMEType: contentType,
		Description: "The project, who the caller is, and what is open.",
	}, s.read(s.project))
	if !s.o.CallerPlane && !s.o.Admin {
		return
	}
	m.AddResource(mcp.Resource{
		URI: tablesURI, Name: "tables", MIMEType: contentType,
		Description: "The tables that the caller may reach, with their columns.",
	}, s.read(s.tables))
	m.AddResourceTemplate(
		mcp.NewResourceTemplate(tableURI, "table", mcp.WithTemplateMIMEType(contentType),
			mcp.WithTemplateDescription("One table: columns, keys and, where the admin toolset is open, policies.")),
		server.ResourceTemplateHandlerFunc(s.read(s.table)))
}

// read wraps a resource as tools wraps a tool: caller, time limit, recovery. mcp-go sends an error's text to the
// client, so none gets there that was not made for it.
func (s *Set) read(
	build func(context.Context, auth.Caller, mcp.ReadResourceRequest) (any, error),
) server.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) (contents []mcp.ResourceContents, err error) {
		ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				contents, err = nil, s.unforeseen(ctx, "resource panicked", r, string(debug.Stack()))
			}
		}()
		caller, err := s.o.Callers(ctx)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", req.Params.URI, err)
		}
		value, err := build(ctx, caller, req)
		if err != nil {
			return nil, s.readable(ctx, req.Params.URI, err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, s.unforeseen(ctx, "resource not encoded", err, "")
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{
			URI: req.Params.URI, MIMEType: contentType, Text: string(s.o.Clean(text)),
		}}, nil
	}
}

// errNotFound is all that a reader learns about a table that is not there or not theirs. mcp-go has no way for a
// handler to choose the code, so it goes out as an internal error with this text.
var errNotFound = errors.New("resource not found")

// readable is an error as a client may see it.
func (s *Set) readable(ctx context.Context, uri string, err error) error {
	var remote *core.Error
	switch {
	case errors.Is(err, errNotFound):
		return fmt.Errorf("read %s: %w: %s lists the tables", uri, err, tablesURI)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("read %s: it took too long; try again", uri)
	case errors.As(err, &remote):
		return fmt.Errorf("read %s: %s: %s", uri, remote.Code, s.visible(remote.Message))
	}
	return s.unforeseen(ctx, "resource failed", err, "")
}

// visible is a text without what no person sees.
func (s *Set) visible(text string) string {
	raw, err := json.Marshal(text)
	if err != nil || json.Unmarshal(s.o.Clean(raw), &text) != nil {
		return ""
	}
	return text
}

// unforeseen logs what happened by type only, since a text may hold a value, and gives the client an id to report.
func (s *Set) unforeseen(ctx context.Context, what string, value any, stack string) error {
	id := rand.Text()[:12]
	s.o.Log.ErrorContext(ctx, what, "id", id, "type", fmt.Sprintf("%T", value), "stack", stack)
	return fmt.Errorf("something went wrong in functions-mcp itself; report it with the id %s", id)
}
