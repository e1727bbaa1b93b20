package rest

import (
	"cmp"
	"strconv"
	"strings"
)

// statement is one SQL statement with its parameters in text form; a nil parameter is NULL. PostgreSQL infers their
// types from where they stand.
type statement struct {
	sql  string
	args [][]byte
}

// builder writes a statement. Names go through ident and values through param; every other text is a constant of this
// package.
type builder struct {
	sql    []byte
	args   [][]byte
	inside int // of how many EXISTS what comes next is a part
}

// maxStatement bounds a statement, since a filter on an embedded resource brings along all that is said of that
// resource: a short query string can ask for a long condition. A builder that is full writes no more resources.
const maxStatement = 256 << 10

func (b *builder) full() bool { return len(b.sql) > maxStatement }

// fits refuses a statement that is too long, and is perhaps not whole.
func (s statement) fits() error {
	if len(s.sql) > maxStatement {
		return parseError("the request makes a statement of more than %d bytes: filter less on embedded resources",
			maxStatement)
	}
	return nil
}

func newBuilder() *builder { return &builder{sql: make([]byte, 0, 512)} }

func (b *builder) statement() statement { return statement{string(b.sql), b.args} }

func (b *builder) add(parts ...string) {
	for _, s := range parts {
		b.sql = append(b.sql, s...)
	}
}

// ident writes a name in double quotes. Names hold no NUL: parsers and Serve refuse them.
func (b *builder) ident(name string) {
	b.sql = append(b.sql, '"')
	if strings.IndexByte(name, '"') >= 0 {
		name = strings.ReplaceAll(name, `"`, `""`)
	}
	b.sql = append(b.sql, name...)
	b.sql = append(b.sql, '"')
}

// param writes the next placeholder and keeps its value.
func (b *builder) param(value []byte) {
	b.args = append(b.args, value)
	b.sql = append(b.sql, '$')
	b.sql = strconv.AppendInt(b.sql, int64(len(b.args)), 10)
}

func (b *builder) text(value string) { b.param([]byte(value)) }

// table is a table, view or function result that a statement works on. Its columns are written as "name"."column".
type table struct{ schema, name string }

func (b *builder) table(t table) {
	b.ident(t.schema)
	b.add(".")
	b.ident(t.name)
}

func (b *builder) column(t table, name string) {
	b.ident(t.name)
	b.add(".")
	b.ident(name)
}

func (b *builder) idents(names []string) {
	for i, name := range names {
		if i > 0 {
			b.add(", ")
		}
		b.ident(name)
	}
}

// field writes a column, or what its JSON path finds. What is no JSON is made so first: rows and arrays have paths too.
func (b *builder) field(t table, f field) {
	switch {
	case len(f.path) == 0 || f.native:
		b.column(t, f.column)
	default:
		b.add("to_jsonb(")
		b.column(t, f.column)
		b.add(")")
	}
	for _, s := range f.path {
		if s.text {
			b.add(" ->> ")
		} else {
			b.add(" -> ")
		}
		b.text(s.key)
		if s.index {
			b.add("::int")
		}
	}
}

func (b *builder) star(t table) {
	b.ident(t.name)
	b.add(".*")
}

// item writes one element of a select list under its label.
func (b *builder) item(t table, it item) {
	if it.column == "*" && it.agg == "" {
		b.star(t)
		return
	}
	b.aggregated(it.agg, it.aggCast, func() { b.plain(t, it) })
	b.add(" as ")
	b.ident(it.label())
}

// plain writes an item without its aggregate function.
func (b *builder) plain(t table, it item) {
	if it.column == "*" {
		b.add("*")
		return
	}
	if it.cast != "" {
		b.add("cast(")
	}
	if it.format != "" {
		b.add(it.format, "(")
	}
	b.field(t, it.field)
	if it.format != "" {
		b.add(")")
	}
	if it.cast != "" {
		b.add(" as ", it.cast, ")")
	}
}

// aggregated wraps what of writes in an aggregate function, if there is one, and that in its cast.
func (b *builder) aggregated(function, cast string, of func()) {
	if function == "" {
		of()
		return
	}
	if cast != "" {
		b.add("cast(")
	}
	b.add(function, "(")
	of()
	b.add(")")
	if cast != "" {
		b.add(" as ", cast, ")")
	}
}

func (b *builder) limit(q *node) {
	if q.limit != nil {
		b.add(" limit ")
		b.text(strconv.FormatInt(*q.limit, 10))
	}
	if q.offset > 0 {
		b.add(" offset ")
		b.text(strconv.FormatInt(q.offset, 10))
	}
}

// toJSON writes the beginning of a select that makes compact JSON of each row of the subquery "q" that follows.
func (b *builder) toJSON(m media) { b.add("select ", m.form(), " from (") }

// form is what is selected of the rows "q": one column of JSON, or for CSV all of them. It is q.*, since q alone would
// be a column of that name if the rows have one.
func (m media) form() string {
	switch value := cmp.Or(m.value, "row_to_json(q.*)"); {
	case m.csv:
		return "q.*"
	case m.stripNulls:
		return "json_strip_nulls(" + value + ")"
	default:
		return value
	}
}
