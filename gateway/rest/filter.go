package rest

import "strings"

// sqlOps are the operators that compare a column with one value. Those marked quantified also take "(any)" and "(all)".
var sqlOps = map[string]struct {
	sql        string
	quantified bool
}{
	"eq": {"=", true}, "neq": {"<>", false},
	"gt": {">", true}, "gte": {">=", true}, "lt": {"<", true}, "lte": {"<=", true},
	"like": {"like", true}, "ilike": {"ilike", true}, "match": {"~", true}, "imatch": {"~*", true},
	"isdistinct": {"is distinct from", false},
	"cs":         {"@>", false}, "cd": {"<@", false}, "ov": {"&&", false},
	"sl": {"<<", false}, "sr": {">>", false}, "nxr": {"&<", false}, "nxl": {"&>", false}, "adj": {"-|-", false},
}

// isWords are the keywords that may follow "is", in any case.
var isWords = map[string]string{
	"null": "null", "not_null": "not null", "true": "true", "false": "false", "unknown": "unknown",
}

// fullText are the functions that read the value of a full text search.
var fullText = map[string]string{
	"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery",
}

// startsWithOperator tells a filter from an argument of a function called by GET.
func startsWithOperator(s string) bool {
	op, _, found := strings.Cut(strings.TrimPrefix(s, "not."), ".")
	op, _, _ = strings.Cut(op, "(")
	_, known := sqlOps[op]
	return found && (known || op == "is" || op == "in" || fullText[op] != "")
}

// operation reads "not.op.value" on a field. Inside of or/and a value ends at a comma or a parenthesis; elsewhere it is
// everything after the operator, however it looks.
func (p *parser) operation(f field, inside bool) (c cond, err error) {
	c.field, c.not = f, p.accept("not.")
	start := p.at
	word := p.word()
	op, known := sqlOps[word]
	c.op, c.parser = op.sql, fullText[word]
	switch {
	case known && op.quantified && p.accept("(any)"):
		c.each = "any"
	case known && op.quantified && p.accept("(all)"):
		c.each = "all"
	case c.parser != "":
		known, c.op = true, "@@"
		if p.accept("(") {
			if c.lang, err = p.name(); err == nil && !p.accept(")") {
				err = p.fail(`")"`)
			}
			if err != nil {
				return c, err
			}
		}
	}
	if !p.accept(".") || !known && word != "is" && word != "in" {
		p.at = start
		if c.not {
			return c, p.fail("operator (eq, gt, ...)")
		}
		return c, p.fail(`"not" or operator (eq, gt, ...)`)
	}
	switch word {
	case "is":
		return p.is(c, inside)
	case "in":
		return p.in(c, inside)
	}
	if inside {
		c.value = p.value(true)
	} else {
		c.value = p.rest()
		p.at = len(p.text)
	}
	if word == "like" || word == "ilike" {
		c.value = strings.ReplaceAll(c.value, "*", "%")
	}
	return c, nil
}

func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= 'a' && p.text[p.at] <= 'z' {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) is(c cond, inside bool) (cond, error) {
	start := p.at
	word, known := isWords[strings.ToLower(p.value(false))]
	if !known || !inside && p.at < len(p.text) {
		p.at = start
		return c, p.fail("isVal: (null, not_null, true, false, unknown)")
	}
	c.op, c.value = "is", word
	return c, nil
}

func (p *parser) in(c cond, inside bool) (cond, error) {
	c.op = "in"
	p.blanks()
	if !p.accept("(") {
		return c, p.fail(`"("`)
	}
	p.blanks()
	for {
		c.list = append(c.list, p.value(false))
		if p.accept(",") {
			continue
		}
		if !p.accept(")") {
			return c, p.fail(`"," or ")"`)
		}
		break
	}
	if len(c.list) == 1 && c.list[0] == "" {
		c.list = nil // in.() holds nothing
	}
	p.blanks()
	if !inside {
		return c, p.end()
	}
	return c, nil
}

// parseLogic reads the parameter "or=(a.lt.1,and(b.eq.2,c.is.null))" and its kin; key may start with "not.".
func parseLogic(key, s string) (cond, error) {
	p := &parser{what: "logic tree", text: s, shift: len(key)}
	return p.junction(key) // what follows is ignored, as there
}

// junction reads the list after "and", "or", "not.and" or "not.or".
func (p *parser) junction(key string) (cond, error) {
	join, not := strings.CutPrefix(key, "not.")
	c := cond{not: not, join: join}
	if p.depth++; p.depth > maxDepth {
		return c, p.fail("fewer than 50 nested conditions")
	}
	defer func() { p.depth-- }()
	p.blanks()
	if !p.accept("(") {
		return c, p.fail(`"("`)
	}
	for {
		kid, err := p.term()
		if err != nil {
			return c, err
		}
		if p.conds++; p.conds > maxFilters {
			return c, p.fail("fewer than 1000 conditions")
		}
		c.kids = append(c.kids, kid)
		p.blanks()
		if p.accept(",") {
			continue
		}
		if !p.accept(")") {
			return c, p.fail(`"," or ")"`)
		}
		p.blanks()
		return c, nil
	}
}

// term reads one element of a junction: another junction, or "column.op.value".
func (p *parser) term() (cond, error) {
	p.blanks()
	for _, key := range []string{"and", "or", "not.and", "not.or"} {
		if strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(p.rest(), key), " \t"), "(") && p.accept(key) {
			return p.junction(key)
		}
	}
	f, err := p.field()
	if err != nil && f.column != "" {
		return cond{}, err
	}
	if err != nil {
		return cond{}, p.fail(noField + ", negation operator (not) or logic operator (and, or)")
	}
	if !p.accept(".") {
		return cond{}, p.fail("delimiter (.)")
	}
	return p.operation(f, true)
}
