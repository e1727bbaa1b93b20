package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// body is the JSON of a write or a call, checked but never decoded: PostgreSQL takes it as it is, as one parameter.
type body struct {
	json  []byte
	array bool       // an array of objects; else one object
	count int        // how many objects
	keys  []string   // of all objects, unescaped, in the order in which they first appear
	first int        // how many of them the first object has
	same  bool       // every object has the same keys
	form  url.Values // what json was made of, when that was a form
}

const (
	maxBodyDepth = 500  // PostgreSQL's own limit is its stack, and hitting that is no clear answer
	maxKeys      = 1600 // no table has more columns
)

func bodyError(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST102", Message: fmt.Sprintf(format, args...)}
}

// parseBody checks that the bytes are JSON, and notes the keys of the object or of the array of objects that they are.
// As with PostgREST, any other value stands for no object at all.
func parseBody(b []byte) (*body, error) {
	if !json.Valid(b) || !utf8.Valid(b) {
		return nil, bodyError("Empty or invalid json")
	}
	s := &scan{text: b}
	s.blanks()
	out := &body{json: b, same: true}
	switch s.text[s.at] {
	case '{':
		return out, out.object(s)
	case '[':
		out.array = true
	default:
		return &body{json: []byte("[]"), array: true, same: true}, nil
	}
	for s.at++; ; s.at++ { // from "[" or "," to the next element
		s.blanks()
		switch s.text[s.at] {
		case ']':
			return out, nil
		case '{':
		default:
			return nil, keysDiffer()
		}
		if err := out.object(s); err != nil {
			return nil, err
		}
		if s.blanks(); s.text[s.at] == ']' {
			return out, nil
		}
	}
}

func keysDiffer() *Error { return bodyError("All object keys must match") }

// object reads one object at the scan and compares its keys with those of the objects before. Of a key that comes
// twice PostgreSQL takes the last value.
func (b *body) object(s *scan) error {
	var own []string // the keys, unless they are the first object's in their order, which is usual and costs nothing
	n := 0
	for s.at++; ; s.at++ { // from "{" or "," to the next key
		if s.blanks(); s.text[s.at] == '}' {
			break
		}
		key := s.key()
		s.blanks()
		s.at++ // the colon
		if err := s.skip(); err != nil {
			return err
		}
		if own == nil && n < len(b.keys) && b.keys[n] == string(key) && bytes.IndexByte(key, '\\') < 0 {
			n++
		} else {
			name, err := unquoteKey(key)
			if err != nil {
				return err
			}
			if own == nil {
				own = slices.Clone(b.keys[:n])
			}
			if len(own) == maxKeys {
				return bodyError("an object of the body has more than %d keys", maxKeys)
			}
			own = append(own, name)
		}
		if s.blanks(); s.text[s.at] == '}' {
			break
		}
	}
	s.at++
	if own == nil {
		return b.add(b.keys[:n])
	}
	return b.add(distinct(own))
}

// distinct drops from a list the names that were there before. The list is not to be used again.
func distinct(names []string) []string {
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		before := seen[name]
		seen[name] = true
		return before
	})
}

// add counts an object with these keys.
func (b *body) add(keys []string) error {
	switch {
	case b.count == 0:
		b.keys, b.first = keys, len(keys)
	case !sameSet(b.keys[:b.first], keys):
		b.same = false
		b.keys = distinct(slices.Concat(b.keys, keys))
		if len(b.keys) > maxKeys {
			return bodyError("the objects of the body have more than %d keys", maxKeys)
		}
	}
	b.count++
	return nil
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	if slices.Equal(a, b) {
		return true
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// unquoteKey decodes the inside of a JSON string that names a column.
func unquoteKey(raw []byte) (string, error) {
	name := string(raw)
	if strings.IndexByte(name, '\\') >= 0 {
		if err := json.Unmarshal([]byte(`"`+name+`"`), &name); err != nil {
			return "", bodyError("Empty or invalid json")
		}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", bodyError("a key of the body is no column name: %q", clip(name))
	}
	return name, nil
}

// scan walks over JSON that is known to be valid, so it needs no bounds checks beyond the slice's own.
type scan struct {
	text []byte
	at   int
}

func (s *scan) blanks() {
	for s.text[s.at] <= ' ' {
		s.at++
	}
}

// key returns the inside of the string at the scan and moves behind it.
func (s *scan) key() []byte {
	start := s.at + 1
	s.str()
	return s.text[start : s.at-1]
}

// str moves behind the string at the scan.
func (s *scan) str() {
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}

// skip moves behind the value at the scan.
func (s *scan) skip() error {
	s.blanks()
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.str()
		case '{', '[':
			s.at++
			if depth++; depth > maxBodyDepth {
				return bodyError("the body is nested more than %d levels deep", maxBodyDepth)
			}
			continue
		case '}', ']':
			if depth == 0 { // behind a number, true, false or null
				return nil
			}
			s.at++
			depth--
		case ',':
			if depth == 0 {
				return nil
			}
			s.at++
			continue
		default:
			s.at++
			continue
		}
		if depth == 0 {
			return nil
		}
	}
}
