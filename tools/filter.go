package tools

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/run402/functions-mcp/core"
)

// filter is one condition on a column. Values travel as text: PostgreSQL casts them to the column's type, so nothing is
// lost and the schema needs no untyped field.
type filter struct {
	Column string   `json:"column" jsonschema:"required"`
	Op     operator `json:"op,omitempty" jsonschema:"default=eq"`
	Value  *string  `json:"value,omitempty" doc:"As text; null, true… with is; % is the wildcard of like"`
	Values []string `json:"values,omitempty" doc:"With in"`
}

type operator string

// JSONSchemaExtend lists the operators.
func (operator) JSONSchemaExtend(s *jsonschema.Schema) {
	s.Enum = []any{"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is"}
}

// loosen takes the spellings that models use for operators, a list in value, and null.
func (*filter) loosen(fields map[string]json.RawMessage) {
	op := canonicalOp(scalarText(fields["op"]))
	value, given := fields["value"]
	switch {
	case given && isNull(value) && (op == "" || op == "eq" || op == "is"):
		op, fields["value"] = "is", quote("null")
	case given && isNull(value) && op == "neq":
		op, fields["value"] = "is", quote("not_null")
	case op == "" && !given && !isNull(fields["values"]):
		op = "in"
	case op == "is" && given:
		fields["value"] = quote(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(scalarText(value))), " ", "_"))
	case op == "is_null" && !given, op == "is_not_null" && !given:
		fields["value"] = quote(strings.TrimPrefix(op, "is_"))
		op = "is"
	case op == "in" && given && isNull(fields["values"]):
		if shape(value) == '"' {
			if s := strings.TrimSpace(scalarText(value)); strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
				value = quote(s[1 : len(s)-1])
			}
		}
		delete(fields, "value")
		fields["values"] = value
	}
	if op != "" {
		fields["op"] = quote(op)
	}
}

func canonicalOp(op string) string {
	op = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(op)), " ", "_")
	switch op {
	case "=", "==", "===", "equals", "equal":
		return "eq"
	case "!=", "<>", "!==", "ne", "not_equals", "not_equal":
		return "neq"
	case ">", "greater_than":
		return "gt"
	case ">=", "ge":
		return "gte"
	case "<", "less_than":
		return "lt"
	case "<=", "le":
		return "lte"
	case "any", "one_of":
		return "in"
	case "isnull", "null":
		return "is_null"
	case "not_null", "notnull", "is_notnull", "isnotnull":
		return "is_not_null"
	}
	return op
}

// applyFilters adds the conditions to a query, each with as many values as its operator takes.
func applyFilters(q *core.Query, filters []filter) error {
	for i, f := range filters {
		at := fmt.Sprintf("filters[%d]", i)
		switch {
		case f.Op == "in" && f.Value != nil:
			return argument(at+".value", "the operator in takes values, and has a value too", "Put the whole list into values.")
		case f.Op == "in" && len(f.Values) == 0:
			return argument(at+".values", "the operator in needs values", `Give a list such as ["a","b"].`)
		case f.Op != "in" && f.Values != nil:
			return argument(at+".values", "only the operator in takes values", "Use value, or the operator in.")
		case f.Op != "in" && f.Value == nil:
			return argument(at+".value", "the operator "+string(f.Op)+" needs a value", "To find NULL use is with null.")
		case f.Op == "is" && !slices.Contains(isValues, *f.Value):
			e := argument(at+".value", fmt.Sprintf("is cannot compare with %q", short(*f.Value)), "Use eq for other values.")
			e.Valid = isValues
			return e
		}
		if f.Op != "in" {
			q.Filter(f.Column, string(f.Op), *f.Value)
			continue
		}
		values := make([]any, len(f.Values))
		for i, v := range f.Values {
			values[i] = v
		}
		q.In(f.Column, values...)
	}
	return nil
}

// isValues is what is may compare with.
var isValues = []string{"null", "not_null", "true", "false", "unknown"}

// applyOrder sorts by a list such as "created_at.desc,id". "created_at desc" and "-created_at" mean the same.
func applyOrder(q *core.Query, order string) error {
	for term := range strings.SplitSeq(order, ",") {
		term = strings.TrimSpace(term)
		if term == "" {
			continue
		}
		column, nulls := cutWord(term, "nullsfirst", "nullslast", "nulls first", "nulls last")
		column, dir := cutWord(column, "asc", "desc")
		if rest, minus := strings.CutPrefix(column, "-"); minus && dir == "" {
			column, dir = rest, "desc"
		}
		dir = orElse(dir, "asc")
		if nulls != "" {
			dir += "." + strings.ReplaceAll(nulls, " ", "")
		}
		if column == "" || strings.ContainsAny(column, " \t") {
			e := argument("order", fmt.Sprintf("%q is no sort order", short(term)), "")
			e.Valid = []string{"column", "column.asc", "column.desc", "column.desc.nullslast"}
			return e
		}
		q.Order(column, core.Direction(dir))
	}
	return nil
}

// cutWord takes one of the words off the end of a term, where a dot or a blank must stand before it.
func cutWord(term string, words ...string) (before, word string) {
	for _, w := range words {
		at := len(term) - len(w)
		if at > 0 && strings.EqualFold(term[at:], w) && strings.ContainsRune(". \t", rune(term[at-1])) {
			return strings.TrimSpace(term[:at-1]), w
		}
	}
	return term, ""
}
