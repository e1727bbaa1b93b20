package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// resource is a node of a request with what the catalog knows of it: a target, or one that is embedded by a
// relationship.
type resource struct {
	*node
	table *catalog.Table // nil when it is not known: the request needs no catalog, or a function returns no table's rows
	at    table          // the name under which the statement has it
	above *resource      // the one that embeds it; nil for the target
	via   *catalog.Relation
	kids  []*resource // in the order of node.kids

	hoisted bool // what aggregates it asks for are computed above it: a spread of one row
	spelled bool // its "*" has to be written as names
}

// plan resolves what a request to a table asks. A plain one, of columns and filters alone, needs no catalog, unless
// there are domains with representations: PostgreSQL resolves the names. The plan is kept in the request's own tree.
func (h *Handler) plan(req *request) (*resource, error) {
	if m := req.http.Method; m == http.MethodGet || m == http.MethodHead { // the rows of a write are as many as it wrote
		h.capRows(&req.query.node)
	}
	root, err := h.target(req, &resource{at: req.on})
	if err != nil || h.opts.Catalog == nil && len(root.node.kids) == 0 {
		return root, err
	}
	if !root.needsCatalog() {
		if c, err := h.customised(req); err != nil || c == nil {
			return root, err
		}
	}
	c, err := h.catalog(req)
	if err != nil {
		return nil, err
	}
	if root.table = c.Table(req.on.schema, req.on.name); root.table == nil && len(root.node.kids) > 0 {
		var near visible
		if err := h.catalogJSON(req, &near, catalogQuery, req.on.schema, req.on.name); err != nil {
			return nil, err
		}
		return nil, tableNotFound(req.on, near.Tables)
	}
	return root, h.planner(req, c).resolve(root)
}

// customised returns the catalog if there are domains or rows with forms of their own, else nil.
func (h *Handler) customised(req *request) (*catalog.Catalog, error) {
	if h.opts.Catalog == nil {
		return nil, nil
	}
	c, err := h.opts.Catalog.Recent(req.http.Context())
	if err != nil || !c.Customised() {
		return nil, err
	}
	return c, nil
}

// planCall is plan for what a function returns: rows of a table, which may be nil, under the name alias.
func (h *Handler) planCall(req *request, c *catalog.Catalog, rows *catalog.Table, alias string) (*resource, error) {
	h.capRows(&req.query.node)
	root, err := h.target(req, &resource{at: table{name: alias}, table: rows})
	if err != nil {
		return nil, err
	}
	return root, h.planner(req, c).resolve(root)
}

// target makes r the root of a request's tree, within what the operator allows.
func (h *Handler) target(req *request, r *resource) (*resource, error) {
	r.node = &req.query.node
	req.root = r
	if r.usesAggregates() && !h.opts.Aggregates {
		return nil, &Error{Status: http.StatusBadRequest, Code: "PGRST123",
			Message: "Use of aggregate functions is not allowed"}
	}
	return r, nil
}

func (h *Handler) planner(req *request, c *catalog.Catalog) *planner {
	return &planner{catalog: c, schema: req.on.schema,
		refuse: func(e *noRelation) error { return h.cannotEmbed(req, c, e) }}
}

// written makes a plan one of the rows that a write returns, whose filters and range were the write's.
func (r *resource) written() {
	n := *r.node // the write still needs its own
	n.where, n.limit, n.offset = cond{join: "and"}, nil, 0
	r.node = &n
}

// needs lists the columns that the rows of r must have for its tree to be read from them, or says that it is all.
func (r *resource) needs() (names []string, all bool) {
	add := func(name string) {
		all = all || name == "*"
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if r.columns == nil {
		return nil, true
	}
	for _, it := range r.columns {
		if it.column != "*" || it.agg == "" {
			add(it.column)
		}
	}
	for _, s := range r.order {
		if s.of == "" {
			add(s.column)
		}
	}
	for _, k := range r.kids {
		if k.via.Computed != nil {
			all = true
			continue
		}
		for _, pair := range k.via.Columns {
			add(pair.A)
		}
		if j := k.via.Junction; j != nil {
			for _, pair := range j.From {
				add(pair.A)
			}
		}
	}
	return names, all
}

// capRows keeps every resource to the operator's limit.
func (h *Handler) capRows(n *node) {
	if most := h.opts.MaxRows; most > 0 && (n.limit == nil || *n.limit > most) {
		n.limit = &most
	}
	for _, k := range n.kids {
		h.capRows(k)
	}
}

func (n *node) usesAggregates() bool {
	return slices.ContainsFunc(n.columns, func(it item) bool { return it.agg != "" }) ||
		slices.ContainsFunc(n.kids, (*node).usesAggregates)
}

// needsCatalog says that the statement depends on relationships or on the types of columns.
func (n *node) needsCatalog() bool {
	return len(n.kids) > 0 || n.usesAggregates() ||
		slices.ContainsFunc(n.columns, func(it item) bool { return len(it.path) > 0 }) ||
		slices.ContainsFunc(n.order, func(s sort) bool { return len(s.path) > 0 || s.of != "" }) ||
		n.where.needsCatalog()
}

func (c *cond) needsCatalog() bool {
	return len(c.path) > 0 || c.op == "@@" ||
		slices.ContainsFunc(c.kids, func(k cond) bool { return k.needsCatalog() })
}

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

// represented says that a column's domain makes its own JSON.
func (r *resource) represented() bool {
	return r.table != nil && slices.ContainsFunc(r.table.Columns, func(c *catalog.Column) bool { return c.ToJSON != "" })
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
