// Package tools is what an agent calls: MCP tools over core, one file per capability, behind one adapter (tool.go).
package tools

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// Toolsets that an operator may open. Each holds the tools of one capability.
const (
	ToolsetData      = "data"
	ToolsetAdmin     = "admin"
	ToolsetEmail     = "email"
	ToolsetAI        = "ai"
	ToolsetAssets    = "assets"
	ToolsetFunctions = "functions"
)

// Toolsets lists the names that Options.Toolsets may hold.
func Toolsets() []string {
	return []string{ToolsetData, ToolsetAdmin, ToolsetEmail, ToolsetAI, ToolsetAssets, ToolsetFunctions}
}

// Options says what the tools work with and which of them exist. Client and Callers are needed, the rest has defaults.
type Options struct {
	Client  *core.Client
	Callers auth.Callers

	// Toolsets that are open; none opens all. A name that does not exist is an error.
	Toolsets []string
	// ReadOnly leaves only the tools that only read, and admin_sql then reads whatever a call says.
	ReadOnly bool
	// Gates say who may call what, and over HTTP (Shared) what is open beyond the toolset data; nil means none. Those that
	// ask for roles need a Gatekeeper.
	Gates      *auth.Gates
	Gatekeeper *auth.Gatekeeper
	// CallerPlane and AdminPlane say that there is an anon key, a service key. A plane without its key has no tools.
	CallerPlane, AdminPlane bool

	// EmailAllow are the recipients that send_email may write to, with * for any characters; none allows all.
	EmailAllow []string

	// Confirm is how calls that destroy or change much are confirmed; empty is ConfirmToken.
	Confirm Confirm
	// Secret is what the keys that seal confirmations are derived from: the service key, or else the JWT secret, so that
	// any copy of the server opens them. Without one they are random, and good for this process alone.
	Secret []byte

	// AssetRoots are the directories that put_asset may read from; none leaves it to the client's. Nobody's over HTTP.
	AssetRoots []string

	// AIProviders says who does what of the toolset ai, for whoami; nil is not known.
	AIProviders map[string]string

	ProjectID string
	Backend   string // for people and agents: "local project default", "https://api.run402.com"
	// Shared says that many callers use this server (HTTP): its instructions name none of them, and gates open tools.
	Shared bool

	Log     *slog.Logger  // nil discards
	Audit   Audit         // nil records nothing
	Timeout time.Duration // of one call; 0 means 50 s, which is within what clients wait
}

// Set is the tools that Options left open. It is safe for concurrent use.
type Set struct {
	o        Options
	tools    []*tool
	toolsets []string // that have a tool

	tokens, states sealer // of proofs that an agent brings back, that a client does
	now            func() time.Time
}

// New builds the tools. It fails on an unknown toolset, on gates that cannot be meant (*auth.SpecError, *ClosedError)
// and on a tool that breaks the rules of the surface.
func New(o Options) (*Set, error) {
	if o.Client == nil || o.Callers == nil {
		return nil, errors.New("tools: a client and callers are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = noAudit{}
	}
	if o.Timeout == 0 {
		o.Timeout = 50 * time.Second
	}
	for _, name := range o.Toolsets {
		if !slices.Contains(Toolsets(), name) {
			return nil, fmt.Errorf("tools: there is no toolset %q; there are %s", name, strings.Join(Toolsets(), ", "))
		}
	}
	s := &Set{o: o}
	list := s.all()
	if err := errors.Join(s.prepareConfirm(), s.checkGates(list)); err != nil {
		return nil, err
	}
	return s, s.add(list)
}

// all lists every tool that there can be.
func (s *Set) all() []*tool {
	whoami := []*tool{s.whoamiTool()} // whoever may call anything may ask who they are
	return slices.Concat(whoami, s.dataTools(), s.functionTools(),
		s.adminTools(), s.emailTools(), s.aiTools(), s.assetTools())
}

// hasKey reports whether the tool's plane has its key.
func (s *Set) hasKey(t *tool) bool {
	switch t.plane {
	case planeNone:
		return true
	case planeCaller:
		return s.o.CallerPlane
	default:
		return s.o.AdminPlane
	}
}

func (s *Set) add(list []*tool) error {
	for _, t := range list {
		if t.err != nil {
			return fmt.Errorf("tools: %w", t.err)
		}
		if s.has(t.name) {
			return fmt.Errorf("tools: two tools are named %s", t.name)
		}
		if !s.hasKey(t) || s.o.ReadOnly && !t.hints.readOnly {
			continue
		}
		open, err := s.opens(t)
		if err != nil {
			return err
		}
		if !open {
			continue
		}
		s.tools = append(s.tools, t)
		if t.plane != planeNone && !slices.Contains(s.toolsets, t.toolset) {
			s.toolsets = append(s.toolsets, t.toolset)
		}
	}
	slices.SortFunc(s.tools, func(a, b *tool) int { return strings.Compare(a.name, b.name) })
	return nil
}

// has reports whether a tool is enabled. No text of ours names one that is not.
func (s *Set) has(name string) bool {
	return slices.ContainsFunc(s.tools, func(t *tool) bool { return t.name == name })
}

// Names lists the tools in the order in which clients see them.
func (s *Set) Names() []string {
	names := make([]string, len(s.tools))
	for i, t := range s.tools {
		names[i] = t.name
	}
	return names
}

// Open lists the toolsets that have a tool.
func (s *Set) Open() []string { return slices.Clone(s.toolsets) }

// Register adds the tools to an MCP server.
func (s *Set) Register(m *server.MCPServer) {
	for _, t := range s.tools {
		m.AddTool(t.definition(), s.serve(t))
	}
}
