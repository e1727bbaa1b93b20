package auth_test

import (
	"testing"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// A privilege on the role column alone promotes as well as one on the table.
func TestAGateSeesPrivilegesOnColumns(t *testing.T) {
	own := "(user_id = auth.uid())"
	src := auth.RoleSource{Table: "members", IDColumn: "user_id", RoleColumn: "role"}
	for _, c := range []struct {
		column string
		grants map[string][]string
		fits   bool
	}{
		{"role", nil, true},
		{"role", map[string][]string{"authenticated": {"UPDATE"}}, false},
		{"role", map[string][]string{"public": {"INSERT"}}, false},
		{"role", map[string][]string{"project_admin": {"UPDATE"}, "authenticated": {"SELECT"}}, true},
		{"user_id", map[string][]string{"authenticated": {"UPDATE"}}, false},
		{"nick", map[string][]string{"authenticated": {"UPDATE"}}, true},
	} {
		schema := wire.Schema{Schema: "project", Tables: []wire.Table{{
			Name: "members", RLSEnabled: true, Columns: []wire.Column{{Name: "user_id"}, {Name: "role"}, {Name: "nick"}},
			Policies: []wire.Policy{{Name: "own", Command: "ALL", UsingExpression: &own}},
			Grants:   map[string][]string{"authenticated": {"SELECT"}},
		}}}
		for i := range schema.Tables[0].Columns {
			if schema.Tables[0].Columns[i].Name == c.column {
				schema.Tables[0].Columns[i].Grants = c.grants
			}
		}
		if err := src.Check(schema); (err == nil) != c.fits {
			t.Errorf("%v on %s: %v", c.grants, c.column, err)
		}
	}
}
