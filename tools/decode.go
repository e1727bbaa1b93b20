package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Clients send arrays, objects and numbers as JSON text, numbers where text is expected, and one object for a list of
// one. The decoder takes all of these, in this one place, as long as the meaning is beyond doubt; whatever else differs
// from the schema is refused with an error that says what would be right. Numbers keep their exact text.

// loosener is an argument object that accepts other spellings of itself. It rewrites its fields before decoding.
type loosener interface {
	loosen(fields map[string]json.RawMessage)
}

// decodeArguments fills dst, a pointer to a tool's input struct.
func decodeArguments(n *node, raw json.RawMessage, dst any) error {
	if isNull(raw) {
		raw = json.RawMessage("{}")
	}
	return n.decode("", raw, reflect.ValueOf(dst).Elem())
}

// decode fills dst from raw, which is not null. Path names the argument in errors; it is empty for the whole.
func (n *node) decode(path string, raw json.RawMessage, dst reflect.Value) error {
	if dst.Kind() == reflect.Pointer {
		v := reflect.New(dst.Type().Elem())
		if err := n.decode(path, raw, v.Elem()); err != nil {
			return err
		}
		dst.Set(v)
		return nil
	}
	switch n.kind {
	case "string":
		return n.decodeString(path, raw, dst)
	case "integer":
		return n.decodeInteger(path, raw, dst)
	case "boolean":
		switch strings.ToLower(scalarText(raw)) {
		case "true":
			dst.SetBool(true)
		case "false":
			dst.SetBool(false)
		default:
			return wrongType(path, "true or false", raw)
		}
		return nil
	case "array":
		return n.decodeArray(path, raw, dst)
	default:
		return n.decodeObject(path, raw, dst)
	}
}

func (n *node) decodeString(path string, raw json.RawMessage, dst reflect.Value) error {
	var s string
	if n.list {
		raw = jsonText(raw, "[")
	}
	switch shape(raw) {
	case '[', '{', 'n':
		var words []string
		if !n.list || (&node{kind: "array", items: &node{kind: "string"}}).
			decode(path, raw, reflect.ValueOf(&words).Elem()) != nil {
			return wrongType(path, "text", raw)
		}
		s = strings.Join(words, ",")
	default:
		s = scalarText(raw)
	}
	if n.enum != nil && !slices.Contains(n.enum, s) {
		return &failure{
			Code: codeInvalidArgument, Argument: path, Message: fmt.Sprintf("%s cannot be %q", path, short(s)),
			Valid: n.enum, DidYouMean: nearest(s, n.enum),
		}
	}
	dst.SetString(s)
	return nil
}

func (n *node) decodeInteger(path string, raw json.RawMessage, dst reflect.Value) error {
	text := scalarText(raw)
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // 25.0 is an integer too
		whole, fraction, _ := strings.Cut(text, ".")
		if v, err = strconv.ParseInt(whole, 10, 64); err != nil || strings.Trim(fraction, "0") != "" {
			return wrongType(path, "an integer", raw)
		}
	}
	if n.min != nil && v < *n.min || n.max != nil && v > *n.max {
		return &failure{
			Code: codeInvalidArgument, Argument: path, Message: fmt.Sprintf("%s is %d, but must be %s", path, v, n.bounds()),
		}
	}
	dst.SetInt(v)
	return nil
}

func (n *node) bounds() string {
	switch {
	case n.max == nil:
		return fmt.Sprintf("at least %d", *n.min)
	case n.min == nil:
		return fmt.Sprintf("at most %d", *n.max)
	}
	return fmt.Sprintf("%d to %d", *n.min, *n.max)
}

func (n *node) decodeArray(path string, raw json.RawMessage, dst reflect.Value) error {
	var elems []json.RawMessage
	switch inner := jsonText(raw, "[{"); {
	case shape(inner) == '[':
		if err := json.Unmarshal(inner, &elems); err != nil {
			return wrongType(path, n.expects(), raw)
		}
	case n.items.kind == "object" && shape(inner) == '{':
		elems = []json.RawMessage{inner}
	case n.items.kind == "string" && shape(inner) == '"' && strings.HasPrefix(scalarText(inner), "["):
		return wrongType(path, n.expects(), raw) // broken JSON text, not a list of words
	case n.items.kind == "string" && shape(inner) == '"':
		for word := range strings.SplitSeq(scalarText(inner), ",") {
			if word = strings.TrimSpace(word); word != "" {
				elems = append(elems, quote(word))
			}
		}
	case n.items.kind == "string" && (shape(inner) == '0' || shape(inner) == 't'):
		elems = []json.RawMessage{inner}
	default:
		return wrongType(path, n.expects(), raw)
	}
	list := reflect.MakeSlice(dst.Type(), len(elems), len(elems))
	for i, e := range elems {
		at := path + "[" + strconv.Itoa(i) + "]"
		if isNull(e) {
			if list.Index(i).Kind() != reflect.Pointer {
				return wrongType(at, n.items.expects(), e)
			}
			continue
		}
		if err := n.items.decode(at, e, list.Index(i)); err != nil {
			return err
		}
	}
	dst.Set(list)
	return nil
}

func (n *node) decodeObject(path string, raw json.RawMessage, dst reflect.Value) error {
	inner := jsonText(raw, "{")
	if shape(inner) != '{' {
		return wrongType(path, "an object", raw)
	}
	if n.free() {
		if !json.Valid(inner) {
			return wrongType(path, "an object", raw)
		}
		dst.SetBytes(inner)
		return nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(inner, &given); err != nil {
		return wrongType(path, "an object", raw)
	}
	if l, ok := dst.Addr().Interface().(loosener); ok {
		l.loosen(given)
	}
	for i := range n.fields {
		f := &n.fields[i]
		value, ok := given[f.name]
		delete(given, f.name)
		switch {
		case ok && !isNull(value):
			if err := f.decode(join(path, f.name), value, dst.FieldByIndex(f.index)); err != nil {
				return err
			}
		case f.required:
			return &failure{
				Code: codeInvalidArgument, Argument: join(path, f.name),
				Message: join(path, f.name) + " is missing: expected " + f.expects(),
			}
		case f.preset.IsValid():
			dst.FieldByIndex(f.index).Set(f.preset)
		}
	}
	if len(given) > 0 {
		return n.unknown(path, slices.Min(slices.Collect(maps.Keys(given))))
	}
	return nil
}

func (n *node) unknown(path, name string) error {
	f := &failure{Code: codeUnknownArgument, Argument: join(path, short(name))}
	for _, known := range n.fields {
		f.Valid = append(f.Valid, known.name)
	}
	f.DidYouMean = nearest(name, f.Valid)
	f.Message = "there is no argument " + f.Argument
	return f
}

// expects says what would be right here.
func (n *node) expects() string {
	switch n.kind {
	case "string":
		return "text"
	case "integer":
		return "an integer"
	case "boolean":
		return "true or false"
	case "array":
		if n.items.kind == "object" {
			return "a list of objects"
		}
		return "a list of texts"
	}
	return "an object"
}

func wrongType(path, want string, got json.RawMessage) error {
	what := map[byte]string{
		'"': "text", '{': "an object", '[': "a list", '0': "a number", 't': "true or false", 'n': "null",
	}
	name := path
	if name == "" {
		name = "the arguments"
	}
	return &failure{
		Code: codeInvalidArgument, Argument: path,
		Message: fmt.Sprintf("%s: expected %s, got %s", name, want, what[shape(got)]),
	}
}

// shape is the kind of a JSON value by its first byte: " { [ 0 (a number) t (true, false) n (null or nothing).
func shape(raw json.RawMessage) byte {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 {
		return 'n'
	}
	switch c := trimmed[0]; c {
	case '"', '{', '[', 't', 'n':
		return c
	case 'f':
		return 't'
	}
	return '0'
}

func isNull(raw json.RawMessage) bool { return shape(raw) == 'n' }

// scalarText is the text of a string, number or boolean; numbers keep their spelling. Strings lose no blanks.
func scalarText(raw json.RawMessage) string {
	if shape(raw) != '"' {
		return string(bytes.TrimSpace(raw))
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// jsonText unwraps a string that holds JSON text starting with one of opens; any other value comes back as it is.
func jsonText(raw json.RawMessage, opens string) json.RawMessage {
	if shape(raw) != '"' {
		return raw
	}
	inner := json.RawMessage(strings.TrimSpace(scalarText(raw)))
	if len(inner) > 0 && strings.IndexByte(opens, inner[0]) >= 0 && json.Valid(inner) {
		return inner
	}
	return raw
}

func quote(s string) json.RawMessage {
	text, _ := json.Marshal(s) // a string always marshals
	return text
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// short keeps what an error repeats of the caller's words readable.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
