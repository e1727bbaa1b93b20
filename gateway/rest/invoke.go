package rest

import (
	"encoding/hex"
	"slices"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// invocation is a call of a function, ready to become a statement.
type invocation struct {
	*request
	nonce   string
	payload payload           // of POST
	body    *body             // the payload as an object of arguments, or an array whose first object they are
	given   []string          // the names of the arguments
	fn      *catalog.Function // the overload that is called
	whole   bool              // the payload as it is is the one, unnamed argument
}

const (
	argsName   = "pgrst_args"   // the row of arguments that comes from the request body
	scalarName = "pgrst_scalar" // the column of a function that returns single values
	callName   = "pgrst_call"   // the rows that a function returned, where they are used twice
)

// readArgs notes which arguments there are.
func (c *invocation) readArgs(limit int64, read bool) (err error) {
	if read {
		for _, a := range c.query.args {
			if !slices.Contains(c.given, a.name) {
				c.given = append(c.given, a.name)
			}
		}
		return nil
	}
	if c.payload, err = readPayload(c.w, c.http, limit); err != nil || c.payload.whole() {
		return err
	}
	if c.payload.kind == typeJSON && len(c.payload.raw) == 0 {
		c.payload.raw = []byte("{}")
	}
	if c.body, err = c.payload.rows(); err != nil {
		return err
	}
	if c.given = c.body.keys; c.query.keys != nil {
		c.given = c.query.keys
	} else if !c.body.same {
		return keysDiffer()
	}
	return nil
}

// single says that the function returns single values, not rows whose columns are known: then they are a column.
func (c *invocation) single() bool { return !c.fn.Composite || len(c.fn.Columns) == 0 }

// source is where the answer's rows come from: the call itself, or its rows where they are used twice, since it must
// not be called twice.
func (c *invocation) source(b *builder) *over {
	o := &over{from: func() { c.from(b) }}
	guards := c.guards()
	if len(guards) > 0 || c.fn.Set && c.prefer.count != "" {
		o.cte = func() {
			b.add(callName, " as materialized (select ")
			b.star(table{name: c.on.name})
			b.add(" from ")
			c.from(b)
			b.add(")")
		}
		o.from = func() {
			b.add(callName, " as ")
			b.ident(c.on.name)
		}
	}
	if len(guards) > 0 {
		unguarded := *o
		o.where = func() {
			b.guards(c.nonce, guards, func() {
				b.add("(")
				b.tree(c.root, &unguarded)
				b.add(") w")
			})
		}
	}
	return o
}

// from writes the call as an element of FROM. The types of parameters are the catalog's own SQL.
func (c *invocation) from(b *builder) {
	named := make([]catalog.Param, 0, len(c.given))
	for _, p := range c.fn.Params {
		if !c.whole && slices.Contains(c.given, p.Name) {
			named = append(named, p)
		}
	}
	typed := c.body != nil && c.body.form == nil && len(named) > 0 // PostgreSQL takes the values from JSON
	if typed {
		c.record(b, named)
		b.add(", lateral ")
	}
	record := c.single() && c.fn.Returns == "record" // in FROM, PostgreSQL wants to know its columns
	if record {
		b.add("(select ")
	}
	b.table(table{c.fn.Schema, c.fn.Name})
	b.add("(")
	if c.whole {
		b.param(c.wholeValue())
		b.add("::", c.fn.Params[0].Type)
	}
	for i, p := range named {
		if i > 0 {
			b.add(", ")
		}
		if p.Variadic {
			b.add("variadic ")
		}
		b.ident(p.Name)
		b.add(" => ")
		if typed {
			b.column(table{name: argsName}, p.Name)
			continue
		}
		b.param(c.value(p))
		b.add("::", p.Cast)
	}
	b.add(")")
	if record {
		b.add(")")
	}
	b.add(" as ")
	b.ident(c.on.name)
	if c.single() { // whose one column may have the name of an output parameter
		b.add("(", scalarName, ")")
	}
}

// record writes the body as one row of arguments. Of an array it is the first object.
func (c *invocation) record(b *builder, named []catalog.Param) {
	if c.body.array {
		b.add("(select * from json_to_recordset(")
	} else {
		b.add("json_to_record(")
	}
	b.param(c.body.json)
	b.add(") as ", argsName, " (")
	for i, p := range named {
		if i > 0 {
			b.add(", ")
		}
		b.ident(p.Name)
		b.add(" ", p.Cast)
	}
	b.add(")")
	if c.body.array {
		b.add(" limit 1) as ", argsName)
	}
}

// wholeValue is the body in the text form of the type that takes it.
func (c *invocation) wholeValue() []byte {
	if c.payload.kind == typeBytes {
		return append([]byte(`\x`), hex.EncodeToString(c.payload.raw)...)
	}
	return c.payload.raw
}

// value is what the query string or the form gives for an argument: the last of its values, or for a variadic one all.
func (c *invocation) value(p catalog.Param) []byte {
	var values []string
	if c.body != nil {
		values = c.body.form[p.Name]
	}
	for _, v := range c.query.args {
		if c.body == nil && v.name == p.Name {
			values = append(values, v.value)
		}
	}
	if p.Variadic {
		return arrayLiteral(values)
	}
	return []byte(values[len(values)-1])
}

// guards limit the rows of a function that returns a set. That there is just one row can be judged after a read.
func (c *invocation) guards() []guard {
	var gs []guard
	if c.prefer.maxAffected != nil {
		gs = append(gs, guard{"max", " > ", *c.prefer.maxAffected})
	}
	if c.media.single && c.fn.Set && c.fn.Volatile {
		gs = append(gs, guard{"one", " <> ", 1})
	}
	return gs
}
