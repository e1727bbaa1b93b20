package rest

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
	case "select", "columns", "on_conflict": // the first of them counts
		if slices.Contains(q.said, key) {
			return p, nil
		}
		q.said = append(q.said, key)
	}
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
		n.limit = nil
		if most, ok := parseCount(p.value); ok {
			n.limit = &most
		}
		if n.limit != nil && *n.limit < 0 {
			return rangeError("Limit should be greater than or equal to zero.")
		}
		return nil
	case "offset":
		first, _ := parseCount(p.value)
		n.offset = max(first, 0)
		return nil
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

// parseCount reads limit= and offset=. As with PostgREST, what is no whole number says nothing.
func parseCount(value string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return min(n, farRow), true
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
