package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// foreignKey is one of any schema, with the numbers of its columns.
type foreignKey struct {
	name         string
	from, to     uint32
	columns, ref []int16
}

// keys are the primary and the unique keys of a table of any schema.
type keys struct {
	primary []int16
	unique  [][]int16 // with the primary one; each ascending
}

func (l *loader) readConstraints() error {
	l.keys = map[uint32]*keys{}
	var kind string
	var k foreignKey
	return l.each(constraintsSQL, nil, []any{&kind, &k.name, &k.from, &k.columns, &k.to, &k.ref}, func() {
		next := k
		k.columns, k.ref = nil, nil // the next row gets slices of its own
		if kind == "f" {
			l.foreign = append(l.foreign, next)
			return
		}
		of := l.keys[next.from]
		if of == nil {
			of = &keys{}
			l.keys[next.from] = of
		}
		if kind == "p" {
			of.primary = next.columns
		}
		of.unique = append(of.unique, slices.Sorted(slices.Values(next.columns)))
	})
}

// isUnique reports whether a foreign key's columns are a key of its own table: its relationship is one to one.
func (l *loader) isUnique(k foreignKey) bool {
	of := l.keys[k.from]
	if of == nil {
		return false
	}
	sorted := slices.Sorted(slices.Values(k.columns))
	return slices.ContainsFunc(of.unique, func(u []int16) bool { return slices.Equal(u, sorted) })
}

// origin is a column of any relation.
type origin struct {
	relation uint32
	number   int16
}

func (l *loader) readViews() error {
	l.origins = map[origin]origin{}
	var view uint32
	var tree string
	return l.each(viewsSQL, []any{l.schemas, l.extra}, []any{&view, &tree}, func() {
		for column, from := range shownColumns(tree) {
			l.origins[origin{view, column}] = from
		}
	})
}

// base is the column of a table that a view's column shows, perhaps through other views. A view that has come to read
// from itself shows none.
func (l *loader) base(at origin) origin {
	for range 100 {
		next, ok := l.origins[at]
		if !ok {
			return at
		}
		at = next
	}
	return at
}

// viewColumns says of a served view which of its columns show a table's column; there may be several.
type viewColumns map[int16][]string

// views lists by table the served views that show columns of it, in the order of their names.
func (l *loader) views() map[uint32][]*shownView {
	byTable := map[uint32][]*shownView{}
	for _, in := range l.catalog.schemas {
		for _, t := range in.tables {
			if !t.View {
				continue
			}
			rel := l.shown[t.OID]
			shows := map[uint32]*shownView{}
			for i, number := range rel.numbers {
				from := l.base(origin{t.OID, number})
				if from.relation == t.OID {
					continue
				}
				v := shows[from.relation]
				if v == nil {
					v = &shownView{t, viewColumns{}}
					shows[from.relation] = v
					byTable[from.relation] = append(byTable[from.relation], v)
				}
				v.columns[from.number] = append(v.columns[from.number], t.Columns[i].Name)
			}
		}
	}
	return byTable
}

type shownView struct {
	*Table
	columns viewColumns
}

// addKeys gives tables their primary keys, and views those of the tables that they show them of.
func (l *loader) addKeys() {
	views := l.views()
	for of, k := range l.keys {
		if rel := l.shown[of]; rel != nil && rel.served && !rel.View {
			rel.Key, _ = rel.names(k.primary)
			slices.Sort(rel.Key)
		}
		for _, v := range views[of] {
			var key []string
			for _, number := range k.primary {
				if names := v.columns[number]; len(names) > 0 {
					key = append(key, names[0])
				}
			}
			if len(key) == len(k.primary) {
				v.Key = append(v.Key, key...)
			}
		}
	}
}

// end is one end of a foreign key as it is served: a table's own columns, or those of a view that shows them.
type end struct {
	table   *Table
	columns []string
}

// ends are the served tables and views that show all the columns of a foreign key's end. A view may show one twice.
func (l *loader) ends(of uint32, numbers []int16, views map[uint32][]*shownView) []end {
	var all []end
	if rel := l.shown[of]; rel != nil && rel.served {
		if names, ok := rel.names(numbers); ok {
			all = append(all, end{rel.Table, names})
		}
	}
	for _, v := range views[of] {
		combinations := [][]string{nil}
		for _, number := range numbers {
			var longer [][]string
			for _, c := range combinations {
				for _, name := range v.columns[number] {
					longer = append(longer, append(slices.Clone(c), name))
				}
			}
			combinations = longer
		}
		for _, c := range combinations {
			all = append(all, end{v.Table, c})
		}
	}
	return all
}

// relate finds the relationships between all that is served.
func (l *loader) relate() {
	views := l.views()
	var forward []*Relation
	for _, k := range l.foreign {
		kind := ToOne
		if l.isUnique(k) {
			kind = OneToOne
		}
		referenced := l.ends(k.to, k.ref, views)
		for _, from := range l.ends(k.from, k.columns, views) {
			for _, to := range referenced {
				forward = append(forward, &Relation{
					Constraint: k.name, From: from.table, To: to.table, Kind: kind, Self: from.table == to.table,
					Columns: pair(from.columns, to.columns),
				})
			}
		}
	}
	for _, r := range forward {
		l.add(r)
		back := &Relation{
			Constraint: r.Constraint, From: r.To, To: r.From, Kind: r.Kind, Self: r.Self, Columns: swap(r.Columns),
		}
		if r.Kind == ToOne {
			back.Kind = ToMany
		} else {
			back.Referenced = true
		}
		l.add(back)
	}
	l.relateThroughJunctions(forward)
	l.relateByFunctions()
	for _, relations := range l.catalog.relations {
		slices.SortStableFunc(relations, compareRelations)
	}
}

func (l *loader) add(r *Relation) {
	l.catalog.relations[r.From] = append(l.catalog.relations[r.From], r)
}

// relateThroughJunctions adds many-to-many relationships: through every table or view whose primary key holds two of
// its foreign keys.
func (l *loader) relateThroughJunctions(forward []*Relation) {
	byTable := map[*Table][]*Relation{}
	for _, r := range forward {
		if r.Kind == ToOne && inKey(r) {
			byTable[r.From] = append(byTable[r.From], r)
		}
	}
	for junction, relations := range byTable {
		for _, from := range relations {
			for _, to := range relations {
				if from.Constraint == to.Constraint {
					continue
				}
				l.add(&Relation{From: from.To, To: to.To, Kind: ManyToMany, Self: from.To == to.To, Junction: &Junction{
					Table: junction, FromConstraint: from.Constraint, ToConstraint: to.Constraint,
					From: swap(from.Columns), To: to.Columns,
				}})
			}
		}
	}
}

// inKey reports whether a relation's own columns all belong to the primary key.
func inKey(r *Relation) bool {
	return !slices.ContainsFunc(r.Columns, func(p Pair) bool { return !slices.Contains(r.From.Key, p.A) })
}

// relateByFunctions adds the functions that take a table's row and return rows of a table.
func (l *loader) relateByFunctions() {
	for _, f := range l.computed {
		from := l.shown[f.of]
		if from == nil || !from.served {
			continue
		}
		all := l.catalog.relations[from.Table]
		all = slices.DeleteFunc(all, func(r *Relation) bool {
			return r.Computed == nil && r.To.Schema == f.Schema && r.To.Name == f.Name
		})
		kind := ToMany
		if !f.Set || f.One {
			kind = ToOne
		}
		l.catalog.relations[from.Table] = append(all, &Relation{
			Constraint: f.Name, From: from.Table, To: f.Table, Kind: kind, Self: from.Table == f.Table, Computed: f.Function,
		})
	}
}

func pair(a, b []string) []Pair {
	pairs := make([]Pair, len(a))
	for i := range a {
		pairs[i] = Pair{a[i], b[i]}
	}
	return pairs
}

func swap(pairs []Pair) []Pair {
	swapped := make([]Pair, len(pairs))
	for i, p := range pairs {
		swapped[i] = Pair{p.B, p.A}
	}
	return swapped
}

// compareRelations gives the order in which PostgREST lists the candidates for an ambiguous embedding.
func compareRelations(a, b *Relation) int {
	pairs := func(p, q Pair) int { return cmp.Or(strings.Compare(p.A, q.A), strings.Compare(p.B, q.B)) }
	order := cmp.Or(
		cmp.Compare(number(a.Computed != nil), number(b.Computed != nil)),
		strings.Compare(a.To.Schema, b.To.Schema), strings.Compare(a.To.Name, b.To.Name),
		cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Constraint, b.Constraint),
		slices.CompareFunc(a.Columns, b.Columns, pairs), cmp.Compare(number(a.Referenced), number(b.Referenced)),
	)
	if order != 0 || a.Junction == nil || b.Junction == nil {
		return order
	}
	x, y := a.Junction, b.Junction
	return cmp.Or(
		strings.Compare(x.Table.Schema, y.Table.Schema), strings.Compare(x.Table.Name, y.Table.Name),
		strings.Compare(x.FromConstraint, y.FromConstraint), strings.Compare(x.ToConstraint, y.ToConstraint),
		slices.CompareFunc(x.From, y.From, pairs), slices.CompareFunc(x.To, y.To, pairs),
	)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
