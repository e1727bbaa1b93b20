package resources

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/auth"
)

type project struct {
	ProjectID   string   `json:"project_id,omitempty"`
	Backend     string   `json:"backend,omitempty"`
	Toolsets    []string `json:"toolsets,omitempty"`
	CallerPlane bool     `json:"caller_plane"`
	AdminPlane  bool     `json:"admin_plane"`
	Caller      caller   `json:"caller"`
}

// caller is as in the tool whoami. SystemRole is PostgreSQL's; roles inside the application are data in its tables.
type caller struct {
	SignedIn   bool   `json:"signed_in"`
	ID         string `json:"id,omitempty"`
	Email      string `json:"email,omitempty"`
	SystemRole string `json:"system_role"`
	Verified   bool   `json:"verified"`
}

func (s *Set) project(_ context.Context, c auth.Caller, _ mcp.ReadResourceRequest) (any, error) {
	role := c.Role
	if role == "" {
		role = "anon"
	}
	return project{
		ProjectID: s.o.ProjectID, Backend: s.o.Backend, Toolsets: s.o.Toolsets,
		CallerPlane: s.o.CallerPlane, AdminPlane: s.o.Admin,
		Caller: caller{SignedIn: !c.Anonymous(), ID: c.ID, Email: c.Email, SystemRole: role, Verified: c.Verified},
	}, nil
}
