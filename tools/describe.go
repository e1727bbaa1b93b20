package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/wire"
)

type describeInput struct {
	Table  string `json:"table" doc:"Only this one, in full"`
	Detail bool   `json:"detail" doc:"All tables in full"`
}

func (in describeInput) target() string { return in.Table }

// tables is a result made of descriptions, as many as fit; of the others only the names.
type tables struct {
	Notice string            `json:"notice,omitempty"`
	Role   string            `json:"role"` // whose view of the schema this is
	Tables []json.RawMessage `json:"tables"`
	More   []string          `json:"more,omitempty"`
	Left   int               `json:"more_not_listed,omitempty"`
}

func (t *tables) size() int { return len(t.Tables) }

// add appends a description, or its name when the descriptions have reached the budget.
func (t *tables) add(budget *int, name string, description any) {
	const forNames = 8 << 10
	text := marshal(description)
	if len(text) <= *budget-forNames && t.More == nil {
		*budget -= len(text) + 1
		t.Tables = append(t.Tables, text)
		return
	}
	if t.Notice == "" {
		t.Notice = "Not all fit: describe a table of more by its name."
	}
	if *budget -= len(name) + 3; *budget < 0 {
		t.Left++
		return
	}
	t.More = append(t.More, name)
}

// callerTable is the short description: one text for each column, such as "owner uuid required -> members.id".
type callerTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Writes  []string `json:"writes"` // which of insert, update, delete this caller may try
}

func (s *Set) describeTables(ctx context.Context, in describeInput) (*tables, error) {
	c := caller(ctx)
	all, err := s.o.Client.DB(c.Token).Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := &tables{Role: roleOf(c), Tables: []json.RawMessage{}}
	budget := maxResult - 1<<10
	for _, t := range all {
		switch {
		case in.Table != "" && t.Name != in.Table:
		case in.Table != "" || in.Detail:
			out.add(&budget, t.Name, t)
		default:
			out.add(&budget, t.Name, shortTable(t))
		}
	}
	if len(out.Tables) > 0 {
		return out, nil
	}
	if in.Table != "" && len(out.More) == 0 {
		return nil, unknownTable(in.Table, callerRelations(all))
	}
	if len(all) == 0 {
		out.Notice = s.noTables(ctx)
	}
	return out, nil
}

// noTables says why a caller may see nothing.
func (s *Set) noTables(ctx context.Context) string {
	why := "Role " + roleOf(caller(ctx)) +
		" may reach no table: there is none yet, or none is granted to it with row level security on."
	if s.has("admin_describe_tables") {
		why += " admin_describe_tables shows all tables and what opens them."
	}
	return why
}

func shortTable(t core.TableInfo) callerTable {
	short := callerTable{Name: t.Name, Columns: make([]string, len(t.Columns)), Writes: []string{}}
	for i, c := range t.Columns {
		text := c.Name + " " + c.Type
		if c.PrimaryKey {
			text += " pk"
		}
		if c.Required {
			text += " required"
		}
		if c.References != "" {
			text += " -> " + c.References
		}
		short.Columns[i] = text
	}
	for _, w := range []struct {
		may  bool
		verb string
	}{{t.Insertable, "insert"}, {t.Updatable, "update"}, {t.Deletable, "delete"}} {
		if w.may {
			short.Writes = append(short.Writes, w.verb)
		}
	}
	return short
}

// adminTable is the short description for the admin plane: what callers can reach, and what decides it.
type adminTable struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind,omitempty"`
	Columns  []string `json:"columns"`
	Keys     []string `json:"keys,omitempty"`
	RLS      bool     `json:"rls"`
	Policies []string `json:"policies,omitempty"`
	Dark     string   `json:"dark,omitempty"` // why callers cannot reach it, and what opens it
	Rows     int64    `json:"rows_estimate"`
}

func (s *Set) adminDescribeTables(ctx context.Context, in describeInput) (*tables, error) {
	schema, err := s.o.Client.Admin().Schema(ctx)
	if err != nil {
		return nil, err
	}
	out := &tables{Role: "service_role", Tables: []json.RawMessage{}}
	budget := maxResult - 1<<10
	for _, t := range schema.Tables {
		switch {
		case in.Table != "" && t.Name != in.Table:
		case in.Table != "" || in.Detail:
			out.add(&budget, t.Name, t)
		default:
			out.add(&budget, t.Name, shortAdminTable(t))
		}
	}
	if in.Table != "" && len(out.Tables)+len(out.More) == 0 {
		return nil, unknownTable(in.Table, adminRelations(schema))
	}
	return out, nil
}

func shortAdminTable(t wire.Table) adminTable {
	short := adminTable{
		Name: t.Name, Columns: make([]string, len(t.Columns)), RLS: t.RLSEnabled, Dark: t.Dark, Rows: t.RowEstimate,
	}
	if t.Kind != "table" {
		short.Kind = t.Kind
	}
	for i, c := range t.Columns {
		short.Columns[i] = c.Name + " " + c.Type
		if !c.Nullable && c.DefaultValue == nil {
			short.Columns[i] += " required"
		}
	}
	for _, c := range t.Constraints {
		if c.Type != "CHECK" {
			short.Keys = append(short.Keys, c.Definition)
		}
	}
	for _, p := range t.Policies {
		text := p.Name + ": " + p.Command
		if len(p.Roles) > 0 {
			text += " to " + strings.Join(p.Roles, ", ")
		}
		short.Policies = append(short.Policies, text)
	}
	return short
}

// relation is a table or view by the names that an error may have to list.
type relation struct {
	name    string
	columns []string
}

func callerRelations(all []core.TableInfo) []relation {
	out := make([]relation, len(all))
	for i, t := range all {
		out[i].name = t.Name
		for _, c := range t.Columns {
			out[i].columns = append(out[i].columns, c.Name)
		}
	}
	return out
}

func adminRelations(schema wire.Schema) []relation {
	out := make([]relation, len(schema.Tables))
	for i, t := range schema.Tables {
		out[i].name = t.Name
		for _, c := range t.Columns {
			out[i].columns = append(out[i].columns, c.Name)
		}
	}
	return out
}

func unknownTable(name string, all []relation) *failure {
	f := argument("table", fmt.Sprintf("there is no table %q here", short(name)), "")
	f.Code = codeUnknownTable
	f.suggest(name, namesOf(all))
	return f
}

func namesOf(all []relation) []string {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	return names
}
