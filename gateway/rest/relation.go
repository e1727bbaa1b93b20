package rest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// noRelation is why a resource cannot be embedded: no relationship fits, or more than one.
type noRelation struct {
	from, target, hint string
	table              *catalog.Table // from's, if it is known
	fit                []*catalog.Relation
}

// relation finds the one relationship by which n can be embedded in r. The target is the name of a table, of a foreign
// key, of its column, or of a function; the hint decides between several.
func (p *planner) relation(r *resource, n *node) (*catalog.Relation, error) {
	var fit []*catalog.Relation
	if r.table != nil {
		for _, rel := range p.catalog.Relations(r.table) {
			if rel.To.Schema == p.schema && fits(rel, n.name, n.hint) {
				fit = append(fit, rel)
			}
		}
	}
	if len(fit) == 1 {
		return fit[0], nil
	}
	return nil, p.refuse(&noRelation{from: r.tableName(), target: n.name, hint: n.hint, table: r.table, fit: fit})
}

// fits are PostgREST's rules. Both relationships of a table with itself have its name: that is taken for the one to
// many rows, and the column's name for the one to one.
func fits(rel *catalog.Relation, target, hint string) bool {
	if rel.Computed != nil {
		return target == rel.Computed.Name
	}
	named := target == rel.To.Name
	switch {
	case rel.Self && hint == "":
		return named && rel.Kind == catalog.ToMany || rel.Kind == catalog.ToOne && isColumn(rel, target, false)
	case rel.Self:
		return named && rel.Kind == catalog.ToMany && isColumn(rel, hint, true)
	case hint == "":
		return named || !rel.To.View && rel.Junction == nil && (target == rel.Constraint || isColumn(rel, target, false))
	case rel.Junction != nil:
		return named && hint == rel.Junction.Table.Name
	}
	return named && (hint == rel.Constraint || isColumn(rel, hint, false) || isColumn(rel, hint, true))
}

// isColumn says that name is the only column of a foreign key, here or there.
func isColumn(rel *catalog.Relation, name string, there bool) bool {
	if len(rel.Columns) != 1 {
		return false
	}
	if there {
		return rel.Columns[0].B == name
	}
	return rel.Columns[0].A == name
}

// cannotEmbed makes the answer to a relationship that is missing or ambiguous. What it names beyond the request is
// visible to the caller.
func (h *Handler) cannotEmbed(req *request, c *catalog.Catalog, e *noRelation) error {
	if len(e.fit) == 0 {
		return h.relationNotFound(req, c, e)
	}
	seen, err := h.visible(req, tablesOf(e.fit))
	if err != nil {
		return err
	}
	if !seen[e.fit[0].To.OID] {
		return &Error{Status: HTTPStatus("42501", req.as.Role), Code: "42501",
			Message: "permission denied for table " + e.target}
	}
	var list []ambiguity
	var hints []string
	for _, rel := range e.fit {
		if seen[rel.To.OID] && (rel.Junction == nil || seen[rel.Junction.Table.OID]) {
			a := describe(rel)
			list = append(list, a)
			hints = append(hints, "'"+rel.To.Name+"!"+a.hint+"'")
		}
	}
	details, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return &Error{Status: http.StatusMultipleChoices, Code: "PGRST201",
		Message: "Could not embed because more than one relationship was found for '" + e.from + "' and '" + e.target + "'",
		List:    details,
		Hint: "Try changing '" + e.target + "' to one of the following: " + strings.Join(hints, ", ") +
			". Find the desired relationship in the 'details' key."}
}

// ambiguity is one of several relationships, as PGRST201 lists them.
type ambiguity struct {
	Cardinality  string `json:"cardinality"`
	Embedding    string `json:"embedding"`
	Relationship string `json:"relationship"`

	hint string
}

func describe(rel *catalog.Relation) ambiguity {
	a := ambiguity{Embedding: rel.From.Name + " with " + rel.To.Name, hint: rel.Constraint}
	columns := func(pairs []catalog.Pair, second bool) string {
		var names []string
		for _, p := range pairs {
			if second {
				names = append(names, p.B)
			} else {
				names = append(names, p.A)
			}
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	if j := rel.Junction; j != nil {
		a.Cardinality, a.hint = "many-to-many", j.Table.Name
		a.Relationship = j.Table.Name + " using " + j.FromConstraint + columns(j.From, true) + " and " +
			j.ToConstraint + columns(j.To, false)
		return a
	}
	switch rel.Kind {
	case catalog.ToOne:
		a.Cardinality = "many-to-one"
	case catalog.OneToOne:
		a.Cardinality = "one-to-one"
	default:
		a.Cardinality = "one-to-many"
	}
	a.Relationship = rel.Constraint + " using " + rel.From.Name + columns(rel.Columns, false) + " and " +
		rel.To.Name + columns(rel.Columns, true)
	return a
}

// relationNotFound says that nothing relates two tables, and names the near miss: a related table that is called almost
// like the target, or a table that is called almost like the one it was asked of.
func (h *Handler) relationNotFound(req *request, c *catalog.Catalog, e *noRelation) error {
	details := "Searched for a foreign key relationship between '" + e.from + "' and '" + e.target
	if e.hint != "" {
		details += "' using the hint '" + e.hint
	}
	answer := &Error{Status: http.StatusBadRequest, Code: "PGRST200",
		Message: "Could not find a relationship between '" + e.from + "' and '" + e.target + "' in the schema cache",
		Details: details + "' in the schema '" + req.on.schema + "', but no matches were found."}
	meant, near := e.target, []*catalog.Table(nil)
	if e.table != nil && len(c.Relations(e.table)) > 0 {
		near = tablesOf(c.Relations(e.table))
	} else {
		meant = e.from
		for _, t := range c.Tables(req.on.schema) {
			if len(c.Relations(t)) > 0 {
				near = append(near, t)
			}
		}
	}
	seen, err := h.visible(req, near)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range near {
		if t.Name == meant {
			return answer // it is there: something else is wrong, such as the hint
		}
		if seen[t.OID] && t.Schema == req.on.schema {
			names = append(names, t.Name)
		}
	}
	if name := nearest(meant, names); name != "" {
		answer.Hint = "Perhaps you meant '" + name + "' instead of '" + meant + "'."
	}
	return answer
}

// tablesOf lists the tables that relationships lead to and through.
func tablesOf(all []*catalog.Relation) (tables []*catalog.Table) {
	for _, rel := range all {
		tables = append(tables, rel.To)
		if rel.Junction != nil {
			tables = append(tables, rel.Junction.Table)
		}
	}
	return tables
}

const visibleQuery = `select coalesce(json_agg(c.oid::int8), '[]') from pg_class c
where c.oid = any($1::oid[]) and has_schema_privilege(c.relnamespace, 'usage')
and (has_any_column_privilege(c.oid, 'select, insert, update') or has_table_privilege(c.oid, 'delete'))`

// visible tells which of the tables, by OID, the caller may use in any way.
func (h *Handler) visible(req *request, tables []*catalog.Table) (map[uint32]bool, error) {
	texts := make([]string, len(tables))
	for i, t := range tables {
		texts[i] = strconv.FormatUint(uint64(t.OID), 10)
	}
	var oids []uint32
	if err := h.catalogJSON(req, &oids, visibleQuery, string(arrayLiteral(texts))); err != nil {
		return nil, err
	}
	seen := map[uint32]bool{}
	for _, oid := range oids {
		seen[oid] = true
	}
	return seen, nil
}
