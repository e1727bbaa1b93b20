package tools

import (
	"context"
	"slices"
	"time"

	"github.com/run402/functions-mcp/auth"
)

// identity answers whoami. User is what getUser returns in a function, with the system role that policies see. AppRole
// is another thing: the role inside the application that gates go by, from the project's own table.
type identity struct {
	User       *auth.User `json:"user"` // null when nobody signed in
	SystemRole string     `json:"system_role"`
	AppRole    string     `json:"app_role,omitempty"`
	Verified   bool       `json:"verified"`
	VerifiedBy string     `json:"verified_by,omitempty"` // "server" or "backend"
	Expires    string     `json:"expires,omitempty"`     // RFC 3339
	ProjectID  string     `json:"project_id,omitempty"`
	Backend    string     `json:"backend,omitempty"`
	Planes     []string   `json:"planes"`       // that this caller's tools work on
	Toolsets   []string   `json:"toolsets"`     // that this caller has tools of
	AI         any        `json:"ai,omitempty"` // who does what, where this caller has the toolset
	ReadOnly   bool       `json:"read_only"`
	Notice     string     `json:"notice,omitempty"`
}

func (s *Set) whoamiTool() *tool {
	return define(spec{
		name: "whoami", toolset: ToolsetData, plane: planeNone, hints: reads(),
		description: "Show the caller: user, system role (what policies see), application role if gated, open toolsets.",
	}, s.whoami)
}

func (s *Set) whoami(ctx context.Context, _ struct{}) (identity, error) {
	c := caller(ctx)
	as := s.standing(ctx, c)
	out := identity{
		SystemRole: roleOf(c), AppRole: as.role, Verified: c.Verified, ProjectID: s.o.ProjectID, Backend: s.o.Backend,
		Planes: []string{}, Toolsets: []string{}, ReadOnly: s.o.ReadOnly,
	}
	may := s.visible(c, as)
	for _, p := range []plane{planeCaller, planeAdmin} {
		if slices.ContainsFunc(may, func(t *tool) bool { return t.plane == p }) {
			out.Planes = append(out.Planes, string(p))
		}
	}
	for _, name := range Toolsets() {
		if slices.ContainsFunc(may, func(t *tool) bool { return t.toolset == name && t.plane != planeNone }) {
			out.Toolsets = append(out.Toolsets, name)
		}
	}
	if s.o.AIProviders != nil && slices.Contains(out.Toolsets, ToolsetAI) {
		out.AI = s.o.AIProviders
	}
	if !c.Anonymous() {
		out.User = &auth.User{ID: c.ID, Role: c.Role, Email: c.Email}
	}
	switch {
	case c.ByBackend:
		out.VerifiedBy = "backend"
	case c.Verified:
		out.VerifiedBy = "server"
	}
	if !c.Expires.IsZero() {
		out.Expires = c.Expires.UTC().Format(time.RFC3339)
	}
	switch {
	case c.Anonymous():
		out.Notice = "Nobody is signed in: the caller's tools work as anon."
	case !c.Verified:
		out.Notice = "The token was read but not checked here; the backend checks it on every call."
	case as.unknown:
		out.Notice = "The role in the application could not be read just now."
	}
	return out, nil
}
