package rest

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser reads one value of a query string from left to right.
type parser struct {
	what  string // "filter", "select parameter": for errors
	text  string
	at    int // byte offset
	depth int // of nested or/and
	conds int
}

// fail says where reading stopped and what was expected there, in PostgREST's words.
func (p *parser) fail(expecting string) *Error {
	found := "end of input"
	if p.at < len(p.text) {
		r, _ := utf8.DecodeRuneInString(p.text[p.at:])
		found = fmt.Sprintf("%q", r)
	}
	return &Error{
		Status: http.StatusBadRequest, Code: "PGRST100",
		Message: fmt.Sprintf(`"failed to parse %s (%s)" (line 1, column %d)`,
			p.what, clip(p.text), utf8.RuneCountInString(p.text[:p.at])+1),
		Details: "unexpected " + found + " expecting " + expecting,
	}
}

// unsupported refuses grammar that PostgREST has and this package has not yet.
func (p *parser) unsupported(feature string) *Error {
	err := p.fail("a plain column")
	err.Details = feature + " not supported by this gateway yet"
	return err
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
		return "", p.fail("field name (* or [a..z0..9_$])")
	}
	return s, nil
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

// parseSelect reads select=: "*", "id,alias:name,price::text". The result is never nil: an empty one selects nothing.
func parseSelect(s string) ([]item, error) {
	p := &parser{what: "select parameter", text: s}
	items := []item{}
	for p.blanks(); p.at < len(p.text); {
		it, err := p.item()
		if err != nil {
			return nil, err
		}
		items = append(items, it)
		p.blanks()
		if p.at < len(p.text) && !p.accept(",") {
			return nil, p.fail(`"," or end of input`)
		}
		if p.blanks(); p.at == len(p.text) && strings.HasSuffix(s, ",") {
			return nil, p.fail("field name (* or [a..z0..9_$])")
		}
	}
	return items, nil
}

func (p *parser) item() (it item, err error) {
	p.blanks()
	if p.accept("*") {
		return item{name: "*"}, nil
	}
	if strings.HasPrefix(p.rest(), "...") {
		return it, p.unsupported("spread embedding is")
	}
	if it.name, err = p.name(); err != nil {
		return it, err
	}
	if strings.HasPrefix(p.rest(), ":") && !strings.HasPrefix(p.rest(), "::") {
		p.at++
		it.alias = it.name
		if it.name, err = p.name(); err != nil {
			return it, err
		}
	}
	if p.accept("::") {
		if it.cast, err = p.typeName(); err != nil {
			return it, err
		}
	}
	switch rest := p.rest(); {
	case strings.HasPrefix(rest, "->"):
		return it, p.unsupported("JSON paths are")
	case strings.HasPrefix(rest, "()"), strings.HasPrefix(rest, "."):
		return it, p.unsupported("aggregates are")
	case strings.HasPrefix(rest, "("), strings.HasPrefix(rest, "!"):
		return it, p.unsupported("resource embedding is")
	}
	return it, nil
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
	if strings.HasPrefix(strings.ToLower(s), "reg") {
		p.at = start
		return "", p.fail("a type of values; casts to reg* types are refused")
	}
	return s, nil
}

func isTypeByte(c byte) bool {
	return c == '_' || c == ' ' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// parseOrder reads order=: "a.desc.nullslast,b".
func parseOrder(s string) ([]sort, error) {
	p := &parser{what: "order", text: s}
	var terms []sort
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		t := sort{column: name}
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
		}
		terms = append(terms, t)
		p.blanks()
		switch {
		case p.at == len(p.text):
			return terms, nil
		case p.accept(","):
		case strings.HasPrefix(p.rest(), "->"):
			return nil, p.unsupported("JSON paths are")
		case strings.HasPrefix(p.rest(), "("):
			return nil, p.unsupported("ordering by an embedded resource is")
		case t.dir == "" && t.nulls == "":
			return nil, p.fail(`".asc", ".desc", ".nullsfirst", ".nullslast", "," or end of input`)
		default:
			return nil, p.fail(`".nullsfirst", ".nullslast", "," or end of input`)
		}
	}
}

// parseNames reads columns= and on_conflict=: "a,b". Repeated names count once.
func parseNames(key, s string) ([]string, error) {
	p := &parser{what: key + " parameter", text: s}
	var names []string
	seen := map[string]bool{}
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		if p.at == len(p.text) {
			return names, nil
		}
		if !p.accept(",") {
			return nil, p.fail(`"," or end of input`)
		}
	}
}
