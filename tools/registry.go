// Package tools is what an agent calls: MCP tools over core, one file per capability, behind one adapter (tool.go).
package tools

import (
	"log/slog"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// Toolsets that an operator may open. Each holds the tools of one capability.
const (
	ToolsetData  = "data"
	ToolsetAdmin = "admin"
)

// Options says what the tools work with and which of them exist. Client and Callers are needed, the rest has defaults.
type Options struct {
	Client  *core.Client
	Callers auth.Callers

	// Toolsets that are open; nil opens all. A name that does not exist is an error.
	Toolsets []string
	// ReadOnly leaves only the tools that only read, and admin_sql then reads whatever a call says.
	ReadOnly bool
	// CallerPlane and AdminPlane say that there is an anon key, a service key. A plane without its key has no tools.
	CallerPlane, AdminPlane bool

	ProjectID string
	Backend   string // for people and agents: "local project default", "https://api.run402.com"
	// Shared says that many callers use this server (HTTP), so that its instructions name none of them.
	Shared bool

	Log     *slog.Logger  // nil discards
	Audit   Audit         // nil records nothing
	Timeout time.Duration // of one call; 0 means 50 s, which is within what clients wait
}

// Set is the tools that Options left open. It is safe for concurrent use.
type Set struct{ tools []*tool }

type tool struct{}

// New builds the tools. It fails on an unknown toolset and on a tool that breaks the rules of the surface.
func New(o Options) (*Set, error) { panic("TODO") }

// ServerOptions are what the tools need said when the MCP server is made: instructions and capabilities.
func (s *Set) ServerOptions() []server.ServerOption { panic("TODO") }

// Register adds the tools to an MCP server.
func (s *Set) Register(m *server.MCPServer) { panic("TODO") }

// Names lists the tools in the order in which clients see them.
func (s *Set) Names() []string { panic("TODO") }
