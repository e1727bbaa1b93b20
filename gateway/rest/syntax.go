package rest

import "net/http"

// What a query string says, as parsed. Names are as the client wrote them, unquoted and unescaped; nothing here was
// looked up in the database.

// query is a whole query string: the tree of what it asks, and what it says of a write or a call.
type query struct {
	node                // the target
	onConflict []string // on_conflict=
	keys       []string // columns=: the keys of the body to write
	outmoded   *node    // was named in a filter, an order or a range by its table, although it has an alias
	said       []string // which of those that count once have come
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
	format       string // a function of the column's domain that makes JSON of it, or ""; see plan
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

	parse    string    // a function of the column's domain that reads the value, or ""; see plan
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
