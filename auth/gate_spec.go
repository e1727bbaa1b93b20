package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SpecError says that a gate cannot be meant: code INVALID_SPEC, status 400 where there is one.
type SpecError struct {
	File    string // empty when it is part of a larger document
	Line    int    // of File, from 1
	Field   string // "tools.admin_sql.requireRole.cacheTtl"
	Message string // what is wrong, and what would be right
}

// Error names code, file, line and field.
func (e *SpecError) Error() string {
	where := e.Field
	if e.File != "" {
		where = strings.TrimSuffix(fmt.Sprintf("%s line %d: %s", e.File, e.Line, e.Field), ": ")
	}
	return "INVALID_SPEC: " + strings.TrimPrefix(where+": "+e.Message, ": ")
}

// ParseGates reads a gates file, {"tools": {NAME: GATE}}; its schema is docs/gates.schema.json. File is its name, for
// the errors. They are joined, each a *SpecError. Whether the names exist is for the tools to say.
func ParseGates(file string, text []byte) (*Gates, error) {
	f := &specFile{name: file, text: text}
	g := &Gates{file: f, named: map[string]namedGate{}}
	if err := f.syntax(); err != nil {
		return nil, err
	}
	root := f.object(f.root())
	for _, m := range f.known(root, "tools", "$schema") {
		if m.name != "tools" {
			continue
		}
		for _, named := range f.object(m.value) {
			g.names = append(g.names, named.name)
			gate, empty := f.gate(named.value)
			if empty {
				f.add(named.value, "it asks for nothing: want requireAuth or requireRole; "+
					`{"requireAuth": false} lets everyone pass`)
			}
			g.named[named.name] = namedGate{gate, named.at}
		}
	}
	if len(f.errs) == 0 && len(g.names) == 0 {
		f.add(f.root(), `it has no gate: want {"tools": {NAME: GATE}}, NAME a tool, a toolset or "*"`)
	}
	for _, name := range g.names {
		g.oneSource(name)
	}
	if len(f.errs) > 0 {
		return nil, errors.Join(f.errs...)
	}
	return g, nil
}

// oneSource holds all gates to one place where roles are, as a release has.
func (g *Gates) oneSource(name string) {
	switch rule := g.named[name].RequireRole; {
	case rule == nil:
	case g.roles == nil:
		g.roles = &rule.RoleSource
	case *g.roles != rule.RoleSource:
		f := g.file
		f.errs = append(f.errs, f.wrong(g.named[name].at, "tools."+name+".requireRole", fmt.Sprintf(
			"roles come from one place for all gates: table, idColumn and roleColumn must be %s, %s and %s here too",
			g.roles.Table, g.roles.IDColumn, g.roles.RoleColumn)))
	}
}

// ParseGate reads one gate as a FunctionSpec has it: {"requireAuth": true, "requireRole": {…}}, null for none. Errors
// are joined, each a *SpecError.
func ParseGate(text []byte) (Gate, error) {
	f := &specFile{text: text}
	if err := f.syntax(); err != nil {
		return Gate{}, err
	}
	g, _ := f.gate(f.root())
	return g, errors.Join(f.errs...)
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const maxCacheTTL = 600 * time.Second

// gate reads a gate, and whether it is an object that says nothing.
func (f *specFile) gate(v specValue) (g Gate, empty bool) {
	empty = v.raw[0] == '{'
	for _, m := range f.known(f.object(v), "requireAuth", "requireRole") {
		if string(m.value.raw) == "null" && m.name == "requireRole" { // which takes one away in a patch
			continue
		}
		empty = false
		if m.name == "requireRole" {
			g.RequireRole = f.roleRule(m.value)
			continue
		}
		switch string(m.value.raw) {
		case "true":
			g.RequireAuth = true
		case "false":
		default:
			f.add(m.value, "want true or false")
		}
	}
	return g, empty
}

func (f *specFile) roleRule(v specValue) *RoleRule {
	rule := &RoleRule{CacheTTL: DefaultCacheTTL}
	seen := map[string]bool{}
	for _, m := range f.known(f.object(v), "table", "idColumn", "roleColumn", "allowed", "cacheTtl") {
		seen[m.name] = true
		switch m.name {
		case "table":
			rule.Table = f.identifier(m.value)
		case "idColumn":
			rule.IDColumn = f.identifier(m.value)
		case "roleColumn":
			rule.RoleColumn = f.identifier(m.value)
		case "allowed":
			rule.Allowed = f.allowed(m.value)
		case "cacheTtl":
			seconds, err := strconv.ParseInt(string(m.value.raw), 10, 32)
			if err != nil || seconds < 0 || seconds > int64(maxCacheTTL/time.Second) {
				f.add(m.value, "want whole seconds from 0, which turns the cache off, to 600")
			}
			rule.CacheTTL = time.Duration(seconds) * time.Second
		}
	}
	if v.raw[0] == '{' {
		for _, name := range []string{"table", "idColumn", "roleColumn", "allowed"} {
			if !seen[name] {
				f.add(v, name+" is missing")
			}
		}
	}
	return rule
}

func (f *specFile) identifier(v specValue) string {
	var name string
	if err := json.Unmarshal(v.raw, &name); err != nil || !identifier.MatchString(name) {
		f.add(v, "want a name of letters, digits and _ that starts with no digit, and no schema before it")
	}
	return name
}

func (f *specFile) allowed(v specValue) []string {
	var roles []*string
	err := json.Unmarshal(v.raw, &roles)
	if err != nil || len(roles) == 0 || slices.ContainsFunc(roles, func(r *string) bool { return r == nil || *r == "" }) {
		f.add(v, `want a list of one or more roles, such as ["admin"], none of them empty`)
		return nil
	}
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = *r
	}
	return out
}

// specFile reads JSON and knows where each value is, since an operator is told the line. It takes no name twice and
// none in other case, which encoding/json does.
type specFile struct {
	name string
	text []byte
	errs []error
}

type specValue struct {
	raw  json.RawMessage
	at   int // offset in the text
	path string
}

type specMember struct {
	name  string
	at    int
	value specValue
}

func (f *specFile) wrong(at int, field, message string) error {
	return &SpecError{File: f.name, Line: 1 + bytes.Count(f.text[:at], []byte("\n")), Field: field, Message: message}
}

func (f *specFile) add(v specValue, message string) {
	f.errs = append(f.errs, f.wrong(v.at, v.path, message))
}

func (f *specFile) syntax() error {
	var whole json.RawMessage
	err := json.Unmarshal(f.text, &whole)
	if err == nil {
		return nil
	}
	at := len(f.text)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(at, max(0, int(e.Offset)-1))
	}
	return f.wrong(at, "", "it is no JSON: "+err.Error())
}

func (f *specFile) root() specValue {
	at := len(f.text) - len(bytes.TrimLeft(f.text, " \t\r\n"))
	return specValue{raw: bytes.TrimSpace(f.text), at: at}
}

// object returns the members of an object.
func (f *specFile) object(v specValue) []specMember {
	if v.raw[0] != '{' {
		f.add(v, "want an object")
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(v.raw))
	_, _ = dec.Token() // the brace; the text was found to be valid
	var members []specMember
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		at := v.at + int(dec.InputOffset()) - 1
		var raw json.RawMessage
		if err != nil || !ok || dec.Decode(&raw) != nil {
			f.add(v, "it cannot be read") // nor can it happen
			return nil
		}
		path := strings.TrimPrefix(v.path+"."+name, ".")
		if slices.ContainsFunc(members, func(m specMember) bool { return m.name == name }) {
			f.errs = append(f.errs, f.wrong(at, path, "it is there twice"))
			continue
		}
		value := specValue{raw: raw, at: v.at + int(dec.InputOffset()) - len(raw), path: path}
		members = append(members, specMember{name, at, value})
	}
	return members
}

// known returns the members with one of the names, in camelCase or as snake_case, by the former; others are errors.
func (f *specFile) known(members []specMember, names ...string) []specMember {
	var out []specMember
	for _, m := range members {
		i := slices.IndexFunc(names, func(name string) bool { return m.name == name || m.name == snake(name) })
		switch {
		case i < 0:
			message := "there is no such field: choose from " + strings.Join(names, ", ")
			f.errs = append(f.errs, f.wrong(m.at, m.value.path, message))
		case slices.ContainsFunc(out, func(o specMember) bool { return o.name == names[i] }):
			f.errs = append(f.errs, f.wrong(m.at, m.value.path, "it is there twice, as "+names[i]))
		default:
			m.name = names[i]
			out = append(out, m)
		}
	}
	return out
}

// snake is the spelling of a camelCase name that later hosted versions use.
func snake(camel string) string {
	var b strings.Builder
	for _, c := range camel {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
