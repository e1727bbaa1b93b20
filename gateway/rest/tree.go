package rest

import "strconv"

// over is where the rows of a tree's root come from when that is not its table: a write's rows, a function's result.
type over struct {
	cte   func() // writes a common table expression that from reads from, when both the rows and their count do; or nil
	from  func() // writes the element of FROM, with the alias that the plan has for the root
	where func() // writes one more condition; nil for none
}

// rows writes the select that answers a tree, one value a row. With src nil the root is its table.
func (b *builder) rows(r *resource, m media, src *over) {
	b.toJSON(m)
	b.tree(r, src)
	b.add(") q")
}

// with writes the common table expression of src.
func (b *builder) with(src *over) {
	if src != nil && src.cte != nil {
		b.add("with ")
		src.cte()
		b.add(" ")
	}
}

// tree writes the select of a resource and all that it embeds.
//
// An embedded resource is a subquery in the list of what is selected: PostgreSQL leaves such work until it has sorted
// and limited the rows, and builds the JSON only of those that are answered (10 of 100,000 rows in a tenth of the time
// that a join takes). Where all rows are answered, one row that belongs to each is joined instead, which takes half the
// time. So is a spread, whose columns are the row's own. A resource that must be there (inner, is.null) is an EXISTS.
func (b *builder) tree(r *resource, src *over) {
	b.add("select ")
	groups := b.outputs(r)
	b.from(r, src)
	for i, k := range r.kids {
		if k.joined() {
			b.join(k, lateral(i))
		}
	}
	b.sortKeys(r)
	b.conditions(r, src)
	for i, n := range groups {
		if i == 0 {
			b.add(" group by ")
		} else {
			b.add(", ")
		}
		b.add(strconv.Itoa(n))
	}
	b.orderBy(r)
	b.limit(r.node)
	if r.limit == nil {
		b.add(r.atMost())
	}
}

// atMost limits what is one row only by declaration, which neither a function nor a view has to keep.
func (r *resource) atMost() string {
	if r.via != nil && r.via.Kind.Single() && !r.certain() {
		return " limit 1"
	}
	return ""
}

// certain says that a key makes r one row.
func (r *resource) certain() bool {
	return r.via.Kind.Single() && r.via.Computed == nil && !r.via.To.View
}

// joined says that r is joined with the resource above.
func (r *resource) joined() bool {
	return !r.empty() && (r.spread || r.above.limit == nil && r.certain())
}

// groups says that the rows are grouped here, and not above.
func (r *resource) groups() bool { return !r.hoisted && r.aggregates() }

// lateral names the i-th embedded resource where it is joined.
func lateral(i int) string { return "pgrst_" + strconv.Itoa(i+1) }

// outputs writes the list of what is selected, and returns the positions to group by.
func (b *builder) outputs(r *resource) (groups []int) {
	n, grouped := 0, r.groups()
	next := func(grouping bool) {
		if n++; n > 1 {
			b.add(", ")
		}
		if grouping && grouped {
			groups = append(groups, n)
		}
	}
	for i, it := range r.items() {
		next(it.agg == "")
		if it.agg == "" || !r.hoisted {
			b.item(r.at, it)
			continue
		}
		if it.column == "*" {
			b.add("1") // counted where there is a row
		} else {
			b.plain(r.at, it)
		}
		b.add(" as ")
		b.ident(r.key(i))
	}
	for i, k := range r.kids {
		switch {
		case k.empty():
		case !k.spread:
			next(true)
			b.embedded(k, lateral(i))
			if grouped {
				b.add("::jsonb") // JSON has no equality
			}
			b.add(" as ")
			b.ident(k.label())
		default:
			for _, e := range k.exports() {
				next(e.agg == "")
				b.spread(r, k, lateral(i), e)
			}
		}
	}
	return groups
}

// embedded writes the JSON of an embedded resource: an object, perhaps null, or an array.
func (b *builder) embedded(k *resource, joined string) {
	if k.joined() {
		b.add("row_to_json(")
		b.star(table{name: joined})
		b.add(")")
		return
	}
	if k.via.Kind.Single() {
		b.add("(select row_to_json(q.*) from (")
		b.tree(k, nil)
		b.add(") q)")
		return
	}
	b.add("coalesce((select array_to_json(array_agg(row_to_json(q.*))) from (") // json_agg is not compact
	b.tree(k, nil)
	b.add(") q), '[]')")
}

// join writes a joined resource: its one row, or for many rows one with an array for each column.
func (b *builder) join(k *resource, name string) {
	b.add(" left join lateral (")
	if k.via.Kind.Single() {
		b.tree(k, nil)
	} else {
		b.add("select ")
		for i, e := range k.exports() {
			if i > 0 {
				b.add(", ")
			}
			b.add("array_to_json(array_agg(to_json(")
			b.column(table{name: "q"}, e.key)
			b.add("))) as ")
			b.ident(e.key)
		}
		b.add(" from (")
		b.tree(k, nil)
		b.add(") q")
	}
	b.add(") as ")
	b.ident(name)
	b.add(" on true")
}
