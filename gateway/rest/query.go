package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a query string says, as parsed. Names are as the client wrote them, unquoted and unescaped; nothing here was
// looked up in the database.

// query is a whole query string: the tree of what it asks, and what it says of a write or a call.
type query struct {
	node                // the target
	onConflict []string // on_conflict=
	keys       []string // columns=: the keys of the body to write
	outmoded   *node    // was named in a filter, an order or a range by its table, although it has an alias
	args       []arg    // of a function that is called by GET: every parameter that is no filter
}

// node is what a request asks of one resource: of its target, or of one that is embedded in another.
type node struct {
	name, alias, hint string // of an embedded one: "alias:name!hint"
	inner, spread     bool   // "!inner", "...name"

	columns []item  // nil means "*"
	kids    []*node // the embedded resources
	where   cond    // every filter, under one "and"
	order   []sort  // order=, in sequence
	limit   *int64
	offset  int64
}

// label is the key under which an embedded resource appears in the answer, and what filters call it.
func (n *node) label() string {
	if n.alias != "" {
		return n.alias
	}
	return n.name
}

// field is a column, or what a JSON path finds in it.
type field struct {
	column string
	path   []step
	native bool // the column is JSON itself; see plan
}

// step is one step of a JSON path: "->key", "->>key", "->0" or "->>0".
type step struct {
	text  bool // "->>"
	index bool // key is a number, perhaps negative
	key   string
}

// item is one element of select=: a column under its own or another name, perhaps cast, perhaps aggregated. A star has
// column "*", and so has "count()".
type item struct {
	field
	alias, cast  string
	agg, aggCast string // "sum", and the type that the sum is cast to
}

// label is the key under which the item appears in the answer: the last key of a JSON path stands for the path.
func (i item) label() string {
	if i.alias != "" {
		return i.alias
	}
	if i.agg != "" {
		return i.agg
	}
	for n := len(i.path) - 1; n >= 0; n-- {
		if !i.path[n].index {
			return i.path[n].key
		}
	}
	return i.column
}

// cond is a node of a condition: a junction of kids ("and", "or"), or a filter on a field when join is empty.
type cond struct {
	not  bool
	join string
	kids []cond

	field
	op     string   // the operator as PostgreSQL spells it, or "is", "in" or "@@"
	each   string   // "any" or "all": the value is a list
	value  string   // for "is": the SQL keyword
	list   []string // for "in"
	parser string   // for "@@": the function that reads the value
	lang   string   // for "@@": a text search configuration, or ""

	vector   bool      // for "@@": the field is to be made a tsvector; see plan
	embedded *resource // the "column" is this embedded resource, and op "is"; see plan
}

// sort is one element of order=. The texts are SQL keywords.
type sort struct {
	field
	dir, nulls string
	of         string    // the embedded resource whose field it is, or ""
	related    *resource // that resource; see plan
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
	q := &query{node: node{where: cond{join: "and"}}}
	var later []parameter
	filters := 0
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
		if filters++; filters > maxFilters {
			return nil, parseError("more than %d filters", maxFilters)
		}
		p, err := q.set(key, value, call)
		if err == nil && len(p.path) > 0 {
			later = append(later, p)
		} else if err == nil {
			err = q.add(p)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, p := range later { // select= may come last, and says which resources there are
		n, outmoded, err := q.find(p.path)
		if outmoded != nil {
			q.outmoded = outmoded
		}
		if err == nil {
			err = n.add(p)
		}
		if err != nil {
			return nil, err
		}
	}
	return q, nil
}

// parameter is one of the resource at a path of embedded ones. Its key is "order", "limit", "offset", "and", "or",
// "not.and" or "not.or", or it is a filter on the field; with neither it says nothing of a resource.
type parameter struct {
	path       []string
	key, value string
	field      field
}

// find returns the resource at a path below n. A name that is not among the labels may be the name of a resource that
// has an alias: PostgREST is about to give that up, and says so.
func (n *node) find(path []string) (found, outmoded *node, err error) {
	for _, name := range path {
		kid := n.kid(name)
		if kid == nil {
			return nil, nil, notEmbedded(name)
		}
		if kid.label() != name {
			outmoded = kid
		}
		n = kid
	}
	return n, outmoded, nil
}

// warning is what the answer says of a resource that was not called by its alias.
func (n *node) warning() string {
	return `299 PostgRESTv16 "Embedded resource was referenced by relation name even though it has an alias. This is ` +
		"deprecated and will stop working in a future release. Update `" + n.name + "` to `" + n.alias +
		"` in query string filters, orders or limits.\""
}

func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.label() == name {
			return k
		}
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

func notEmbedded(name string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST108",
		Message: "'" + name + "' is not an embedded resource in this request",
		Hint:    "Verify that '" + name + "' is included in the 'select' query parameter."}
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

// set takes what a parameter says of the whole request, and returns one that is about a resource.
func (q *query) set(key, value string, call bool) (p parameter, err error) {
	switch key {
	case "select":
		if q.columns, q.kids, err = parseSelect(value); len(q.columns)+len(q.kids) == 0 {
			q.columns = nil
		}
		return p, err
	case "columns":
		q.keys, err = parseNames("columns", value)
		return p, err
	case "on_conflict":
		q.onConflict, err = parseNames("on_conflict", value)
		return p, err
	}
	path, last := "", key
	if n := strings.LastIndexByte(key, '.'); n >= 0 {
		path, last = key[:n], key[n+1:]
	}
	switch last {
	case "order", "limit", "offset":
	case "and", "or":
		if above, not := strings.CutSuffix(path, "not"); not && (above == "" || above[len(above)-1] == '.') {
			path, last = strings.TrimSuffix(above, "."), "not."+last
		}
	default:
		if call && !startsWithOperator(value) {
			q.args = append(q.args, arg{key, value})
			return p, nil
		}
		return parseFilterKey(key, value)
	}
	p.key, p.value = last, value
	if path != "" {
		t := &parser{what: "tree path", text: path}
		p.path, err = t.names(".")
	}
	return p, err
}

// parseFilterKey reads the key of a filter: "col", "rel.col->>key".
func parseFilterKey(key, value string) (p parameter, err error) {
	t := &parser{what: "tree path", text: key}
	p.value = value
	p.field, err = t.field()
	for err == nil && t.accept(".") {
		p.path = append(p.path, p.field.column)
		p.field, err = t.field()
	}
	if err == nil {
		err = t.end()
	}
	return p, err
}

// add takes a parameter of this resource. Of limit and offset the last wins; filters and orders add up.
func (n *node) add(p parameter) error {
	switch p.key {
	case "order":
		terms, err := parseOrder(p.value)
		n.order = append(n.order, terms...)
		return err
	case "limit":
		most, err := parseCount(p.key, p.value)
		n.limit = &most
		return err
	case "offset":
		first, err := parseCount(p.key, p.value)
		n.offset = max(first, 0)
		return err
	case "and", "or", "not.and", "not.or":
		c, err := parseLogic(p.key, p.value)
		n.where.kids = append(n.where.kids, c)
		return err
	}
	if p.field.column == "" {
		return nil
	}
	v := &parser{what: "filter", text: p.value}
	c, err := v.operation(p.field, false)
	n.where.kids = append(n.where.kids, c)
	return err
}

// parseCount reads limit= and offset=. PostgREST ignores one that is no number; we say so, since the caller meant it.
func parseCount(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, parseError("%s=%s is not a whole number", key, clip(value))
	}
	if n < 0 && key == "limit" {
		return 0, rangeError("Limit should be greater than or equal to zero.")
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
