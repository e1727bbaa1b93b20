package auth

import (
	"time"
)

// Gate says who may call something: a tool, or a function (contract section 6). The zero value lets everyone pass.
type Gate struct {
	RequireAuth bool      // somebody must have signed in
	RequireRole *RoleRule // and have one of these roles in the application; nil asks for none
}

// RoleRule asks for a role that the application keeps in a table of its own. It has nothing to do with the system role
// of a token, which row level security decides by.
type RoleRule struct {
	RoleSource
	Allowed  []string      // compared byte by byte
	CacheTTL time.Duration // how old a role that was read before may be: 0 to 600 s, in whole seconds
}

// RoleSource is where the application keeps its roles: select RoleColumn from Table where IDColumn = the user's id.
type RoleSource struct {
	Table, IDColumn, RoleColumn string
}

// Open reports whether the gate asks for nothing.
func (g Gate) Open() bool { return !g.RequireAuth && g.RequireRole == nil }

// DefaultCacheTTL is a RoleRule's CacheTTL when it says none.
const DefaultCacheTTL = time.Minute

// Gates are an operator's gates for tools, as his file has them: by the name of a tool, of a toolset, or "*" for all. A
// nil *Gates has none.
type Gates struct {
	file  *specFile
	named map[string]namedGate
	names []string // in the order of the file
	roles *RoleSource
}

type namedGate struct {
	Gate
	at int // offset in the file
}

// everyTool is the name of the gate of whatever has none of its own.
const everyTool = "*"

// For returns the gate of a tool: its own, else its toolset's, else that of "*". They are not merged: the first says it
// all.
func (g *Gates) For(tool, toolset string) Gate {
	if g == nil {
		return Gate{}
	}
	for _, name := range []string{tool, toolset, everyTool} {
		if gate, ok := g.named[name]; ok {
			return gate.Gate
		}
	}
	return Gate{}
}

// Opens reports whether there is a gate of exactly this name.
func (g *Gates) Opens(name string) bool {
	if g == nil {
		return false
	}
	_, ok := g.named[name]
	return ok
}

// Names lists the names that have a gate, "*" among them, in the order of the file.
func (g *Gates) Names() []string {
	if g == nil {
		return nil
	}
	return g.names
}

// Roles returns where the gates look for roles, which is one place for all of them, and how old a role may be at most
// to be shown; false when no gate asks for a role.
func (g *Gates) Roles() (src RoleSource, ttl time.Duration, ok bool) {
	if g == nil || g.roles == nil {
		return RoleSource{}, 0, false
	}
	ttl = maxCacheTTL
	for _, gate := range g.named {
		if gate.RequireRole != nil {
			ttl = min(ttl, gate.RequireRole.CacheTTL)
		}
	}
	return *g.roles, ttl, true
}

// Wrong returns the error that the gate of this name is wrong, in the way the message says.
func (g *Gates) Wrong(name, message string) error {
	return g.file.wrong(g.named[name].at, "tools."+name, message)
}
