package catalog

import (
	"cmp"
	"slices"
	"strings"
)

func (l *loader) readSchemas() error {
	var name, comment string
	return l.each(schemasSQL, []any{l.schemas}, []any{&name, &comment}, func() {
		l.catalog.schemas[name] = &schema{
			comment: comment, tables: map[string]*Table{}, functions: map[string][]*Function{},
		}
	})
}

func (l *loader) readTables() error {
	// What PostgreSQL says a relation allows: 1 << its command type.
	const update, insert, remove = 1 << 2, 1 << 3, 1 << 4
	l.shown = map[uint32]*shownRelation{}
	var oid uint32
	var in, name, kind, comment string
	var allows int
	return l.each(tablesSQL, []any{l.schemas}, []any{&oid, &in, &name, &kind, &comment, &allows}, func() {
		t := &Table{
			OID: oid, Schema: l.text(in), Name: name, Comment: comment,
			View: kind == "v" || kind == "m", Partitioned: kind == "p",
			Insertable: allows&insert != 0, Updatable: allows&update != 0, Deletable: allows&remove != 0,
		}
		l.shown[oid] = &shownRelation{Table: t, served: true}
		l.catalog.schemas[in].tables[name] = t
	})
}

// typeKey is a type as a column has it, with its length.
type typeKey struct {
	oid      uint32
	modifier int32
}

type typeInfo struct {
	declared, base string
	notNull        bool   // of a domain
	byDefault      string // of a domain
	maxLength      int
	enum           []string
	representation Representation
}

func (l *loader) readTypes() error {
	l.types = map[typeKey]*typeInfo{}
	var key, built typeKey
	var t typeInfo
	targets := []any{&key.oid, &key.modifier, &t.declared, &t.base, &t.notNull, &t.byDefault, &built.oid, &built.modifier,
		&t.enum, &t.representation.ToJSON, &t.representation.FromJSON, &t.representation.FromText}
	return l.each(typesSQL, []any{l.schemas}, targets, func() {
		info := t
		info.maxLength = built.length()
		if len(info.enum) == 0 {
			info.enum = nil
		}
		l.types[key] = &info
		t.enum = nil // the next row gets a slice of its own
	})
}

// length is how many characters or bits a type holds at most, or 0: the modifier of characters counts four more.
func (k typeKey) length() int {
	const bpchar, varchar, bit, varbit = 1042, 1043, 1560, 1562 // fixed numbers of pg_type
	switch {
	case k.modifier < 0:
		return 0
	case k.oid == bpchar || k.oid == varchar:
		return int(k.modifier) - 4
	case k.oid == bit || k.oid == varbit:
		return int(k.modifier)
	}
	return 0
}

func (l *loader) readColumns() error {
	var of uint32
	var number int16
	var key typeKey
	var notNull bool
	var name, identity, generated, byDefault, comment string
	targets := []any{&of, &number, &name, &key.oid, &key.modifier, &notNull, &identity, &generated, &byDefault, &comment}
	return l.each(columnsSQL, []any{l.schemas}, targets, func() {
		rel := l.shown[of]
		if rel == nil {
			rel = &shownRelation{Table: &Table{OID: of}}
			l.shown[of] = rel
		}
		t := l.types[key]
		c := &Column{
			Name: l.text(name), Type: t.declared, Base: t.base, Default: l.text(byDefault), Comment: comment,
			Nullable: !notNull && !t.notNull, Generated: generated != "", MaxLength: t.maxLength, Enum: t.enum,
			Representation: t.representation,
		}
		if t.representation != (Representation{}) {
			l.catalog.represented = true
		}
		if c.Default == "" && !c.Generated {
			c.Default = t.byDefault
		}
		switch identity {
		case "a":
			c.Identity = "always"
		case "d":
			c.Identity = "by default"
		}
		rel.Columns = append(rel.Columns, c)
		rel.numbers = append(rel.numbers, number)
	})
}

// names are those of columns by their numbers; false when one of them is not there.
func (r *shownRelation) names(numbers []int16) ([]string, bool) {
	names := make([]string, len(numbers))
	for i, n := range numbers {
		at, ok := slices.BinarySearch(r.numbers, n)
		if !ok {
			return nil, false
		}
		names[i] = r.Columns[at].Name
	}
	return names, true
}

// computed is a function that may be a computed relationship.
type computed struct {
	*Function
	of uint32 // the relation whose row it takes
	to uint32 // the relation whose rows it returns
}

func (l *loader) readFunctions() error {
	var f Function
	var returns, takes uint32
	var defaults int
	var names, modes, types []string
	targets := []any{&f.OID, &f.Schema, &f.Name, &f.Comment, &f.Volatile, &f.Set, &f.One, &f.Void, &f.Returns, &returns,
		&defaults, &f.Settings, &names, &modes, &types, &takes}
	err := l.each(functionsSQL, []any{l.schemas}, targets, func() {
		next := f
		f.Settings = nil // the next row gets a slice of its own
		next.read(names, modes, types, defaults)
		if rel := l.shown[returns]; rel != nil && !next.Composite {
			next.Composite, next.Columns = true, rel.Columns
			if rel.served {
				next.Table = rel.Table
			}
		}
		in := l.catalog.schemas[next.Schema]
		if next.callable() {
			in.functions[next.Name] = append(in.functions[next.Name], &next)
		}
		if takes != 0 && next.Table != nil {
			l.computed = append(l.computed, computed{&next, takes, returns})
		}
	})
	for _, s := range l.catalog.schemas {
		for _, overloads := range s.functions {
			slices.SortFunc(overloads, func(a, b *Function) int {
				return cmp.Or(cmp.Compare(len(a.Params), len(b.Params)), slices.CompareFunc(a.Params, b.Params,
					func(p, q Param) int { return cmp.Or(strings.Compare(p.Name, q.Name), strings.Compare(p.Type, q.Type)) }))
			})
		}
	}
	return err
}

func (l *loader) readHandlers() error {
	var h Handler
	return l.each(handlersSQL, []any{l.schemas}, []any{&h.Media, &h.Aggregate, &h.of, &h.Row}, func() {
		l.catalog.handlers = append(l.catalog.handlers, h)
	})
}

// read sets the parameters, and the columns of a function that has output parameters.
func (f *Function) read(names, modes, types []string, defaults int) {
	for i, t := range types {
		name, mode := "", "i"
		if i < len(names) {
			name = names[i]
		}
		if i < len(modes) {
			mode = modes[i]
		}
		if mode == "o" || mode == "b" || mode == "t" {
			f.Composite = true
			f.Columns = append(f.Columns, &Column{Name: name, Type: t, Base: t, Nullable: true})
		}
		if mode == "i" || mode == "b" || mode == "v" {
			f.Params = append(f.Params, Param{Name: name, Type: t, Cast: anyLength(t), Required: true, Variadic: mode == "v"})
		}
	}
	for i := range f.Params {
		f.Params[i].Required = i < len(f.Params)-defaults
	}
}

// anyLength is the type without the length of one that some types have when none is said.
func anyLength(t string) string {
	switch element, array := strings.CutSuffix(t, "[]"); element {
	case "bit", "character":
		t = element + " varying"
		if array {
			t += "[]"
		}
	}
	return t
}

// callable reports whether a function can be called over HTTP: by the names of its parameters, or with a body for the
// only one.
func (f *Function) callable() bool {
	for _, p := range f.Params {
		if p.Name != "" {
			continue
		}
		if len(f.Params) > 1 {
			return false
		}
		switch p.Type {
		case "json", "jsonb", "text", "bytea", "xml":
		default:
			return false
		}
	}
	return true
}
