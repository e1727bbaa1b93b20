package core

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Query is one request to a table, built by chaining. It is used once and not shared between goroutines. A wrong call
// (an empty column, an insert after an update) is remembered and returned by the terminal method.
type Query struct {
	conn  *conn
	plane plane
	table string

	method     string // "" until a verb is chosen: GET
	body       []byte
	selection  string
	filters    []byte // "&column=op.value…", escaped
	order      []byte // "a.asc,b.desc"
	limit      string
	offset     string
	onConflict string
	upsert     bool
	count      bool
	bounded    bool // by maxRows
	maxRows    int

	err error
}

func newQuery(c *conn, p plane, table string) *Query {
	q := &Query{conn: c, plane: p, table: table}
	if strings.Trim(table, ".") == "" { // servers resolve "." and ".." in a path
		q.fail("the table's name is empty or only dots", "Name a table.")
	}
	return q
}

// Direction is a sort direction.
type Direction string

// The sort directions. NULLs are last in Asc and first in Desc unless the direction says where.
const (
	Asc            Direction = "asc"
	Desc           Direction = "desc"
	AscNullsFirst  Direction = "asc.nullsfirst"
	AscNullsLast   Direction = "asc.nullslast"
	DescNullsFirst Direction = "desc.nullsfirst"
	DescNullsLast  Direction = "desc.nullslast"
)

// Select narrows the columns of the rows that come back: "id,title", in the grammar of section 2.3; "" means "*".
// Blanks around commas are fine.
func (q *Query) Select(columns string) *Query {
	list, ok := trimList(columns)
	if !ok {
		return q.fail("select has an empty column", "Name columns as in id,title.")
	}
	q.selection = list
	if list == "" {
		q.selection = "*"
	}
	return q
}

// Eq appends the condition column = value. All conditions must hold. A value is a string, a number, a bool, a
// time.Time, an encoding.TextMarshaler, or a pointer to one; a nil is sent as the text "null", as @run402/functions
// does, which finds no NULL: Is does. A column may end in a JSON path, as in data->address->>city.
func (q *Query) Eq(column string, value any) *Query { return q.Filter(column, "eq", value) }

// Neq appends column <> value.
func (q *Query) Neq(column string, value any) *Query { return q.Filter(column, "neq", value) }

// Gt appends column > value.
func (q *Query) Gt(column string, value any) *Query { return q.Filter(column, "gt", value) }

// Gte appends column >= value.
func (q *Query) Gte(column string, value any) *Query { return q.Filter(column, "gte", value) }

// Lt appends column < value.
func (q *Query) Lt(column string, value any) *Query { return q.Filter(column, "lt", value) }

// Lte appends column <= value.
func (q *Query) Lte(column string, value any) *Query { return q.Filter(column, "lte", value) }

// Like appends a case-sensitive match: % and * stand for any text, _ for any one character.
func (q *Query) Like(column, pattern string) *Query { return q.Filter(column, "like", pattern) }

// ILike is Like without regard to case.
func (q *Query) ILike(column, pattern string) *Query { return q.Filter(column, "ilike", pattern) }

// In appends a condition that holds when the column has one of the values; without values it never does.
func (q *Query) In(column string, values ...any) *Query { return q.Filter(column, "in", values...) }

// Is compares with null, not_null, true, false or unknown.
func (q *Query) Is(column, what string) *Query { return q.Filter(column, "is", what) }

// Filter appends a condition by the operator's name (eq neq gt gte lt lte like ilike is in). All but in take one value.
func (q *Query) Filter(column, op string, values ...any) *Query {
	key, ok := filterKey(column)
	if !ok {
		return q.fail("a filter has an empty column", "Name the column to compare.")
	}
	operand, err := filterOperand(op, values)
	if err != nil {
		return q.fail("the filter on "+strconv.Quote(column)+" "+err.Error(), "")
	}
	q.filters = append(q.filters, '&')
	q.filters = append(q.filters, url.QueryEscape(key)...)
	q.filters = append(q.filters, '=')
	q.filters = append(q.filters, url.QueryEscape(operand)...)
	return q
}

// Order sorts by a column; chained calls sort by the later column within the earlier. Direction defaults to ascending.
func (q *Query) Order(column string, dir ...Direction) *Query {
	name, ok := columnPath(column)
	if !ok || len(dir) > 1 {
		return q.fail("order needs one column and at most one direction", "Chain one Order for each column.")
	}
	d := Asc
	if len(dir) == 1 {
		d = dir[0]
	}
	switch d {
	case Asc, Desc, AscNullsFirst, AscNullsLast, DescNullsFirst, DescNullsLast:
	default:
		return q.fail(fmt.Sprintf("the sort direction %q does not exist", d), "Use asc or desc.")
	}
	if len(q.order) > 0 {
		q.order = append(q.order, ',')
	}
	q.order = append(append(append(q.order, name...), '.'), d...)
	return q
}

// Limit sets the most rows that come back.
func (q *Query) Limit(n int) *Query {
	if n < 0 {
		return q.fail("the limit is negative", "Use 0 or more.")
	}
	q.limit = strconv.Itoa(n)
	return q
}

// Offset sets how many rows are skipped first.
func (q *Query) Offset(n int) *Query {
	if n < 0 {
		return q.fail("the offset is negative", "Use 0 or more.")
	}
	q.offset = strconv.Itoa(n)
	return q
}

// Insert sends rows (a map, a struct, json.RawMessage, or a slice of these); the body is always an array.
func (q *Query) Insert(rows any) *Query {
	body, err := encode(rows)
	if err != nil {
		return q.fail("the rows to insert cannot be sent: "+err.Error(), "")
	}
	if body[0] == '{' {
		body = append(append([]byte{'['}, body...), ']')
	}
	if body[0] != '[' {
		return q.fail("the rows to insert are neither an object nor a list of objects", "Give one object for each row.")
	}
	return q.verb(http.MethodPost, body)
}

// Upsert is Insert that merges into rows with the same key: onConflict names its columns, "" means the primary key.
func (q *Query) Upsert(rows any, onConflict string) *Query {
	q.upsert = true
	for column := range strings.SplitSeq(onConflict, ",") {
		if onConflict == "" {
			break
		}
		column = strings.TrimSpace(column)
		if column == "" {
			return q.fail("on_conflict has an empty column", "Name the columns of one unique constraint, as in a,b.")
		}
		if q.onConflict != "" {
			q.onConflict += ","
		}
		q.onConflict += quoteName(column)
	}
	return q.Insert(rows)
}

// Update sets columns on every row the filters select; without filters, on the whole table.
func (q *Query) Update(set any) *Query {
	body, err := encode(set)
	if err != nil {
		return q.fail("the columns to set cannot be sent: "+err.Error(), "")
	}
	if body[0] != '{' {
		return q.fail("the columns to set are not an object", `Give an object such as {"done": true}.`)
	}
	return q.verb(http.MethodPatch, body)
}

// Delete deletes every row the filters select; without filters, all of them.
func (q *Query) Delete() *Query { return q.verb(http.MethodDelete, nil) }

func (q *Query) verb(method string, body []byte) *Query {
	if q.method != "" {
		return q.fail("a query inserts, updates or deletes once", "Start a new query.")
	}
	q.method, q.body = method, body
	return q
}

// Count asks for the exact total beside the rows (Result.Count).
func (q *Query) Count() *Query { q.count = true; return q }

// MaxAffected refuses, inside the statement, an update or delete that would touch more than n rows: the error says so
// by Error.MaxAffected. A backend that is not known to honour it (wire.HonoursMaxAffected) is asked first for the count
// of rows that the caller can see and the filters select; Result.NotAtomic then says so.
func (q *Query) MaxAffected(n int) *Query {
	if n < 0 {
		return q.fail("the most rows to touch is negative", "Use 0 or more.")
	}
	q.bounded, q.maxRows = true, n
	return q
}

// fail remembers the first wrong call.
func (q *Query) fail(message, hint string) *Query {
	if q.err == nil {
		q.err = notSent(q.op(), CodeInvalidQuery, message, hint)
	}
	return q
}

func (q *Query) op() string {
	verb := "query "
	switch q.method {
	case http.MethodPost:
		verb = "insert "
	case http.MethodPatch:
		verb = "update "
	case http.MethodDelete:
		verb = "delete "
	}
	return verb + q.table
}
