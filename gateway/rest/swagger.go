package rest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// definition is the JSON schema of a table's rows.
func (a *api) definition(t *apiTable) object {
	properties := object{}
	required := []string{}
	for _, c := range t.columns {
		properties = append(properties, member{c.Name, a.property(t, c)})
		if !c.Nullable {
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
func (a *api) property(t *apiTable, c *catalog.Column) object {
	notes := ""
	if slices.Contains(t.Key, c.Name) {
		notes += "\nThis is a Primary Key.<pk/>"
	}
	if table, column := a.reference(t.Table, c.Name); table != "" {
		notes += "\nThis is a Foreign Key to `" + table + "." + column + "`." +
			"<fk table='" + table + "' column='" + column + "'/>"
	}
	description := c.Comment
	if notes != "" {
		if description != "" {
			description += "\n\n"
		}
		description += "Note:" + notes
	}
	value := defaultValue(c)
	o := object{{"default", value}, {"description", text(description)}}
	if c.Enum != nil {
		o = append(o, member{"enum", c.Enum})
	}
	o = append(o, typed(c.Base)...)
	if c.MaxLength > 0 {
		o = append(o, member{"maxLength", c.MaxLength})
	}
	if value == nil && (c.Default != "" || c.Generated || c.Identity != "") {
		o = append(o, member{"x-has-default", true}) // ours: PostgREST does not say it of what JSON cannot express
	}
	return o
}

// typed says of which type a value is.
func typed(t string) object {
	o := object{{"format", swaggerFormat(t)}}
	if element, ok := strings.CutSuffix(t, "[]"); ok {
		o = append(o, member{"items", object{{"type", text(swaggerType(element))}}})
	}
	return append(o, member{"type", text(swaggerType(t))})
}

// defaultValue is the column's default if it can be said in JSON: a text or expression for a string, else a literal.
func defaultValue(c *catalog.Column) any {
	switch {
	case c.Default == "":
		return nil
	case swaggerType(c.Base) == "string":
		if literal, ok := strings.CutSuffix(c.Default, "::"+c.Base); ok {
			return strings.Trim(literal, "'")
		}
		return c.Default
	case !json.Valid([]byte(c.Default)):
		return nil
	}
	return json.RawMessage(c.Default)
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

// swaggerFormat is OpenAPI's name of a format where it has one, else PostgreSQL's of the type.
func swaggerFormat(t string) string {
	switch t {
	case "smallint", "integer":
		return "int32"
	case "bigint":
		return "int64"
	}
	return t
}

// path describes the verbs that the role may use on a table.
func (t *apiTable) path() object {
	first, rest := summary(t.Comment)
	verb := func(answers object, parameters ...string) object {
		refs := make([]object, len(parameters))
		for i, p := range parameters {
			refs[i] = ref("parameters", p)
		}
		return object{
			{"tags", []string{t.Name}},
			{"summary", text(first)},
			{"description", text(rest)},
			{"parameters", refs},
			{"responses", answers},
		}
	}
	var filters []string
	for _, c := range t.columns {
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
	if t.Insert && t.Insertable {
		o = append(o, member{"post", verb(responses("201", "Created"), body, "select", "preferPost")})
	}
	if t.Delete && t.Deletable {
		o = append(o, member{"delete", verb(responses("204", "No Content"), filtersAnd("preferReturn")...)})
	}
	if t.Update && t.Updatable {
		o = append(o, member{"patch", verb(responses("204", "No Content"), filtersAnd(body, "preferReturn")...)})
	}
	return o
}

// parameters are those that the verbs of a table refer to.
func (t *apiTable) parameters() object {
	o := object{{"body." + t.Name, object{
		{"name", t.Name}, {"description", t.Name}, {"required", false}, {"in", "body"},
		{"schema", ref("definitions", t.Name)}}}}
	for _, c := range t.columns {
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
	answers := []string{"return=representation", "return=minimal", "return=none"}
	return object{
		parameter("preferParams", "Prefer", "header", "Preference"),
		parameter("preferReturn", "Prefer", "header", "Preference", enum(answers...)),
		parameter("preferCount", "Prefer", "header", "Preference", enum("count=none")),
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

// functionPath describes the verbs of a function: a volatile one is called by POST alone.
func functionPath(f *catalog.Function) object {
	first, rest := summary(f.Comment)
	verb := func(parameters []object) object {
		return object{
			{"tags", []string{"(rpc) " + f.Name}},
			{"summary", text(first)},
			{"description", text(rest)},
			{"produces", []string{typeJSON, typeObject + "+json;nulls=stripped", typeObject + "+json"}},
			{"parameters", parameters},
			{"responses", responses("200", "OK")},
		}
	}
	properties, required, query := object{}, []string{}, []object{}
	for _, p := range f.Params {
		p.Type = strings.TrimPrefix(p.Type, f.Schema+".") // as PostgREST spells it here, unlike a column's
		if p.Required {
			required = append(required, p.Name)
		}
		properties = append(properties, member{p.Name, typed(p.Type)})
		query = append(query, append(object{{"name", p.Name}, {"required", p.Required}, {"in", "query"}}, inQuery(p)...))
	}
	schema := object{{"description", text(f.Comment)}}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	schema = append(schema, member{"properties", properties}, member{"type", "object"})
	post := verb([]object{{{"name", "args"}, {"required", true}, {"in", "body"}, {"schema", schema}},
		ref("parameters", "preferParams")})
	if f.Volatile {
		return object{{"post", post}}
	}
	return object{{"get", verb(query)}, {"post", post}}
}

// inQuery says how a parameter is written into a query string: once, an array as {a,b}, or variadic as often as wanted.
func inQuery(p catalog.Param) object {
	kind := swaggerType(p.Type)
	if element, ok := strings.CutSuffix(p.Type, "[]"); ok && p.Variadic {
		return object{{"collectionFormat", "multi"}, {"items", object{
			{"format", swaggerFormat(element)}, {"type", text(swaggerType(element))}}}, {"type", kind}}
	}
	if kind == "" || kind == "array" {
		kind = "string"
	}
	return object{{"format", swaggerFormat(p.Type)}, {"type", kind}}
}
