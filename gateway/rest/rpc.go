package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// function is one overload of a function in the schema.
type function struct {
	Volatile  bool       `json:"volatile"`
	Set       bool       `json:"set"`       // returns any number of rows
	Composite bool       `json:"composite"` // rows with named columns, not single values
	Void      bool       `json:"void"`
	Callable  bool       `json:"callable"` // by the role
	Args      []argument `json:"args"`     // the input ones
	Defaults  int        `json:"defaults"` // how many of the last ones have a default
}

type argument struct {
	Name     string `json:"name"` // may be empty
	Type     string `json:"type"` // as SQL, from the catalog
	Variadic bool   `json:"variadic"`
}

const functionQuery = `select coalesce(json_agg(json_build_object(
'volatile', p.provolatile = 'v', 'set', p.proretset,
'composite', t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{t,b,o}', false),
'void', p.prorettype = 'void'::regtype, 'callable', has_function_privilege(p.oid, 'execute'),
'defaults', p.pronargdefaults,
'args', (select coalesce(json_agg(json_build_object('name', coalesce(a.name, ''), 'type', format_type(a.type, null),
	'variadic', coalesce(a.mode = 'v', false)) order by a.n), '[]')
	from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes::text[])
	with ordinality a (type, name, mode, n) where coalesce(a.mode, 'i') in ('i', 'b', 'v')))), '[]')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_type t on t.oid = p.prorettype
where n.nspname = $1 and p.proname = $2 and p.prokind = 'f'`

const functionNamesQuery = `select coalesce(json_agg(distinct p.proname), '[]')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1 and p.prokind = 'f' and has_schema_privilege(n.oid, 'usage')
and has_function_privilege(p.oid, 'execute')`

// call answers /rpc/<function>: POST with a JSON object of named arguments, GET with them in the query string.
func (h *Handler) call(req *request) error {
	method := req.http.Method
	read := method == http.MethodGet || method == http.MethodHead
	if !read && method != http.MethodPost {
		return callMethodError(method)
	}
	c := &invocation{request: req, nonce: h.nonce}
	if err := c.readArgs(h.opts.MaxBody, read); err != nil {
		return err
	}
	if err := h.choose(c); err != nil {
		return err
	}
	if c.fn.Volatile && read {
		err := callMethodError(method)
		err.Details, err.Hint = "The function is volatile: it may write.", "Use POST."
		return err
	}
	if req.prefer.maxAffected != nil && !c.fn.Set {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST128",
			Message: "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"}
	}
	req.prefer.drop("resolution", "missing", "return")
	if !c.fn.Volatile && c.fn.Set {
		return h.rows(req, c.statement(), c.count)
	}
	return h.callOnce(c)
}

func callMethodError(method string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST101",
		Message: "Cannot use the " + method + " method on RPC"}
}

// callOnce runs a function that may write, or returns one value, and answers it after the transaction was committed.
func (h *Handler) callOnce(c *invocation) error {
	a := h.newAnswer(c.request)
	defer h.recycle(a)
	a.object = !c.fn.Set || c.media.single
	err := h.run(c.http, c.as, batch{
		readOnly:   !c.fn.Volatile,
		reset:      c.fn.Volatile,
		statements: []statement{c.statement()},
		read: func(_ int, rows *pgconn.ResultReader) error {
			a.reset()
			return a.take(rows)
		},
	})
	if err != nil {
		return violation(c.nonce, err)
	}
	if c.fn.Void {
		commonHeaders(c.w, c.prefer)
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	var total *int64
	if c.prefer.count != "" && c.query.limit == nil && c.query.offset == 0 {
		total = &a.rows
	} else {
		c.prefer.drop("count") // to count the rest, the function would have to run again
	}
	a.end(h.headRows(c.request, a.rows, total, false))
	return nil
}

// choose looks up the function and picks the overload that the arguments fit.
func (h *Handler) choose(c *invocation) error {
	var all []function
	if err := h.catalogJSON(c.request, &all, functionQuery, c.on.schema, c.on.name); err != nil {
		return err
	}
	// What the role may not call it gets one answer about, whatever its arguments: their names are not for it to see.
	known := len(all)
	if all = slices.DeleteFunc(all, func(f function) bool { return !f.Callable }); known > 0 && len(all) == 0 {
		return &Error{Status: HTTPStatus("42501", c.as.Role), Code: "42501",
			Message: "permission denied for function " + c.on.name}
	}
	var fits []function
	for _, f := range all {
		if f.accepts(c.given) {
			fits = append(fits, f)
		}
	}
	if len(fits) == 0 && c.body != nil {
		for _, f := range all {
			if len(f.Args) == 1 && f.Args[0].Name == "" && (f.Args[0].Type == "json" || f.Args[0].Type == "jsonb") {
				fits = append(fits, f)
				c.whole = true
			}
		}
	}
	switch len(fits) {
	case 0:
		var names []string
		if err := h.catalogJSON(c.request, &names, functionNamesQuery, c.on.schema); err != nil {
			return err
		}
		return c.notFound(all, names)
	case 1:
		c.fn = fits[0]
		return nil
	}
	texts := make([]string, len(fits))
	for i, f := range fits {
		texts[i] = c.on.schema + "." + c.on.name + "(" + f.signature(" => ") + ")"
	}
	return &Error{Status: http.StatusMultipleChoices, Code: "PGRST203",
		Message: "Could not choose the best candidate function between: " + strings.Join(texts, ", "),
		Hint:    "Try renaming the parameters or the function itself in the database so function overloading can be resolved"}
}

// catalogJSON runs a catalog query that returns one JSON value and decodes it.
func (h *Handler) catalogJSON(req *request, into any, sql string, args ...string) error {
	st := statement{sql: sql}
	for _, a := range args {
		st.args = append(st.args, []byte(a))
	}
	return h.run(req.http, req.as, batch{
		readOnly:   true,
		statements: []statement{st},
		read: func(_ int, rows *pgconn.ResultReader) error {
			for rows.NextRow() {
				if err := json.Unmarshal(rows.Values()[0], into); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// accepts reports whether the function can be called with arguments of these names.
func (f *function) accepts(given []string) bool {
	matched := 0
	for i, a := range f.Args {
		switch {
		case a.Name != "" && slices.Contains(given, a.Name):
			matched++
		case i < len(f.Args)-f.Defaults && !a.Variadic:
			return false
		}
	}
	return matched == len(given)
}

func (f *function) signature(sep string) string {
	texts := make([]string, len(f.Args))
	for i, a := range f.Args {
		texts[i] = a.Name
		if sep != "" {
			texts[i] += sep + a.Type
		}
	}
	return strings.Join(texts, ", ")
}

func (c *invocation) notFound(all []function, names []string) *Error {
	qualified := c.on.schema + "." + c.on.name
	list := strings.Join(c.given, ", ")
	e := &Error{Status: http.StatusNotFound, Code: "PGRST202"}
	if list == "" {
		e.Message = "Could not find the function " + qualified + " without parameters in the schema cache"
		e.Details = "Searched for the function " + qualified + " without parameters"
	} else {
		e.Message = "Could not find the function " + qualified + "(" + clip(list) + ") in the schema cache"
		e.Details = "Searched for the function " + qualified + " with parameter" + plural(len(c.given)) + " " + clip(list)
	}
	if c.body != nil {
		e.Details += " or with a single unnamed json/jsonb parameter"
	}
	e.Details += ", but no matches were found in the schema cache."
	if len(all) > 0 {
		e.Hint = "Perhaps you meant to call the function " + qualified + "(" + all[0].signature("") + ")"
		return e
	}
	if near := nearest(c.on.name, names); near != "" {
		e.Hint = "Perhaps you meant to call the function " + c.on.schema + "." + near
	}
	return e
}

func plural(n int) string {
	if n > 1 {
		return "s"
	}
	return ""
}
