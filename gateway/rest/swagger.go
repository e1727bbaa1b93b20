package rest

import (
	"encoding/json"
	"slices"
	"strings"
)

// definition is the JSON schema of a table's rows.
func (t *apiTable) definition() object {
	properties := object{}
	required := []string{}
	for _, c := range t.Columns {
		properties = append(properties, member{c.Name, c.property()})
		if c.NotNull {
			required = append(required, c.Name)
		}
	}
	o := object{{"description", text(t.Comment)}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return append(o, member{"properties", properties}, member{"type", "object"})
}

// property describes a column. The notes on keys are PostgREST's, which clients parse.
func (c *apiColumn) property() object {
	notes := ""
	if c.Primary {
		notes += "\nThis is a Primary Key.<pk/>"
	}
	if c.RefTable != "" {
		notes += "\nThis is a Foreign Key to `" + c.RefTable + "." + c.RefColumn + "`.<fk table='" + c.RefTable +
			"' column='" + c.RefColumn + "'/>"
	}
	description := c.Comment
	if notes != "" {
		if description != "" {
			description += "\n\n"
		}
		description += "Note:" + notes
	}
	o := object{{"default", c.defaultValue()}, {"description", text(description)}}
	if c.Enum != nil {
		o = append(o, member{"enum", c.Enum})
	}
	o = append(o, member{"format", c.Type})
	if element, ok := strings.CutSuffix(c.Type, "[]"); ok {
		o = append(o, member{"items", object{{"type", text(swaggerType(element))}}})
	}
	if c.MaxLength != nil {
		o = append(o, member{"maxLength", *c.MaxLength})
	}
	o = append(o, member{"type", text(swaggerType(c.Type))})
	if c.Fills && c.defaultValue() == nil {
		o = append(o, member{"x-has-default", true}) // ours: PostgREST does not say it of what JSON cannot express
	}
	return o
}

// defaultValue is the column's default if it can be said in JSON: a text or expression for a string, else a literal.
func (c *apiColumn) defaultValue() any {
	if c.Default == nil {
		return nil
	}
	if swaggerType(c.Type) == "string" {
		if literal, ok := strings.CutSuffix(*c.Default, "::"+c.Type); ok {
			return strings.Trim(literal, "'")
		}
		return *c.Default
	}
	if !json.Valid([]byte(*c.Default)) {
		return nil
	}
	return json.RawMessage(*c.Default)
}

// swaggerType maps a PostgreSQL type; json and jsonb can be anything.
func swaggerType(t string) string {
	switch t {
	case "boolean":
		return "boolean"
	case "smallint", "integer", "bigint":
		return "integer"
	case "numeric", "real", "double precision":
		return "number"
	case "json", "jsonb":
		return ""
	}
	if strings.HasSuffix(t, "[]") {
		return "array"
	}
	return "string"
}

// path describes the verbs that the role may use on a table.
func (t *apiTable) path() object {
	summary, description, _ := strings.Cut(t.Comment, "\n")
	verb := func(answers object, parameters ...string) object {
		refs := make([]object, len(parameters))
		for i, p := range parameters {
			refs[i] = ref("parameters", p)
		}
		return object{
			{"tags", []string{t.Name}},
			{"summary", text(summary)},
			{"description", text(strings.TrimLeft(description, "\n"))},
			{"parameters", refs},
			{"responses", answers},
		}
	}
	var filters []string
	for _, c := range t.Columns {
		filters = append(filters, "rowFilter."+t.Name+"."+c.Name)
	}
	filtersAnd := func(more ...string) []string { return slices.Concat(filters, more) }
	body := "body." + t.Name
	o := object{}
	if t.Select {
		rows := object{{"200", object{{"description", "OK"}, {"schema", object{
			{"items", ref("definitions", t.Name)}, {"type", "array"}}}}}, {"206", object{{"description", "Partial Content"}}}}
		o = append(o, member{"get", verb(rows,
			filtersAnd("select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")...)})
	}
	if t.Insert {
		o = append(o, member{"post", verb(responses("201", "Created"), body, "select", "preferPost")})
	}
	if t.Delete {
		o = append(o, member{"delete", verb(responses("204", "No Content"), filtersAnd("preferReturn")...)})
	}
	if t.Update {
		o = append(o, member{"patch", verb(responses("204", "No Content"), filtersAnd(body, "preferReturn")...)})
	}
	return o
}

// parameters are those that the verbs of a table refer to.
func (t *apiTable) parameters() object {
	o := object{{"body." + t.Name, object{
		{"name", t.Name}, {"description", t.Name}, {"required", false}, {"in", "body"},
		{"schema", ref("definitions", t.Name)}}}}
	for _, c := range t.Columns {
		o = append(o, member{"rowFilter." + t.Name + "." + c.Name, object{
			{"name", c.Name}, {"description", text(c.Comment)}, {"required", false}, {"in", "query"}, {"type", "string"}}})
	}
	return o
}

func commonParameters() object {
	parameter := func(key, name, in, description string, more ...member) member {
		return member{key, append(object{{"name", name}, {"description", description}, {"required", false}, {"in", in},
			{"type", "string"}}, more...)}
	}
	enum := func(values ...string) member { return member{"enum", values} }
	answers := []string{"return=representation", "return=minimal", "return=headers-only"}
	return object{
		parameter("preferReturn", "Prefer", "header", "Preference", enum(answers...)),
		parameter("preferCount", "Prefer", "header", "Preference", enum("count=exact")),
		parameter("preferPost", "Prefer", "header", "Preference",
			enum(append(answers, "resolution=ignore-duplicates", "resolution=merge-duplicates")...)),
		parameter("select", "select", "query", "Filtering Columns"),
		parameter("on_conflict", "on_conflict", "query", "On Conflict"),
		parameter("order", "order", "query", "Ordering"),
		parameter("range", "Range", "header", "Limiting and Pagination"),
		parameter("rangeUnit", "Range-Unit", "header", "Limiting and Pagination", member{"default", "items"}),
		parameter("offset", "offset", "query", "Limiting and Pagination"),
		parameter("limit", "limit", "query", "Limiting and Pagination"),
	}
}

// path describes the verbs of a function: a volatile one is called by POST alone.
func (f *apiFunction) path() object {
	summary, description, _ := strings.Cut(f.Comment, "\n")
	verb := func(parameters []object) object {
		return object{
			{"tags", []string{"(rpc) " + f.Name}},
			{"summary", text(summary)},
			{"description", text(strings.TrimLeft(description, "\n"))},
			{"produces", []string{typeJSON, typeObject + "+json"}},
			{"parameters", parameters},
			{"responses", responses("200", "OK")},
		}
	}
	properties, required := object{}, []string{}
	query := []object{}
	for i, a := range f.Args {
		if a.Name == "" {
			continue
		}
		needed := i < len(f.Args)-f.Defaults && !a.Variadic
		if needed {
			required = append(required, a.Name)
		}
		properties = append(properties, member{a.Name, object{
			{"format", a.Type}, {"type", text(swaggerType(a.Type))}}})
		query = append(query, object{{"name", a.Name}, {"required", needed}, {"in", "query"}, {"type", "string"},
			{"format", a.Type}})
	}
	schema := object{{"description", text(f.Comment)}}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	schema = append(schema, member{"properties", properties}, member{"type", "object"})
	post := member{"post", verb([]object{{{"name", "args"}, {"required", true}, {"in", "body"}, {"schema", schema}}})}
	if f.Volatile {
		return object{post}
	}
	return object{{"get", verb(query)}, post}
}
