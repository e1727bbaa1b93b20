package rest

import (
	"net/http"
	"slices"

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
