package rest

// where writes the filters, if there are any.
func (b *builder) where(t table, c *cond) {
	if len(c.kids) > 0 {
		b.add(" where ")
		b.junction(t, c)
	}
}

func (b *builder) junction(t table, c *cond) {
	for i := range c.kids {
		if i > 0 {
			b.add(" ", c.join, " ")
		}
		b.cond(t, &c.kids[i])
	}
}

func (b *builder) cond(t table, c *cond) {
	if c.not {
		b.add("not ")
	}
	b.add("(")
	switch {
	case c.join != "":
		b.junction(t, c)
	case c.embedded != nil:
		if c.value == "null" {
			b.add("not ")
		}
		b.exists(c.embedded, b.inside > 0)
	case c.op == "is":
		b.field(t, c.field)
		b.add(" is ", c.value)
	case c.op == "in": // one parameter, however many values: the statement stays the same and prepared
		b.field(t, c.field)
		b.add(" = any(")
		b.each(c.parse, arrayLiteral(c.list))
		b.add(")")
	case c.op == "@@":
		b.search(t, c)
	default:
		b.field(t, c.field)
		b.add(" ", c.op, " ", c.each)
		switch {
		case c.each != "":
			b.add("(")
			b.each(c.parse, []byte(c.value))
			b.add(")")
		case c.parse != "":
			b.add(c.parse, "(")
			b.text(c.value)
			b.add("::text)")
		default:
			b.text(c.value)
		}
	}
	b.add(")")
}

// search writes a full text search.
func (b *builder) search(t table, c *cond) {
	language := func() {
		if c.lang != "" {
			b.text(c.lang)
			b.add("::regconfig, ")
		}
	}
	if c.vector {
		b.add("to_tsvector(")
		language()
	}
	b.field(t, c.field)
	if c.vector {
		b.add(")")
	}
	b.add(" @@ ", c.parser, "(")
	language()
	b.text(c.value)
	b.add(")")
}

// arrayLiteral is PostgreSQL's text form of an array; every element is quoted, so none can be read as NULL.
func arrayLiteral(values []string) []byte {
	out := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		for j := 0; j < len(v); j++ {
			if v[j] == '"' || v[j] == '\\' {
				out = append(out, '\\')
			}
			out = append(out, v[j])
		}
		out = append(out, '"')
	}
	return append(out, '}')
}
