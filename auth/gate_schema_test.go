package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

func TestASourceOfRolesMustFitTheLiveSchema(t *testing.T) {
	src := RoleSource{"members", "user_id", "role"}
	text := func(s string) *string { return &s }
	table := func(change func(*wire.Table)) wire.Schema {
		t := wire.Table{
			Name: "members", Columns: []wire.Column{{Name: "user_id"}, {Name: "role"}}, RLSEnabled: true,
			Grants: map[string][]string{"authenticated": {"DELETE", "INSERT", "SELECT", "UPDATE"}, "anon": {"SELECT"}},
		}
		change(&t)
		return wire.Schema{Schema: "project", Tables: []wire.Table{{Name: "items"}, t}}
	}
	policy := func(command string, using, check *string, roles ...string) func(*wire.Table) {
		return func(t *wire.Table) {
			t.Policies = append(t.Policies, wire.Policy{
				Name: "p", Command: command, Roles: roles, UsingExpression: using, CheckExpression: check,
			})
		}
	}
	own := text("(user_id = auth.uid())")
	for name, test := range map[string]struct {
		schema wire.Schema
		want   string // empty when it fits
	}{
		"no table":                        {wire.Schema{Schema: "project"}, "no table members in the schema project"},
		"no role column":                  {table(func(t *wire.Table) { t.Columns = t.Columns[:1] }), "no column role: it has user_id"},
		"no id column":                    {table(func(t *wire.Table) { t.Columns = t.Columns[1:] }), "no column user_id"},
		"no policy":                       {table(func(*wire.Table) {}), ""},
		"read by all":                     {table(policy("SELECT", text("true"), nil, "public")), ""},
		"deleted by all":                  {table(policy("DELETE", text("true"), nil, "public")), ""},
		"row level security off":          {table(func(t *wire.Table) { t.RLSEnabled = false }), "without row level security"},
		"off, but not granted":            {table(func(t *wire.Table) { t.RLSEnabled, t.Grants = false, map[string][]string{"anon": {"SELECT"}} }), ""},
		"off, granted to the service":     {table(func(t *wire.Table) { t.RLSEnabled, t.Grants = false, map[string][]string{"service_role": {"INSERT"}} }), ""},
		"off, granted to everyone":        {table(func(t *wire.Table) { t.RLSEnabled, t.Grants = false, map[string][]string{"public": {"UPDATE"}} }), "update"},
		"off, granted to anon":            {table(func(t *wire.Table) { t.RLSEnabled, t.Grants = false, map[string][]string{"anon": {"INSERT"}} }), "insert"},
		"all rows":                        {table(policy("ALL", text("true"), nil, "authenticated")), `policy "p" lets callers insert`},
		"one's own row":                   {table(policy("ALL", own, nil, "authenticated")), "without looking at role"},
		"one's own row, of everyone":      {table(policy("UPDATE", own, nil, "public")), "lets callers update"},
		"one's own row, roles not said":   {table(policy("UPDATE", own, nil)), "lets callers update"},
		"one's own new row":               {table(policy("INSERT", nil, own, "authenticated")), "lets callers insert"},
		"one's own row, an administrator": {table(policy("ALL", own, nil, "project_admin")), ""},
		"one's own row, held to a role":   {table(policy("ALL", own, text("((user_id = auth.uid()) AND (role = 'member'::text))"), "authenticated")), ""},
		"held to a role by using":         {table(policy("UPDATE", text("(role = 'member'::text)"), nil, "authenticated")), ""},
		"using looks, check does not":     {table(policy("UPDATE", text("(role = 'member'::text)"), text("true"), "authenticated")), "lets callers update"},
		"the system role is another":      {table(policy("UPDATE", text("(auth.role() = 'authenticated'::text)"), nil, "authenticated")), "lets callers update"},
		"a word in a text is no column":   {table(policy("UPDATE", text("(user_id = 'role it''s role'::text)"), nil, "authenticated")), "lets callers update"},
		"part of a name is no column":     {table(policy("UPDATE", text("(app_role = roles)"), nil, "authenticated")), "lets callers update"},
		"one that looks, one that does not": {table(func(t *wire.Table) {
			policy("UPDATE", text("(role = 'member'::text)"), nil, "authenticated")(t)
			policy("UPDATE", own, nil, "authenticated")(t)
		}), "lets callers update"},
		"bad policy, nothing granted": {table(func(t *wire.Table) {
			policy("ALL", own, nil, "authenticated")(t)
			t.Grants = map[string][]string{"authenticated": {"SELECT"}}
		}), ""},
		"bad policy, granted but to delete": {table(func(t *wire.Table) {
			policy("ALL", own, nil, "authenticated")(t)
			t.Grants = map[string][]string{"authenticated": {"DELETE"}}
		}), ""},
		"grants not said, bad policy": {table(func(t *wire.Table) {
			policy("ALL", own, nil, "authenticated")(t)
			t.Grants = nil
		}), "lets callers insert"},
		"grants not said, off": {table(func(t *wire.Table) { t.RLSEnabled, t.Grants = false, nil }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := src.Check(test.schema)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*GateError](err); !ok || !strings.HasPrefix(err.Error(), "DEPLOY_INVALID_ROLE_GATE: ") ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}
