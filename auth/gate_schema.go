package auth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// GateError says that a gate cannot work in the live database: code DEPLOY_INVALID_ROLE_GATE, status 422.
type GateError struct{ Message string }

// Error names the code.
func (e *GateError) Error() string { return "DEPLOY_INVALID_ROLE_GATE: " + e.Message }

// Check holds a source of roles to the live schema: table and columns exist, and those who are to be gated cannot write
// their own role. The error is a *GateError.
//
// They can when anon, authenticated or everyone is granted INSERT or UPDATE, and row level security is off, or some
// policy for them lets through new rows without looking at the role column: a policy that only asks whether the row
// is one's own lets everyone promote himself. Whether a policy looks is seen by the column's name in the expression
// that new rows are held to. That errs on the safe side where policies call functions or are restrictive; there,
// name the column ("… and role is not null") or grant INSERT and UPDATE on the other columns alone. It does not see
// functions that run with their owner's rights, nor what an expression that names the column
// says of it. Deleting is not looked at: it takes roles away. Of a backend that does not say its grants, only what
// the policies allow counts.
func (src RoleSource) Check(schema wire.Schema) error {
	i := slices.IndexFunc(schema.Tables, func(t wire.Table) bool { return t.Name == src.Table })
	if i < 0 {
		return gateError("there is no table %s in the schema %s: create it, or name the table that holds the roles",
			src.Table, schema.Schema)
	}
	t := schema.Tables[i]
	for _, name := range []string{src.IDColumn, src.RoleColumn} {
		if !slices.ContainsFunc(t.Columns, func(c wire.Column) bool { return c.Name == name }) {
			return gateError("the table %s has no column %s: it has %s", t.Name, name, columnNames(t))
		}
	}
	for _, command := range []string{"INSERT", "UPDATE"} {
		if err := src.checkWrites(t, command); err != nil {
			return err
		}
	}
	return nil
}

// gated are those who must not write roles. project_admin may: it is the application's administrator.
func gated(role string) bool {
	return role == "public" || role == RoleAnon || role == RoleAuthenticated
}

func (src RoleSource) checkWrites(t wire.Table, command string) error {
	if t.Grants != nil {
		granted := grants(t.Grants, command)
		for _, c := range t.Columns {
			granted = granted || (c.Name == src.RoleColumn || c.Name == src.IDColumn) && grants(c.Grants, command)
		}
		if !granted {
			return nil
		}
		if !t.RLSEnabled {
			return gateError("callers may %s the table %s without row level security, and so give themselves any role: "+
				"enable it, or revoke %s from authenticated", strings.ToLower(command), t.Name, strings.ToLower(command))
		}
	}
	if !t.RLSEnabled {
		return nil
	}
	for _, p := range t.Policies {
		if p.Command != command && p.Command != "ALL" || len(p.Roles) > 0 && !slices.ContainsFunc(p.Roles, gated) {
			continue
		}
		if !names(newRows(p), src.RoleColumn) {
			return gateError("the policy %q lets callers %s rows of %s without looking at %s, and so give themselves any "+
				"role: revoke insert, update on it from authenticated, or hold %s in the policy's with check",
				p.Name, strings.ToLower(command), t.Name, src.RoleColumn, src.RoleColumn)
		}
	}
	return nil
}

// grants reports whether one of those who are gated was granted a command.
func grants(to map[string][]string, command string) bool {
	for role, privileges := range to {
		if gated(role) && slices.Contains(privileges, command) {
			return true
		}
	}
	return false
}

// newRows is the expression that a policy holds new rows to; empty when it holds them to nothing.
func newRows(p wire.Policy) string {
	switch {
	case p.CheckExpression != nil:
		return *p.CheckExpression
	case p.UsingExpression != nil:
		return *p.UsingExpression
	}
	return ""
}

// names reports whether an expression, as PostgreSQL prints it, names a column.
func names(expression, column string) bool {
	outside := literal.ReplaceAllString(expression, "''")
	return regexp.MustCompile(`(^|[^A-Za-z0-9_$])` + regexp.QuoteMeta(column) + `($|[^A-Za-z0-9_$(])`).MatchString(outside)
}

// literal is a string of SQL, whose words name nothing.
var literal = regexp.MustCompile(`'(?:[^']|'')*'`)

func columnNames(t wire.Table) string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = c.Name
	}
	return strings.Join(list, ", ")
}

func gateError(format string, args ...any) error { return &GateError{fmt.Sprintf(format, args...)} }
