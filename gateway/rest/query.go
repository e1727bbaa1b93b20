package rest

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a query string says, as parsed. Names are as the client wrote them, unquoted and unescaped; nothing here was
// looked up in the database.

// query is a whole query string.
type query struct {
	columns    []item   // select=; nil means "*"
	where      cond     // every filter, under one "and"
	order      []sort   // order=, in sequence
	limit      *int64   // limit=
	offset     int64    // offset=
	onConflict []string // on_conflict=
	keys       []string // columns=: the keys of the body to write
	args       []arg    // of a function that is called by GET: every parameter that is no filter
}

// item is one element of select=: a column under its own or another name, perhaps cast. A star has name "*".
type item struct {
	name, alias, cast string
}

// label is the key under which the item appears in the answer.
func (i item) label() string {
	if i.alias != "" {
		return i.alias
	}
	return i.name
}

// cond is a node of a condition: a junction of kids ("and", "or"), or a filter on a column when join is empty.
type cond struct {
	not  bool
	join string
	kids []cond

	column string
	op     string   // the operator as PostgreSQL spells it, or "is" or "in"
	each   string   // "any" or "all": the value is a list
	value  string   // for "is": the SQL keyword
	list   []string // for "in"
}

// sort is one element of order=. The texts are SQL keywords.
type sort struct {
	column, dir, nulls string
}

// arg is one argument of a function called by GET.
type arg struct{ name, value string }

const (
	maxFilters = 1000 // conditions in one request; PostgreSQL takes 65535 parameters
	maxDepth   = 50   // nested or/and
)

// parseQuery reads a query string. With call, for a function called by GET, a parameter whose value starts with no
// operator is an argument of it.
func parseQuery(raw string, call bool) (*query, error) {
	q := &query{where: cond{join: "and"}}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		key, value, hasValue := strings.Cut(pair, "=")
		key, err := unescape(key)
		if err != nil {
			return nil, err
		}
		if value, err = unescape(value); err != nil {
			return nil, err
		}
		if !hasValue {
			continue // as PostgREST does: a parameter without "=" says nothing
		}
		if err := q.set(key, value, call); err != nil {
			return nil, err
		}
		if len(q.where.kids) > maxFilters {
			return nil, parseError("more than %d filters", maxFilters)
		}
	}
	return q, nil
}

func unescape(s string) (string, error) {
	t, err := url.QueryUnescape(s)
	if err != nil {
		return "", parseError("the query string has a bad percent escape near %q", clip(s))
	}
	if !utf8.ValidString(t) || strings.IndexByte(t, 0) >= 0 {
		return "", parseError("the query string is not text in UTF-8 near %q", clip(s))
	}
	return t, nil
}

// set takes one parameter. Of select, columns, on_conflict, limit and offset the last wins; filters and orders add up.
func (q *query) set(key, value string, call bool) (err error) {
	switch key {
	case "select":
		q.columns, err = parseSelect(value)
	case "columns":
		q.keys, err = parseNames("columns", value)
	case "on_conflict":
		q.onConflict, err = parseNames("on_conflict", value)
	case "order":
		var terms []sort
		terms, err = parseOrder(value)
		q.order = append(q.order, terms...)
	case "limit":
		var n int64
		if n, err = parseCount(key, value); err == nil {
			q.limit = &n
		}
	case "offset":
		q.offset, err = parseCount(key, value)
	case "and", "or", "not.and", "not.or":
		var c cond
		if c, err = parseLogic(key, value); err == nil {
			q.where.kids = append(q.where.kids, c)
		}
	default:
		err = q.filter(key, value, call)
	}
	return err
}

// filter takes a parameter that is named after a column: "col=op.value".
func (q *query) filter(key, value string, call bool) error {
	if call && !startsWithOperator(value) {
		q.args = append(q.args, arg{key, value})
		return nil
	}
	p := &parser{what: "tree path", text: key}
	name, err := p.name()
	if err != nil {
		return err
	}
	if p.accept(".") {
		return &Error{Status: 400, Code: "PGRST108",
			Message: "'" + name + "' is not an embedded resource in this request",
			Hint:    "Embedding is not supported yet; a column name with a dot goes in double quotes."}
	}
	if err := p.end(); err != nil {
		return err
	}
	v := &parser{what: "filter", text: value}
	c, err := v.operation(name, false)
	if err != nil {
		return err
	}
	q.where.kids = append(q.where.kids, c)
	return nil
}

// parseCount reads limit= and offset=. PostgREST ignores one that is no number; we say so, since the caller meant it.
func parseCount(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, parseError("%s=%s is not a whole number", key, clip(value))
	}
	if n < 0 {
		return 0, rangeError(strings.ToUpper(key[:1]) + key[1:] + " should be greater than or equal to zero.")
	}
	return n, nil
}

func rangeError(details string) *Error {
	return &Error{Status: 416, Code: "PGRST103", Message: "Requested range not satisfiable", Details: details}
}

// clip shortens what a client sent for an error text.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) && len(s) > most-utf8.UTFMax {
		s = s[:len(s)-1]
	}
	return s + "…"
}
