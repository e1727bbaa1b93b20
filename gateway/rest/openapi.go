package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// apiCatalog is what the role of a request may use of the schema.
type apiCatalog struct {
	Description string        `json:"description"`
	Tables      []apiTable    `json:"tables"`
	Functions   []apiFunction `json:"functions"`
}

type apiTable struct {
	Name    string      `json:"name"`
	Comment string      `json:"comment"`
	Select  bool        `json:"select"`
	Insert  bool        `json:"insert"`
	Update  bool        `json:"update"`
	Delete  bool        `json:"delete"`
	Columns []apiColumn `json:"columns"`
}

type apiColumn struct {
	Name      string   `json:"name"`
	Comment   string   `json:"comment"`
	Type      string   `json:"type"` // as format_type spells it, without a length
	Default   *string  `json:"default"`
	Fills     bool     `json:"fills"` // PostgreSQL has a value for it: a default, an identity or a generated one
	MaxLength *int     `json:"max_length"`
	Enum      []string `json:"enum"`
	NotNull   bool     `json:"not_null"`
	Primary   bool     `json:"primary"`
	RefTable  string   `json:"ref_table"` // of a foreign key on this column alone, if the role may use that table
	RefColumn string   `json:"ref_column"`
}

// function is one overload of a function in the schema.
type function struct {
	Volatile bool       `json:"volatile"`
	Args     []argument `json:"args"`     // the input ones
	Defaults int        `json:"defaults"` // how many of the last ones have a default
}

type argument struct {
	Name     string `json:"name"` // may be empty
	Type     string `json:"type"` // as SQL, from the catalog
	Variadic bool   `json:"variadic"`
}

type apiFunction struct {
	function
	Name    string `json:"name"`
	Comment string `json:"comment"`
}

// apiQuery follows privileges: a table, column, verb or function that the role cannot use is not in its result.
const apiQuery = `with usable as (
	select c.oid, c.relname, pg_relation_is_updatable(c.oid, true) as can,
		has_any_column_privilege(c.oid, 'select') as sel, has_any_column_privilege(c.oid, 'insert') as ins,
		has_any_column_privilege(c.oid, 'update') as upd, has_table_privilege(c.oid, 'delete') as del
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
	and has_schema_privilege(n.oid, 'usage'))
select json_build_object(
'description', coalesce((select obj_description(n.oid, 'pg_namespace') from pg_namespace n where n.nspname = $1), ''),
'tables', (select coalesce(json_agg(json_build_object('name', u.relname,
	'comment', coalesce(obj_description(u.oid, 'pg_class'), ''),
	'select', u.sel, 'insert', u.ins and u.can & 8 > 0,
	'update', u.upd and u.can & 4 > 0, 'delete', u.del and u.can & 16 > 0,
	'columns', (select coalesce(json_agg(json_build_object('name', a.attname,
		'comment', coalesce(col_description(a.attrelid, a.attnum), ''), 'type', format_type(a.atttypid, null),
		'default', pg_get_expr(d.adbin, d.adrelid), 'fills', a.atthasdef or a.attidentity <> '',
		'max_length', case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4
			then a.atttypmod - 4 end,
		'enum', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = a.atttypid),
		'not_null', a.attnotnull,
		'primary', exists (select from pg_index i
			where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any(i.indkey)),
		'ref_table', coalesce(f.relname, ''), 'ref_column', coalesce(f.attname, '')) order by a.attnum), '[]')
		from pg_attribute a
		left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated = ''
		left join lateral (select r.relname, b.attname from pg_constraint k join usable r on r.oid = k.confrelid
			join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
			where k.conrelid = a.attrelid and k.contype = 'f' and k.conkey = array[a.attnum]
			and has_column_privilege(k.confrelid, b.attnum, 'select, insert, update') order by k.oid limit 1) f on true
		where a.attrelid = u.oid and a.attnum > 0 and not a.attisdropped
		and has_column_privilege(a.attrelid, a.attnum, 'select, insert, update'))) order by u.relname), '[]')
	from usable u where u.sel or u.ins or u.upd or u.del),
'functions', (select coalesce(json_agg(json_build_object('name', p.proname,
	'comment', coalesce(obj_description(p.oid, 'pg_proc'), ''), 'volatile', p.provolatile = 'v',
	'defaults', p.pronargdefaults, 'args', (select coalesce(json_agg(json_build_object('name', coalesce(a.name, ''),
		'type', format_type(a.type, null), 'variadic', coalesce(a.mode = 'v', false)) order by a.n), '[]')
		from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes::text[])
		with ordinality a (type, name, mode, n) where coalesce(a.mode, 'i') in ('i', 'b', 'v')))
	order by p.proname, p.oid), '[]')
	from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	where n.nspname = $1 and p.prokind = 'f' and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
	and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')))`

// root answers the path "/" with an OpenAPI 2.0 document in PostgREST's shape.
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
	m, err := parseAccept(r.Header.Values("Accept"))
	if err != nil {
		return err
	}
	m.contentType = typeAPI + "; charset=utf-8"
	var c apiCatalog
	req := &request{http: r, w: w, media: m, as: s, prefer: &prefer{}}
	if err := h.catalogJSON(req, &c, apiQuery, s.schema); err != nil {
		return err
	}
	commonHeaders(w, req.prefer)
	a := h.newAnswer(req)
	defer h.recycle(a)
	a.object = true
	doc, err := json.Marshal(c.document(r))
	if err != nil {
		return err
	}
	if err := a.row(doc); err != nil {
		return err
	}
	a.end(http.StatusOK)
	return nil
}

// object is a JSON object that keeps the order of its members; nil values are left out.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, m := range o {
		if m.value == nil {
			continue
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// text is a string member that is left out when empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func ref(kind, name string) object { return object{{"$ref", "#/" + kind + "/" + name}} }

func (c *apiCatalog) document(r *http.Request) object {
	paths := object{{"/", object{{"get", object{
		{"tags", []string{"Introspection"}},
		{"summary", "OpenAPI description (this document)"},
		{"produces", []string{typeAPI, typeJSON}},
		{"responses", responses("200", "OK")},
	}}}}}
	definitions := object{}
	parameters := commonParameters()
	for _, t := range c.Tables {
		paths = append(paths, member{"/" + t.Name, t.path()})
		definitions = append(definitions, member{t.Name, t.definition()})
		parameters = append(parameters, t.parameters()...)
	}
	for _, f := range c.Functions {
		path := "/rpc/" + f.Name
		if !slices.ContainsFunc(paths, func(m member) bool { return m.key == path }) { // of overloads the first
			paths = append(paths, member{path, f.path()})
		}
	}
	title, description, _ := strings.Cut(c.Description, "\n")
	if title == "" {
		title, description = "Project API", "Tables and functions that this role may use"
	}
	kinds := []string{typeJSON, typeObject + "+json;nulls=stripped", typeObject + "+json"}
	return object{
		{"swagger", "2.0"},
		{"info", object{{"title", title}, {"description", strings.TrimLeft(description, "\n")}, {"version", "1"}}},
		{"host", text(r.Host)},
		{"basePath", "/"},
		{"schemes", []string{"http"}},
		{"consumes", kinds},
		{"produces", kinds},
		{"paths", paths},
		{"definitions", definitions},
		{"parameters", parameters},
	}
}

func responses(status, description string) object {
	return object{{status, object{{"description", description}}}}
}
