package rest

import (
	"slices"
	"strconv"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// junctionName is the alias of the table between two others.
const junctionName = "pgrst_junction"

// from writes where the rows of r come from.
func (b *builder) from(r *resource, src *over) {
	b.add(" from ")
	switch {
	case b.full():
	case src != nil:
		src.from()
	case r.via == nil:
		b.table(r.at)
	case r.via.Computed != nil:
		f := r.via.Computed
		b.table(table{f.Schema, f.Name})
		b.add("(")
		b.ident(r.above.at.name)
		b.add("::", f.Params[0].Type, ") as ")
		b.ident(r.at.name)
	default:
		b.aliased(r.via.To, r.at.name)
		if j := r.via.Junction; j != nil {
			b.add(", ")
			b.aliased(j.Table, junctionName)
		}
	}
}

func (b *builder) aliased(t *catalog.Table, alias string) {
	b.table(table{t.Schema, t.Name})
	b.add(" as ")
	b.ident(alias)
}

// conditions writes what the rows of r have to meet: its filters, its relationship, the resources that must be there.
func (b *builder) conditions(r *resource, src *over) {
	before := " where "
	and := func() {
		b.add(before)
		before = " and "
	}
	if len(r.where.kids) > 0 {
		and()
		b.junction(r.at, &r.where)
	}
	if r.via != nil {
		equal := func(t table, column string, u table, other string) {
			and()
			b.column(t, column)
			b.add(" = ")
			b.column(u, other)
		}
		for _, c := range r.via.Columns {
			equal(r.at, c.B, r.above.at, c.A)
		}
		if j := r.via.Junction; j != nil {
			between := table{name: junctionName}
			for _, c := range j.From {
				equal(between, c.B, r.above.at, c.A)
			}
			for _, c := range j.To {
				equal(r.at, c.B, between, c.A)
			}
		}
	}
	for _, k := range r.kids {
		if k.inner {
			and()
			b.exists(k, false)
		}
	}
	if src != nil && src.where != nil {
		and()
		src.where()
	}
}

// exists writes the condition that an embedded resource has a row. PostgreSQL plans an EXISTS that is part of another
// condition in two ways, and all that is in it twice. Where that is in another it has to be kept from it (oneWay), or
// fifty, each in the one before, would take for ever.
func (b *builder) exists(r *resource, oneWay bool) {
	if b.full() {
		return
	}
	b.inside++
	b.add("exists (")
	b.related(r, func() {})
	if oneWay {
		b.add(" offset 0")
	}
	b.add(")")
	b.inside--
}

// related writes a select of the rows of an embedded resource, without what it embeds and its range.
func (b *builder) related(r *resource, what func()) {
	b.add("select ")
	what()
	b.from(r, nil)
	b.conditions(r, nil)
}

// sortName names the join for the i-th term of an order.
func sortName(i int) string { return "pgrst_order_" + strconv.Itoa(i+1) }

// elsewhere says that the field is of a related resource and has to be joined. If a spread shows it, it is there, and
// rows that are grouped by it have an order too.
func (s *sort) elsewhere() bool { return s.related != nil && !s.related.shows(s.column) }

// sortKeys joins the fields of related resources that r is ordered by.
func (b *builder) sortKeys(r *resource) {
	for i, s := range r.order {
		if s.elsewhere() {
			b.add(" left join lateral (")
			b.related(s.related, func() { b.field(s.related.at, s.field) })
			b.add(s.related.atMost(), ") as ")
			b.ident(sortName(i))
			b.add("(key) on true")
		}
	}
}

// orderBy writes the order of r.
func (b *builder) orderBy(r *resource) {
	for i, s := range r.order {
		if i == 0 {
			b.add(" order by ")
		} else {
			b.add(", ")
		}
		switch {
		case s.related == nil:
			b.field(r.at, s.field)
		case s.related.shows(s.column):
			b.field(table{name: lateral(slices.Index(r.kids, s.related))}, s.field)
		default:
			b.column(table{name: sortName(i)}, "key")
		}
		if s.dir != "" {
			b.add(" ", s.dir)
		}
		if s.nulls != "" {
			b.add(" ", s.nulls)
		}
	}
}

// shows says that a spread resource has a column of this name in the join.
func (r *resource) shows(column string) bool {
	return r.spread && slices.ContainsFunc(r.exports(), func(e export) bool { return e.key == column })
}
