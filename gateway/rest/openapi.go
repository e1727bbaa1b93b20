package rest

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// grants is what the role of a request may use of a schema.
type grants struct {
	Tables    []tableGrant `json:"tables"`
	Functions []uint32     `json:"functions"` // by OID
}

type tableGrant struct {
	OID     uint32   `json:"oid"`
	Select  bool     `json:"select"`
	Insert  bool     `json:"insert"`
	Update  bool     `json:"update"`
	Delete  bool     `json:"delete"`
	Columns []string `json:"columns"` // nil means all
}

const grantsQuery = `with usable as (
	select c.oid, has_any_column_privilege(c.oid, 'select') as sel, has_any_column_privilege(c.oid, 'insert') as ins,
		has_any_column_privilege(c.oid, 'update') as upd, has_table_privilege(c.oid, 'delete') as del
	from pg_class c where c.relnamespace = (select oid from pg_namespace where nspname = $1)
	and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition and has_schema_privilege(c.relnamespace, 'usage'))
select json_build_object(
'tables', (select coalesce(json_agg(json_build_object('oid', u.oid::int8,
	'select', u.sel, 'insert', u.ins, 'update', u.upd, 'delete', u.del,
	'columns', case when not has_table_privilege(u.oid, 'select, insert, update') then
		(select coalesce(json_agg(a.attname), '[]') from pg_attribute a where a.attrelid = u.oid and a.attnum > 0
			and not a.attisdropped and has_column_privilege(u.oid, a.attnum, 'select, insert, update')) end)), '[]')
	from usable u where u.sel or u.ins or u.upd or u.del),
'functions', (select coalesce(json_agg(p.oid::int8), '[]') from pg_proc p
	where p.pronamespace = (select oid from pg_namespace where nspname = $1) and p.prokind = 'f'
	and has_schema_privilege(p.pronamespace, 'usage') and has_function_privilege(p.oid, 'execute')))`

// root answers the path "/" with an OpenAPI 2.0 document in PostgREST's shape, of what the role may use.
func (h *Handler) root(w http.ResponseWriter, r *http.Request, s Session) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS,GET,HEAD")
		w.WriteHeader(http.StatusOK)
		return nil
	default:
		return methodError(r.Method)
	}
	if !acceptsAPI(r.Header.Values("Accept")) {
		return noMedia(r.Header.Values("Accept"))
	}
	req := &request{http: r, w: w, as: s, prefer: &prefer{}, media: media{contentType: typeAPI + charset(typeAPI)}}
	var g grants
	if err := h.catalogJSON(req, &g, grantsQuery, s.schema); err != nil {
		return err
	}
	if h.opts.Catalog == nil {
		return &Error{Status: http.StatusNotFound, Code: "PGRST126", Message: "Root endpoint metadata is disabled"}
	}
	c, err := h.opts.Catalog.Renew(r.Context()) // who asks what there is means now
	if err != nil {
		return err
	}
	doc, err := newAPI(c, s.schema, g).document(r).appendJSON(nil)
	if err != nil {
		return err
	}
	commonHeaders(w, req.prefer)
	a := h.newAnswer(req)
	defer h.recycle(a)
	a.object = true
	if err := a.row([][]byte{doc}); err != nil {
		return err
	}
	a.end(http.StatusOK)
	return nil
}

// acceptsAPI reports whether a client takes JSON of this kind, or of any.
func acceptsAPI(headers []string) bool {
	all := strings.Join(headers, ",")
	for _, text := range strings.Split(all, ",") {
		switch kind, _, _ := mime.ParseMediaType(text); kind {
		case typeAPI, typeJSON, "application/*", "*/*":
			return true
		}
	}
	return strings.TrimSpace(all) == ""
}

// api is what a document describes: the part of the catalog that a role may use.
type api struct {
	catalog   *catalog.Catalog
	schema    string
	tables    []*apiTable // by name
	byTable   map[*catalog.Table]*apiTable
	functions []*catalog.Function // by name, overloads among them
}

type apiTable struct {
	*catalog.Table
	tableGrant
	columns []*catalog.Column
}

func newAPI(c *catalog.Catalog, schema string, g grants) *api {
	a := &api{catalog: c, schema: schema, byTable: map[*catalog.Table]*apiTable{}}
	granted := make(map[uint32]tableGrant, len(g.Tables))
	for _, t := range g.Tables {
		granted[t.OID] = t
	}
	for _, t := range c.Tables(schema) {
		grant, ok := granted[t.OID]
		if !ok {
			continue
		}
		shown := &apiTable{Table: t, tableGrant: grant, columns: t.Columns}
		if grant.Columns != nil {
			shown.columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c *catalog.Column) bool {
				return !slices.Contains(grant.Columns, c.Name)
			})
		}
		a.tables = append(a.tables, shown)
		a.byTable[t] = shown
	}
	callable := make(map[uint32]bool, len(g.Functions))
	for _, oid := range g.Functions {
		callable[oid] = true
	}
	for _, name := range c.FunctionNames(schema) {
		for _, f := range c.Functions(schema, name) {
			if callable[f.OID] {
				a.functions = append(a.functions, f)
			}
		}
	}
	return a
}

// reference is the column that a foreign key on this column alone points to, if the role may use it: a table's rather
// than a view's.
func (a *api) reference(t *catalog.Table, column string) (table, to string) {
	for _, r := range a.catalog.Relations(t) {
		if len(r.Columns) != 1 || r.Columns[0].A != column || !r.Kind.Single() || r.Referenced || r.To.Schema != a.schema {
			continue
		}
		shown := a.byTable[r.To]
		if shown == nil || table != "" && r.To.View {
			continue
		}
		if slices.ContainsFunc(shown.columns, func(c *catalog.Column) bool { return c.Name == r.Columns[0].B }) {
			if table, to = r.To.Name, r.Columns[0].B; !r.To.View {
				break
			}
		}
	}
	return table, to
}

func (a *api) document(r *http.Request) object {
	paths := object{{"/", object{{"get", object{
		{"tags", []string{"Introspection"}},
		{"summary", "OpenAPI description (this document)"},
		{"produces", []string{typeAPI, typeJSON}},
		{"responses", responses("200", "OK")},
	}}}}}
	definitions, parameters := object{}, commonParameters()
	for _, t := range a.tables {
		paths = append(paths, member{"/" + t.Name, t.path()})
		definitions = append(definitions, member{t.Name, a.definition(t)})
		parameters = append(parameters, t.parameters()...)
	}
	for i, f := range a.functions {
		if i == 0 || a.functions[i-1].Name != f.Name { // of overloads the first
			paths = append(paths, member{"/rpc/" + f.Name, functionPath(f)})
		}
	}
	title, description := summary(a.catalog.SchemaComment(a.schema))
	if title == "" {
		title, description = "Project API", "Tables and functions that this role may use"
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	kinds := []string{typeJSON, typeObject + "+json;nulls=stripped", typeObject + "+json", typeCSV}
	return object{
		{"swagger", "2.0"},
		{"info", object{{"title", title}, {"description", description}, {"version", "1"}}},
		{"externalDocs", object{{"description", "PostgREST Documentation"},
			{"url", "https://postgrest.org/en/v16/references/api.html"}}},
		{"host", text(r.Host)},
		{"basePath", "/" + strings.Trim(r.URL.Path, "/")},
		{"schemes", []string{scheme}},
		{"consumes", kinds},
		{"produces", kinds},
		{"paths", paths},
		{"definitions", definitions},
		{"parameters", parameters},
	}
}

// summary takes the first line of a comment for its summary, and what follows for its description.
func summary(comment string) (first, rest string) {
	first, rest, _ = strings.Cut(comment, "\n")
	return first, strings.TrimLeft(rest, "\n")
}

func responses(status, description string) object {
	return object{{status, object{{"description", description}}}}
}

// object is a JSON object that keeps the order of its members; nil values are left out.
type object []member

type member struct {
	key   string
	value any
}

// text is a string member that is left out when empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func ref(kind, name string) object { return object{{"$ref", "#/" + kind + "/" + name}} }

// appendJSON writes an object and all objects in it once, where json.Marshal would check each level anew.
func (o object) appendJSON(b []byte) ([]byte, error) {
	b = append(b, '{')
	empty := true
	for _, m := range o {
		if m.value == nil {
			continue
		}
		if !empty {
			b = append(b, ',')
		}
		empty = false
		var err error
		if b, err = appendValue(b, m.key); err != nil {
			return nil, err
		}
		if b, err = appendValue(append(b, ':'), m.value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case object:
		return v.appendJSON(b)
	case []object:
		b = append(b, '[')
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = o.appendJSON(b); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	raw, err := json.Marshal(value)
	return append(b, raw...), err
}
