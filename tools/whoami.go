package tools

import (
	"context"
	"time"
)

// identity answers whoami. SystemRole is the PostgreSQL role of the caller plane; what a person may do inside the
// application (member, admin, …) is data in the project's own tables.
type identity struct {
	SignedIn   bool     `json:"signed_in"`
	ID         string   `json:"id,omitempty"`
	Email      string   `json:"email,omitempty"`
	SystemRole string   `json:"system_role"`
	Verified   bool     `json:"verified"`
	Expires    string   `json:"expires,omitempty"` // RFC 3339
	ProjectID  string   `json:"project_id,omitempty"`
	Backend    string   `json:"backend,omitempty"`
	Toolsets   []string `json:"toolsets"`
	ReadOnly   bool     `json:"read_only"`
	Notice     string   `json:"notice,omitempty"`
}

func (s *Set) whoamiTool() *tool {
	return define(spec{
		name: "whoami", toolset: ToolsetData, plane: planeNone, hints: reads(),
		description: "Show the caller (id, email, the system role that policies see), the project and the open toolsets.",
	}, s.whoami)
}

func (s *Set) whoami(ctx context.Context, _ struct{}) (identity, error) {
	c := caller(ctx)
	out := identity{
		SignedIn: !c.Anonymous(), ID: c.ID, Email: c.Email, SystemRole: roleOf(c), Verified: c.Verified,
		ProjectID: s.o.ProjectID, Backend: s.o.Backend, Toolsets: s.toolsets, ReadOnly: s.o.ReadOnly,
	}
	if !c.Expires.IsZero() {
		out.Expires = c.Expires.UTC().Format(time.RFC3339)
	}
	switch {
	case c.Anonymous():
		out.Notice = "Nobody is signed in: the caller's tools work as anon."
	case !c.Verified:
		out.Notice = "The token was read but not checked here; the backend checks it on every call."
	}
	return out, nil
}
