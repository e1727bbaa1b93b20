package rest

import "strconv"

// items lists the columns to select, with "*" as names where it has to be.
func (r *resource) items() []item {
	all := r.columns
	if all == nil {
		all = []item{{field: field{column: "*"}}}
	}
	if !r.spelled || r.table == nil {
		return all
	}
	var out []item
	for _, it := range all {
		if it.column != "*" || it.agg != "" {
			out = append(out, it)
			continue
		}
		for _, c := range r.table.Columns {
			out = append(out, item{field: field{column: c.Name}, format: c.ToJSON})
		}
	}
	return out
}

// empty says that nothing of the resource is answered: it only filters.
func (r *resource) empty() bool {
	if len(r.columns) > 0 || r.columns == nil {
		return false
	}
	for _, k := range r.kids {
		if !k.empty() {
			return false
		}
	}
	return true
}

// export is a column that a spread resource gives to the one above.
type export struct {
	key          string // its name in the join; "*" for every column
	label        string // in the answer
	agg, aggCast string // to be computed above
	json         bool
}

func (r *resource) exports() (out []export) {
	for i, it := range r.items() {
		e := export{key: it.label(), label: it.label()}
		if it.agg == "" && it.column == "*" {
			e.key = "*"
		} else if it.agg != "" {
			e = export{key: r.key(i), label: it.label(), agg: it.agg, aggCast: it.aggCast}
		}
		out = append(out, e)
	}
	for _, k := range r.kids {
		switch {
		case k.empty():
		case k.spread:
			out = append(out, k.exports()...)
		default:
			out = append(out, export{key: k.label(), label: k.label(), json: true})
		}
	}
	return out
}

// key names the i-th item of a spread resource when it is an aggregate's argument.
func (r *resource) key(i int) string { return r.at.name + "." + strconv.Itoa(i) }

// spread writes one column of the joined resource k.
func (b *builder) spread(r, k *resource, joined string, e export) {
	if e.key == "*" {
		b.star(table{name: joined})
		return
	}
	column := func() { b.column(table{name: joined}, e.key) }
	switch {
	case !k.hoisted:
		b.add("coalesce(")
		column()
		b.add(", '[]')")
		if r.groups() {
			b.add("::jsonb")
		}
	case r.hoisted: // passed on to where it is computed
		column()
		e.label = e.key
	default:
		b.aggregated(e.agg, e.aggCast, column)
		if e.json && r.groups() {
			b.add("::jsonb")
		}
	}
	b.add(" as ")
	b.ident(e.label)
}
