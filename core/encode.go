package core

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// encode returns v as compact JSON, without escaping <, > and & (a column of type json keeps its text).
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// filterOperand returns "op.value" of a condition, unescaped.
func filterOperand(op string, values []any) (string, error) {
	if op == "in" {
		list := []byte("in.(")
		for i, v := range values {
			s, err := valueText(v)
			if err != nil {
				return "", err
			}
			if i > 0 {
				list = append(list, ',')
			}
			list = appendListValue(list, s)
		}
		return string(append(list, ')')), nil
	}
	if len(values) != 1 {
		return "", fmt.Errorf("needs one value for %s and has %d", op, len(values))
	}
	s, err := valueText(values[0])
	if err != nil {
		return "", err
	}
	switch op {
	case "eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike":
		return op + "." + s, nil
	case "is":
		switch what := strings.ToLower(s); what {
		case "null", "true", "false", "unknown":
			return "is." + what, nil
		case "not_null":
			return "not.is.null", nil // older PostgREST knows no is.not_null
		}
		return "", errors.New("compares by is, which takes null, not_null, true, false or unknown")
	}
	return "", fmt.Errorf("has the operator %q; use eq, neq, gt, gte, lt, lte, like, ilike, is or in", op)
}

// appendListValue appends one value of in.(…), quoted where the list's syntax needs it (section 2.4).
func appendListValue(b []byte, s string) []byte {
	special := func(r rune) bool { return strings.ContainsRune(`,.:(){}"\`, r) || unicode.IsSpace(r) }
	if s != "" && !strings.ContainsFunc(s, special) {
		return append(b, s...)
	}
	return appendQuoted(b, s)
}

// appendQuoted appends s in double quotes, with " and \ escaped by \.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// valueText returns a filter's value as the text that PostgreSQL casts to the column's type.
func valueText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case string:
		return v, nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.IsNil() {
		return "null", nil
	}
	if m, ok := v.(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		return string(text), err
	}
	switch r.Kind() {
	case reflect.Pointer:
		return valueText(r.Elem().Interface())
	case reflect.String:
		return r.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(r.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		// Never an exponent: PostgreSQL reads 1e+06 as no integer.
		return strconv.FormatFloat(r.Float(), 'f', -1, r.Type().Bits()), nil
	}
	return "", errors.New("has a value that is no text, number, boolean, time or null")
}

// filterKey returns a column as the name of a query parameter, where a bare reserved word would mean something else.
func filterKey(column string) (string, bool) {
	switch column {
	case "select", "columns", "on_conflict", "order", "limit", "offset", "and", "or", "not":
		return `"` + column + `"`, true
	}
	return columnPath(column)
}

// columnPath returns a column, with its JSON path if it has one, in PostgREST's grammar; false for an empty name.
func columnPath(column string) (string, bool) {
	name, path, found := strings.Cut(column, "->")
	if name = strings.TrimSpace(name); name == "" {
		return "", false
	}
	b := []byte(quoteName(name))
	for found {
		b = append(b, "->"...)
		if path, found = strings.CutPrefix(path, ">"); found {
			b = append(b, '>')
		}
		var key string
		if key, path, found = strings.Cut(path, "->"); key == "" {
			return "", false
		}
		if isPlainName(strings.TrimPrefix(key, "-")) { // a negative index counts from the array's end
			b = append(b, key...)
		} else {
			b = appendQuoted(b, key)
		}
	}
	return string(b), true
}

// quoteName returns a column's name, in double quotes unless it is letters, digits, _ and $ alone.
func quoteName(name string) string {
	if isPlainName(name) {
		return name
	}
	return string(appendQuoted(nil, name))
}

func isPlainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$'
	})
}

// trimList drops the blanks around the commas of a list, outside of double quotes; false when an item is empty. An
// empty list is fine.
func trimList(list string) (string, bool) {
	if list = strings.TrimSpace(list); list == "" {
		return "", true
	}
	var b strings.Builder
	ok, quoted, start := true, false, 0
	item := func(end int) {
		s := strings.TrimSpace(list[start:end])
		ok = ok && s != ""
		b.WriteString(s)
	}
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			item(i)
			b.WriteByte(',')
			start = i + 1
		}
	}
	item(len(list))
	return b.String(), ok
}
