package rest

import (
	"net/http"
	"slices"
)

// invocation is a call of a function, ready to become a statement.
type invocation struct {
	*request
	nonce string
	fn    function
	given []string // the names of the arguments
	body  *body    // of POST
	whole bool     // the body as it is is the one, unnamed argument
}

// argsName is the alias of the row of arguments that comes from the request body.
const argsName = "pgrst_args"

// readArgs notes which arguments there are.
func (c *invocation) readArgs(limit int64, read bool) error {
	if read {
		for _, a := range c.query.args {
			if !slices.Contains(c.given, a.name) {
				c.given = append(c.given, a.name)
			}
		}
		return nil
	}
	p, err := readPayload(c.w, c.http, limit)
	if err != nil {
		return err
	}
	if len(p.raw) == 0 {
		p.raw = []byte("{}")
	}
	if c.body, err = p.rows(); err != nil {
		return err
	}
	if c.body.array {
		return bodyError("the arguments of a function have to be one JSON object")
	}
	c.given = c.body.keys
	return nil
}

// statement builds the call. Its rows are the JSON to answer.
func (c *invocation) statement() statement {
	b := newBuilder()
	t := table{name: c.on.name}
	guards := c.guards()
	switch {
	case c.fn.Void:
		b.add("select null::json from ")
		c.from(b)
		return b.statement()
	case len(guards) > 0:
		b.add("with w as materialized (")
		c.values(b, t)
		b.add(") ")
		if c.fn.Composite {
			b.toJSON(c.media)
			b.add("select * from w where ")
			b.guards(c.nonce, guards)
			b.add(") q")
		} else {
			b.add("select w.value from w where ")
			b.guards(c.nonce, guards)
		}
	case c.fn.Composite:
		b.toJSON(c.media)
		c.values(b, t)
		b.add(") q")
	default:
		c.values(b, t)
	}
	return b.statement()
}

// values writes the select of what the function returns: its columns, or for a single value its JSON as "value".
func (c *invocation) values(b *builder, t table) {
	b.add("select ")
	if c.fn.Composite {
		b.items(t, c.query.columns)
	} else {
		b.add("to_json(")
		b.column(t, t.name) // the column of a function that returns one value is named as its alias
		b.add(") as value")
	}
	b.add(" from ")
	c.from(b)
	b.where(t, &c.query.where)
	b.orderBy(&resource{node: &c.query.node, at: t})
	b.limit(&c.query.node)
}

// count builds the statement that counts all rows which the filters let through.
func (c *invocation) count() statement {
	b := newBuilder()
	b.add("select count(*) from ")
	c.from(b)
	b.where(table{name: c.on.name}, &c.query.where)
	return b.statement()
}

// from writes the call as an element of FROM. The types of arguments are the catalog's own SQL.
func (c *invocation) from(b *builder) {
	named := make([]argument, 0, len(c.given))
	for _, a := range c.fn.Args {
		if a.Name != "" && slices.Contains(c.given, a.Name) {
			named = append(named, a)
		}
	}
	if c.body != nil && !c.whole && len(named) > 0 {
		b.add("json_to_record(")
		b.param(c.body.json)
		b.add(") as ", argsName, " (")
		for i, a := range named {
			if i > 0 {
				b.add(", ")
			}
			b.ident(a.Name)
			b.add(" ", a.Type)
		}
		b.add("), lateral ")
	}
	b.table(c.on)
	b.add("(")
	if c.whole {
		b.param(c.body.json)
		b.add("::", c.fn.Args[0].Type)
	}
	for i, a := range named {
		if i > 0 {
			b.add(", ")
		}
		if a.Variadic {
			b.add("variadic ")
		}
		b.ident(a.Name)
		b.add(" => ")
		if c.body != nil {
			b.column(table{name: argsName}, a.Name)
			continue
		}
		b.param(c.value(a))
		b.add("::", a.Type)
	}
	b.add(") as ")
	b.ident(c.on.name)
}

// value is what the query string gives for an argument: the last of the values, or for a variadic one all of them.
func (c *invocation) value(a argument) []byte {
	var values []string
	for _, v := range c.query.args {
		if v.name == a.Name {
			values = append(values, v.value)
		}
	}
	if a.Variadic {
		return arrayLiteral(values)
	}
	return []byte(values[len(values)-1])
}

// guards are for functions that may write: what a read returns can be judged after it.
func (c *invocation) guards() []guard {
	var gs []guard
	if !c.fn.Volatile || c.http.Method != http.MethodPost {
		return nil
	}
	if c.prefer.maxAffected != nil {
		gs = append(gs, guard{"max", " > ", *c.prefer.maxAffected})
	}
	if c.media.single && c.fn.Set {
		gs = append(gs, guard{"one", " <> ", 1})
	}
	return gs
}
