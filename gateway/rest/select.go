package rest

import "strings"

// maxResources bounds the embedded resources of one request.
const maxResources = 100

// parseSelect reads select=: "id,alias:name::text,data->>key,price.sum(),rel!hint(*),...other(id)". The columns are
// never nil: an empty text selects nothing.
func parseSelect(s string) ([]item, []*node, error) {
	p := &parser{what: "select parameter", text: s}
	var n node
	if err := p.selection(&n); err != nil {
		return nil, nil, err
	}
	if p.at < len(p.text) && p.text[p.at] != ')' && (p.at == 0 || p.text[p.at-1] != ')') { // else ignored as there
		return nil, nil, p.fail(`"," or end of input`)
	}
	return n.columns, n.kids, nil
}

// selection reads the elements of one resource, up to the end or the parenthesis that closes it.
func (p *parser) selection(n *node) error {
	n.columns = []item{}
	if p.blanks(); p.at == len(p.text) || p.text[p.at] == ')' {
		return nil
	}
	for {
		if p.columns++; p.columns > maxKeys {
			return p.fail("fewer than 1600 columns")
		}
		if err := p.element(n); err != nil {
			return err
		}
		if p.blanks(); !p.accept(",") {
			return nil
		}
	}
}

func (p *parser) element(n *node) (err error) {
	p.blanks()
	if p.accept("...") {
		k := &node{spread: true}
		if k.name, err = p.name(); err != nil {
			return err
		}
		return p.embed(n, k)
	}
	if p.accept("*") {
		n.columns = append(n.columns, item{field: field{column: "*"}})
		return nil
	}
	var it item
	start := p.at
	if it.alias, err = p.name(); err != nil {
		return err
	}
	if strings.HasPrefix(p.rest(), ":") && !strings.HasPrefix(p.rest(), "::") {
		p.at++
		start = p.at
		if it.column, err = p.name(); err != nil {
			return err
		}
	} else {
		it.column, it.alias = it.alias, ""
	}
	switch rest := p.rest(); {
	case it.column == "count" && p.accept("()"):
		it.column, it.agg = "*", "count"
	case strings.HasPrefix(rest, "(") && it.column != "count", strings.HasPrefix(rest, "!"):
		return p.embed(n, &node{name: it.column, alias: it.alias})
	default:
		p.at = start
		if it.field, err = p.field(); err != nil {
			return err
		}
		if it.cast, err = p.cast(); err != nil {
			return err
		}
		if it.agg, err = p.aggregate(); err != nil {
			return err
		}
	}
	if it.agg != "" {
		it.aggCast, err = p.cast()
	}
	n.columns = append(n.columns, it)
	return err
}

// embed reads what follows the name of an embedded resource: "!hint!inner(id,other(*))".
func (p *parser) embed(n, k *node) error {
	if p.resources++; p.resources > maxResources {
		return p.fail("fewer than 100 embedded resources")
	}
	for range 2 {
		if !p.accept("!") {
			break
		}
		word, err := p.name()
		switch {
		case err != nil:
			return err
		case word == "inner":
			k.inner = true
		case word != "left" && k.hint == "":
			k.hint = word
		}
	}
	if !p.accept("(") {
		return p.fail(`"("`)
	}
	if p.depth++; p.depth > maxDepth {
		return p.fail("fewer than 50 nested resources")
	}
	k.where.join = "and"
	if err := p.selection(k); err != nil {
		return err
	}
	p.depth--
	if !p.accept(")") {
		return p.fail(`"," or ")"`)
	}
	n.kids = append(n.kids, k)
	return nil
}

// aggregate reads ".sum()" and its kin.
func (p *parser) aggregate() (string, error) {
	if !p.accept(".") {
		return "", nil
	}
	start := p.at
	switch word := p.word(); word {
	case "sum", "avg", "count", "max", "min":
		if p.accept("()") {
			return word, nil
		}
		return "", p.fail(`"()"`)
	}
	p.at = start
	return "", p.fail(`"sum", "avg", "count", "max" or "min"`)
}

// cast reads "::type", if it is there.
func (p *parser) cast() (string, error) {
	if !p.accept("::") {
		return "", nil
	}
	return p.typeName()
}

// typeName reads the type of a cast. It stands in the statement as it is (quoting "integer" would change its meaning),
// so nothing but ASCII letters, digits, blanks and "_" may be in it. The reg* types would turn numbers into the names
// of objects that the role has no business with.
func (p *parser) typeName() (string, error) {
	start := p.at
	for p.at < len(p.text) && isTypeByte(p.text[p.at]) {
		p.at++
	}
	s := strings.TrimSpace(p.text[start:p.at])
	if s == "" || (s[0] >= '0' && s[0] <= '9') {
		p.at = start
		return "", p.fail("a type name")
	}
	if lower := strings.ToLower(s); strings.HasPrefix(lower, "reg") || strings.HasPrefix(lower, "setof ") {
		p.at = start
		return "", p.fail("a type of values; casts to reg* types are refused")
	}
	return s, nil
}

func isTypeByte(c byte) bool {
	return c == '_' || c == ' ' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
