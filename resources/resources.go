// Package resources is what an agent reads: MCP resources over core, on the same caller as the tools.
package resources

import (
	"log/slog"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// Options says what the resources work with. Client and Callers are needed.
type Options struct {
	Client  *core.Client
	Callers auth.Callers

	// CallerPlane says that there is an anon key: without one there are no tables to show a caller.
	CallerPlane bool
	// Admin says that the admin toolset is open to everyone who reads here (stdio, with a service key). Only then do
	// tables show their policies, and tables that callers cannot reach.
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
func New(o Options) *Set { return &Set{o} }

// ServerOptions are what the resources need said when the MCP server is made: capabilities and completion.
func (s *Set) ServerOptions() []server.ServerOption { panic("TODO") }

// Register adds the resources and the template to an MCP server.
func (s *Set) Register(m *server.MCPServer) { panic("TODO") }
