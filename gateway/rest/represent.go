package rest

import (
	"slices"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

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

// represented says that a column's domain makes its own JSON.
func (r *resource) represented() bool {
	return r.table != nil && slices.ContainsFunc(r.table.Columns, func(c *catalog.Column) bool { return c.ToJSON != "" })
}

// each writes an array of values, each of them read by the function parse if there is one.
func (b *builder) each(parse string, array []byte) {
	if parse == "" {
		b.param(array)
		return
	}
	b.add("select ", parse, "(v) from unnest(")
	b.param(array)
	b.add("::text[]) v")
}

// parses says that a written column's domain reads JSON itself.
func (m *mutation) parses() bool {
	return slices.ContainsFunc(m.cols, func(name string) bool { return m.parser(name) != "" })
}

// parser is the function by which a column's domain reads JSON, or "". The plan knows the table wherever there is one.
func (m *mutation) parser(column string) string {
	if c := m.root.column(column); c != nil {
		return c.FromJSON
	}
	return ""
}
