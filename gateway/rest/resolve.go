package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// planner resolves a tree against one snapshot of the catalog.
type planner struct {
	catalog *catalog.Catalog
	schema  string
	refuse  func(*noRelation) error // the answer to a relationship that is missing or ambiguous
}

func (p *planner) resolve(r *resource) error {
	for _, n := range r.node.kids {
		via, err := p.relation(r, n)
		if err != nil {
			return err
		}
		k := &resource{node: n, table: via.To, above: r, via: via, at: table{name: r.alias(via.To.Name)}}
		k.hoisted = n.spread && via.Kind.Single()
		r.kids = append(r.kids, k)
		if err := p.resolve(k); err != nil {
			return err
		}
	}
	r.spelled = r.represented()
	r.spell(r.aggregates() || r.via != nil && r.spread && !r.via.Kind.Single())
	if r.via != nil && r.spread && !r.hoisted && r.aggregates() {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST127", Message: "Feature not implemented",
			Details: "Aggregates are not implemented for one-to-many or many-to-many spreads."}
	}
	for i := range r.columns {
		it := &r.columns[i]
		r.know(&it.field)
		if c := r.column(it.column); c != nil && len(it.path) == 0 && it.agg == "" {
			it.format = c.ToJSON
		}
	}
	if err := r.judge(&r.where); err != nil {
		return err
	}
	for i := range r.order {
		if err := r.sortBy(&r.order[i]); err != nil {
			return err
		}
	}
	return nil
}

// alias is a name for an embedded table that is not the one of the resource that it is joined with.
func (r *resource) alias(name string) string {
	depth := 1
	for a := r.above; a != nil; a = a.above {
		depth++
	}
	suffix := "_" + strconv.Itoa(depth)
	if len(name) > 50 { // PostgreSQL cuts names after 63 bytes, and keys are made of this one
		name = strings.ToValidUTF8(name[:50], "")
	}
	if name += suffix; name == r.at.name {
		name += "_"
	}
	return name
}

// aggregates says that the rows of r are grouped: by an aggregate of its own, or of a spread below.
func (r *resource) aggregates() bool {
	return slices.ContainsFunc(r.columns, func(it item) bool { return it.agg != "" }) ||
		slices.ContainsFunc(r.kids, func(k *resource) bool { return k.hoisted && k.aggregates() })
}

// spell marks the stars that have to be written as names: those of grouped rows, and of rows that become arrays.
func (r *resource) spell(needed bool) {
	if !needed {
		return
	}
	r.spelled = true
	for _, k := range r.kids {
		if k.spread {
			k.spell(true)
		}
	}
}

// know notes of a field whether it is JSON already: then an index on it can be used.
func (r *resource) know(f *field) {
	if c := r.column(f.column); c != nil {
		f.native = c.Base == "json" || c.Base == "jsonb"
	}
}

func (r *resource) column(name string) *catalog.Column {
	if r.table == nil {
		return nil
	}
	return r.table.Column(name)
}

// judge resolves the fields of a condition, and finds those that are no columns but embedded resources.
func (r *resource) judge(c *cond) error {
	for i := range c.kids {
		if err := r.judge(&c.kids[i]); err != nil {
			return err
		}
	}
	if c.join != "" {
		return nil
	}
	r.know(&c.field)
	known := r.column(c.column)
	if known != nil {
		c.vector = known.Base != "tsvector"
		if len(c.path) == 0 && c.op != "like" && c.op != "ilike" && c.op != "is distinct from" { // patterns are no values
			c.parse = known.FromText
		}
	}
	if kid := r.kid(c.column); kid != nil && len(c.path) == 0 {
		if c.op == "is" && (c.value == "null" || c.value == "not null") {
			c.embedded = kid
		} else if known == nil && r.table != nil {
			return &Error{Status: http.StatusBadRequest, Code: "PGRST120",
				Message: "Bad operator on the '" + c.column + "' embedded resource",
				Details: "Only is null or not is null filters are allowed on embedded resources"}
		}
	}
	return nil
}

func (r *resource) kid(label string) *resource {
	for _, k := range r.kids {
		if k.label() == label {
			return k
		}
	}
	return nil
}

// sortBy resolves one term of an order.
func (r *resource) sortBy(s *sort) error {
	if s.of == "" {
		r.know(&s.field)
		return nil
	}
	if s.related = r.kid(s.of); s.related == nil {
		return notEmbedded(s.of)
	}
	if !s.related.via.Kind.Single() {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST118",
			Message: "A related order on '" + s.of + "' is not possible",
			Details: "'" + r.tableName() + "' and '" + s.of + "' do not form a many-to-one or one-to-one relationship"}
	}
	for _, it := range s.related.columns {
		if it.alias == s.column && !s.related.spread { // the column may be called as it is in the answer
			s.field = it.field
		}
	}
	s.related.know(&s.field)
	return nil
}

// tableName is what errors call the resource's table.
func (r *resource) tableName() string {
	if r.table != nil {
		return r.table.Name
	}
	return r.at.name
}
