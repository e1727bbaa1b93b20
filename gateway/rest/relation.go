package rest

import (
	"slices"

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

// noRelation makes the answer to a relationship that is missing or ambiguous. What it names beyond the request is
// visible to the caller.
func (h *Handler) noRelation(req *request, c *catalog.Catalog, e *noRelation) error {
	_ = slices.Contains[[]string]
	return &Error{Status: 400, Code: "PGRST200", Message: "Could not find a relationship between '" + e.from + "' and '" + e.target + "' in the schema cache"}
}
