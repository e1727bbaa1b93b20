package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// node is one value of a tool's arguments: what the schema says about it, compiled once for the decoder.
type node struct {
	kind     string // of JSON Schema
	fields   []field
	items    *node // of an array
	enum     []string
	min, max *int64
	list     bool // a string that holds a comma separated list, so an array of strings is as good
}

// field is one property of an object and the struct field that it fills.
type field struct {
	*node
	name     string
	index    []int
	required bool
	preset   reflect.Value // the default; invalid when there is none
}

// free reports whether n is an object of any shape. It is kept as the JSON text that came.
func (n *node) free() bool { return n.kind == "object" && n.fields == nil }

// reflectSchema makes the schema of a tool's arguments from its input struct, as clients get it and as the decoder uses
// it. Of JSON Schema it allows only what every client and model provider takes (plain types, enum, default, minimum,
// maximum, one level of nesting), and fails on everything else.
//
// The tags are those of invopop/jsonschema and `doc`, which describes the argument; a json.RawMessage is an object of
// any shape; `arg:"list"` is node.list.
func reflectSchema(t reflect.Type) (json.RawMessage, *node, error) {
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true,
		RequiredFromJSONSchemaTags: true, AllowAdditionalProperties: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[json.RawMessage]() {
				return &jsonschema.Schema{Type: "object"}
			}
			return nil
		},
		LookupComment: func(t reflect.Type, name string) string {
			if t.Kind() != reflect.Struct || name == "" {
				return ""
			}
			f, _ := t.FieldByName(name)
			return f.Tag.Get("doc")
		},
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	root, err := compile("arguments", s, t, 0)
	if err != nil {
		return nil, nil, err
	}
	s.AdditionalProperties = jsonschema.FalseSchema
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, nil, fmt.Errorf("encode schema: %w", err)
	}
	return bytes.TrimSpace(text.Bytes()), root, nil
}

// compile makes the node of a schema and of the Go type that it was reflected from.
func compile(path string, s *jsonschema.Schema, t reflect.Type, depth int) (*node, error) {
	if !reflect.DeepEqual(s, &jsonschema.Schema{
		Type: s.Type, Description: s.Description, Enum: s.Enum, Default: s.Default,
		Minimum: s.Minimum, Maximum: s.Maximum, Items: s.Items, Properties: s.Properties, Required: s.Required,
	}) {
		return nil, fmt.Errorf("%s: the schema has a keyword that not every client takes", path)
	}
	n := &node{kind: s.Type}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var err error
	if n.min, err = bound(s.Minimum); err != nil {
		return nil, fmt.Errorf("%s: minimum: %w", path, err)
	}
	if n.max, err = bound(s.Maximum); err != nil {
		return nil, fmt.Errorf("%s: maximum: %w", path, err)
	}
	for _, v := range s.Enum {
		word, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s: an enum holds strings", path)
		}
		n.enum = append(n.enum, word)
	}
	switch s.Type {
	case "string", "integer", "boolean":
		return n, nil
	case "array":
		n.items, err = compile(path+"[]", s.Items, t.Elem(), depth)
		return n, err
	case "object":
		if s.Properties == nil {
			return n, nil
		}
		if depth > 1 {
			return nil, fmt.Errorf("%s: nested too deeply", path)
		}
		n.fields, err = compileFields(path, s, t, depth)
		return n, err
	}
	return nil, fmt.Errorf("%s: type %q is not used here", path, s.Type)
}

func compileFields(path string, s *jsonschema.Schema, t reflect.Type, depth int) ([]field, error) {
	fields, visible := make([]field, 0, s.Properties.Len()), reflect.VisibleFields(t)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		sf, ok := fieldNamed(visible, p.Key)
		if !ok {
			return nil, fmt.Errorf("%s: no field for %q", path, p.Key)
		}
		n, err := compile(path+"."+p.Key, p.Value, sf.Type, depth+1)
		if err != nil {
			return nil, err
		}
		n.list = sf.Tag.Get("arg") == "list"
		f := field{node: n, name: p.Key, index: sf.Index, required: slices.Contains(s.Required, p.Key)}
		if d := p.Value.Default; d != nil {
			text, err := json.Marshal(d)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: default: %w", path, p.Key, err)
			}
			f.preset = reflect.New(sf.Type).Elem()
			if err := n.decode("default of "+p.Key, text, f.preset); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", path, p.Key, err)
			}
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func fieldNamed(visible []reflect.StructField, name string) (reflect.StructField, bool) {
	for _, f := range visible {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.Anonymous && f.IsExported() && tag == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func bound(n json.Number) (*int64, error) {
	if n == "" {
		return nil, nil
	}
	v, err := strconv.ParseInt(n.String(), 10, 64)
	return &v, err
}
