package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// jsonFile is the text of a JSON file that somebody else keeps. Changes are spliced in, so that all else stays as it
// is, to the byte: order, numbers, white space. encoding/json says where values lie, but would write the whole anew.
type jsonFile struct {
	text   []byte
	indent string // of one level; empty when the file is one line
	eol    string
}

// span is where a value lies in a file.
type span struct{ start, end int }

// child is a value in an object or an array; only the former have names.
type child struct {
	name string
	span
}

var (
	errComments = errors.New("it has comments or trailing commas, which would not survive an edit")
	errBroken   = errors.New("it is not JSON")
)

// parseJSON takes a file's text; an empty one is an empty object.
func parseJSON(text []byte) (*jsonFile, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}\n")
	}
	if !json.Valid(text) {
		if json.Valid(stripComments(text)) {
			return nil, errComments
		}
		return nil, describeSyntax(text)
	}
	f := &jsonFile{text: text, indent: "  ", eol: "\n"}
	if bytes.Contains(text, []byte("\r\n")) {
		f.eol = "\r\n"
	}
	root := f.root()
	children, err := f.children(root, '{')
	if err != nil {
		return nil, errors.New("it does not hold an object: {…}")
	}
	if len(children) > 0 {
		gap := f.gapAfter(root.start)
		f.indent = gap[strings.LastIndexByte(gap, '\n')+1:]
		if !strings.Contains(gap, "\n") {
			f.indent = ""
		}
	}
	return f, nil
}

// describeSyntax says where a file stops being JSON.
func describeSyntax(text []byte) error {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(any)); !errors.As(err, &syntax) {
		return errBroken
	}
	before := text[:min(int(syntax.Offset), len(text))]
	return fmt.Errorf("%w: line %d: %w", errBroken, 1+bytes.Count(before, []byte("\n")), syntax)
}

// stripComments blanks what JSON with comments has beyond JSON.
func stripComments(text []byte) []byte {
	out := bytes.Clone(text)
	comma := -1 // the last one, while nothing but white space follows
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = ' '
		}
	}
	until := func(from int, end string) int {
		if i := bytes.Index(text[from:], []byte(end)); i >= 0 {
			return from + i + len(end)
		}
		return len(text)
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			comma = -1
		case bytes.HasPrefix(text[i:], []byte("//")):
			end := until(i, "\n")
			blank(i, end)
			i = end - 1
		case bytes.HasPrefix(text[i:], []byte("/*")):
			end := until(i+2, "*/")
			blank(i, end)
			i = end - 1
		case c == ',':
			comma = i
		case c == ']' || c == '}':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
		case !isSpace(c):
			comma = -1
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// root is the whole file's value.
func (f *jsonFile) root() span {
	start := len(f.text) - len(bytes.TrimLeft(f.text, " \t\r\n"))
	return span{start, len(bytes.TrimRight(f.text, " \t\r\n"))}
}

func (f *jsonFile) raw(at span) []byte { return f.text[at.start:at.end] }

// gapAfter is the white space that follows the byte at i.
func (f *jsonFile) gapAfter(i int) string {
	rest := f.text[i+1:]
	return string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))])
}

// children lists the values in the object ('{') or array ('[') at a place.
func (f *jsonFile) children(at span, open json.Delim) ([]child, error) {
	dec := json.NewDecoder(bytes.NewReader(f.raw(at)))
	if token, err := dec.Token(); err != nil || token != open {
		return nil, fmt.Errorf("want a value that starts with %s", open)
	}
	var list []child
	for dec.More() {
		var c child
		if open == '{' {
			token, err := dec.Token()
			if err != nil {
				return nil, err
			}
			c.name, _ = token.(string)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		c.end = at.start + int(dec.InputOffset())
		c.start = c.end - len(value)
		list = append(list, c)
	}
	return list, nil
}

// member finds a member of the object at a place. A name that is there twice is an error: programs differ in which of
// the two they believe.
func (f *jsonFile) member(object span, name string) (at span, ok bool, err error) {
	members, err := f.children(object, '{')
	for _, m := range members {
		if m.name == name {
			if ok {
				return span{}, false, fmt.Errorf("%q is there twice", name)
			}
			at, ok = m.span, true
		}
	}
	return at, ok, err
}

// add puts a value at the end of an object or, with no name, of an array.
func (f *jsonFile) add(parent span, name string, value any) error {
	open := json.Delim('[')
	if name != "" {
		open = '{'
	}
	siblings, err := f.children(parent, open)
	if err != nil {
		return err
	}
	own := f.lineIndent(parent.start) + f.indent
	gap, closing, from := f.eol+own, f.eol+f.lineIndent(parent.start), parent.start+1
	if len(siblings) > 0 {
		gap, closing, from = f.gapAfter(parent.start), "", siblings[len(siblings)-1].end
		own = gap[strings.LastIndexByte(gap, '\n')+1:]
	}
	if f.indent == "" {
		gap, closing = "", ""
	}
	text, err := f.encode(value, own)
	if err != nil {
		return err
	}
	if name != "" {
		key, err := encodeJSON(name)
		if err != nil {
			return err
		}
		colon := ": "
		if f.indent == "" {
			colon = ":"
		}
		text = string(key) + colon + text
	}
	if len(siblings) > 0 {
		f.splice(span{from, from}, ","+gap+text)
	} else {
		f.splice(span{from, parent.end - 1}, gap+text+closing)
	}
	return nil
}

// replace puts another value in the place of one.
func (f *jsonFile) replace(at span, value any) error {
	text, err := f.encode(value, f.lineIndent(at.start))
	if err == nil {
		f.splice(at, text)
	}
	return err
}

func (f *jsonFile) splice(at span, text string) {
	f.text = append(append(bytes.Clone(f.text[:at.start]), text...), f.text[at.end:]...)
}

// lineIndent is the white space that starts the line of i.
func (f *jsonFile) lineIndent(i int) string {
	line := f.text[bytes.LastIndexByte(f.text[:i], '\n')+1 : i]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// encode writes a value as the file is written, for a line that is indented by prefix.
func (f *jsonFile) encode(value any, prefix string) (string, error) {
	text, err := encodeJSON(value)
	if err != nil || f.indent == "" {
		return string(text), err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, prefix, f.indent); err != nil {
		return "", err
	}
	return strings.ReplaceAll(b.String(), "\n", f.eol), nil
}

// encodeJSON is json.Marshal without the escapes that only HTML needs.
func encodeJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}
