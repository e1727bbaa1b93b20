package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser reads one value of a query string from left to right.
type parser struct {
	what  string // "filter", "select parameter": for errors
	text  string
	at    int // byte offset
	shift int // characters of the key that PostgREST counts as columns of the value

	depth     int // of nested or/and, or of embedded resources
	conds     int
	resources int
	columns   int
}

// fail says where reading stopped and what was expected there, in PostgREST's words.
func (p *parser) fail(expecting string) *Error {
	found := "end of input"
	if p.at < len(p.text) {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:])
		found = strconv.Quote(string(r))
		if strings.HasSuffix(expecting, "end of input") {
			found = strconv.QuoteRune(r)
		}
	}
	return &Error{
		Status: http.StatusBadRequest, Code: "PGRST100",
		Message: fmt.Sprintf(`"failed to parse %s (%s)" (line 1, column %d)`,
			p.what, clip(p.text), p.shift+utf8.RuneCountInString(p.text[:p.at])+1),
		Details: "unexpected " + found + " expecting " + expecting,
	}
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.rest(), s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) blanks() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// end makes sure that everything was read.
func (p *parser) end() error {
	if p.at < len(p.text) {
		return p.fail("end of input")
	}
	return nil
}

const noField = "field name (* or [a..z0..9_$])"

// name reads a column name: in double quotes anything, else letters, digits, blanks, "_", "$" and inner "-".
func (p *parser) name() (string, error) {
	p.blanks()
	if strings.HasPrefix(p.rest(), `"`) {
		s, err := p.quoted()
		if err == nil && s == "" {
			err = p.fail("field name")
		}
		p.blanks()
		return s, err
	}
	start := p.at
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.rest())
		dash := r == '-' && p.at > start && !strings.HasPrefix(p.rest(), "->")
		if !dash && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("_$ ", r) {
			break
		}
		p.at += size
	}
	s := strings.TrimSpace(p.text[start:p.at])
	if s == "" {
		return "", p.fail(noField)
	}
	return s, nil
}

// field reads a column name with the JSON path behind it, if there is one.
func (p *parser) field() (f field, err error) {
	if f.column, err = p.name(); err != nil {
		return f, err
	}
	for strings.HasPrefix(p.rest(), "->") {
		if len(f.path) == maxDepth {
			return f, p.fail("a shorter JSON path")
		}
		p.at += len("->")
		s := step{text: p.accept(">")}
		if s.key, s.index = p.index(); !s.index {
			if p.accept("-") { // no key begins so
				return f, p.fail("digit")
			}
			if s.key, err = p.key(); err != nil {
				return f, err
			}
		}
		f.path = append(f.path, s)
	}
	p.blanks()
	return f, nil
}

// index reads the number of an array's element, which ends where a step of a path does.
func (p *parser) index() (number string, ok bool) {
	rest := p.rest()
	n := len(rest) - len(strings.TrimLeft(strings.TrimPrefix(rest, "-"), "0123456789"))
	if n == 0 || rest[:n] == "-" {
		return "", false
	}
	for _, end := range []string{"->", "::", ".", ",", ")"} {
		ok = ok || strings.HasPrefix(rest[n:], end)
	}
	if !ok && n < len(rest) {
		return "", false
	}
	p.at += n
	return rest[:n], true
}

// key reads a key of a JSON object: in double quotes anything, else up to one of "(:.,>)" or an arrow.
func (p *parser) key() (string, error) {
	if strings.HasPrefix(p.rest(), `"`) {
		return p.quoted()
	}
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune("(:.,>)", rune(p.text[p.at])) {
		if p.text[p.at] == '-' && (p.at == start || strings.HasPrefix(p.rest(), "->")) {
			break
		}
		p.at++
	}
	if key := strings.TrimSpace(p.text[start:p.at]); key != "" {
		return key, nil
	}
	return "", p.fail(`"-", digit or any non reserved character different from: .,>()`)
}

// quoted reads a text in double quotes, in which a backslash takes the next character as it is.
func (p *parser) quoted() (string, error) {
	p.at++ // the opening quote
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return b.String(), nil
		case '\\':
			p.at++
			if p.at == len(p.text) {
				return "", p.fail("a character")
			}
			fallthrough
		default:
			b.WriteByte(p.text[p.at])
			p.at++
		}
	}
	return "", p.fail(`closing "`)
}

// value reads a value inside of parentheses: quoted, or anything up to a comma or the closing parenthesis. With braces,
// a "{…}" literal without inner braces counts as one value.
func (p *parser) value(braces bool) string {
	start := p.at
	if strings.HasPrefix(p.rest(), `"`) {
		if s, err := p.quoted(); err == nil && p.atDelimiter() {
			return s
		}
		p.at = start
	}
	if braces && strings.HasPrefix(p.rest(), "{") {
		if n := strings.IndexAny(p.text[p.at+1:], "{}"); n >= 0 && p.text[p.at+1+n] == '}' {
			p.at += n + 2
			return p.text[start:p.at]
		}
	}
	if n := strings.IndexAny(p.rest(), ",)"); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.text)
	}
	return p.text[start:p.at]
}

func (p *parser) atDelimiter() bool {
	return p.at == len(p.text) || p.text[p.at] == ',' || p.text[p.at] == ')'
}

// parseOrder reads order=: "a.desc.nullslast,data->>key,rel(b).desc".
func parseOrder(s string) ([]sort, error) {
	p := &parser{what: "order", text: s}
	var terms []sort
	for {
		t, err := p.sort()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		p.blanks()
		if p.at == len(p.text) {
			return terms, nil
		}
		if !p.accept(",") {
			return nil, p.fail(`"," or end of input`)
		}
	}
}

func (p *parser) sort() (t sort, err error) {
	if t.field, err = p.field(); err != nil {
		return t, err
	}
	if len(t.path) == 0 && p.accept("(") {
		t.of = t.column
		if t.field, err = p.field(); err == nil && !p.accept(")") {
			err = p.fail(`")"`)
		}
		if err != nil {
			return t, err
		}
	}
	start := p.at
	switch {
	case p.accept(".asc"):
		t.dir = "asc"
	case p.accept(".desc"):
		t.dir = "desc"
	}
	switch {
	case p.accept(".nullsfirst"):
		t.nulls = "nulls first"
	case p.accept(".nullslast"):
		t.nulls = "nulls last"
	case p.accept("."):
		if p.at == start+1 {
			return t, p.fail(`"asc", "desc", "nullsfirst" or "nullslast"`)
		}
		return t, p.fail(`"nullsfirst" or "nullslast"`)
	}
	return t, nil
}

// parseNames reads columns= and on_conflict=: "a,b". Repeated names count once.
func parseNames(key, s string) ([]string, error) {
	p := &parser{what: key + " parameter", text: s}
	all, err := p.names(",")
	if err != nil {
		return nil, err
	}
	if len(all) > maxKeys {
		return nil, parseError("%s= has more than %d names", key, maxKeys)
	}
	return distinct(all), nil
}

// names reads the rest as names with a separator between them.
func (p *parser) names(separator string) (names []string, err error) {
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if p.at == len(p.text) {
			return names, nil
		}
		if !p.accept(separator) {
			return nil, p.fail(strconv.Quote(separator) + " or end of input")
		}
	}
}
