package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// choose picks the overload that the arguments fit: by their names, else the one that takes the whole body.
func (h *Handler) choose(c *invocation, cat *catalog.Catalog) error {
	all := cat.Functions(c.on.schema, c.on.name)
	fits := c.fitting(all)
	if len(fits) == 1 {
		c.fn = fits[0]
		return nil
	}
	// From here on the answer names functions, so it is made of those that the role may call.
	open, err := h.callable(c.request)
	if err != nil {
		return err
	}
	closed := slices.ContainsFunc(all, open.closed)
	all = slices.DeleteFunc(slices.Clone(all), func(f *catalog.Function) bool {
		return !slices.Contains(open.Open, f.OID)
	})
	if closed && len(all) == 0 {
		return c.refused()
	}
	switch fits = c.fitting(all); len(fits) {
	case 0:
		known := cat.FunctionNames(c.on.schema)
		return c.notFound(all, slices.DeleteFunc(open.Names, func(name string) bool { return !slices.Contains(known, name) }))
	case 1:
		c.fn = fits[0]
		return nil
	}
	return c.ambiguous(fits)
}

// fitting lists the overloads that the call could mean.
func (c *invocation) fitting(all []*catalog.Function) []*catalog.Function {
	var fits []*catalog.Function
	for _, f := range all {
		if c.fits(f) {
			fits = append(fits, f)
		}
	}
	if c.whole = len(fits) == 0; c.whole {
		for _, f := range all {
			if c.fitsWhole(f) {
				fits = append(fits, f)
			}
		}
	}
	return fits
}

// fits reports whether a function can be called with arguments of the given names.
func (c *invocation) fits(f *catalog.Function) bool {
	if c.payload.whole() {
		return false
	}
	for _, p := range f.Params {
		if p.Required && !slices.Contains(c.given, p.Name) {
			return false
		}
	}
	for _, name := range c.given {
		if !slices.ContainsFunc(f.Params, func(p catalog.Param) bool { return p.Name == name }) {
			return false
		}
	}
	return true
}

// fitsWhole reports whether a function takes a body of this kind as its one unnamed argument.
func (c *invocation) fitsWhole(f *catalog.Function) bool {
	if len(f.Params) != 1 || f.Params[0].Name != "" || c.http.Method != http.MethodPost {
		return false
	}
	switch t := f.Params[0].Type; c.payload.kind {
	case typeJSON:
		return t == "json" || t == "jsonb"
	case typeText:
		return t == "text"
	case typeXML:
		return t == "xml"
	case typeBytes:
		return t == "bytea"
	}
	return false
}

// functions is what the role of a request may call in its schema.
type functions struct {
	Names []string `json:"names"`
	Open  []uint32 `json:"open"` // of the overloads of the function that is called
	All   []uint32 `json:"all"`
}

// closed says that the role may not call f, which is there.
func (fs functions) closed(f *catalog.Function) bool {
	return slices.Contains(fs.All, f.OID) && !slices.Contains(fs.Open, f.OID)
}

func (h *Handler) callable(req *request) (open functions, err error) {
	err = h.catalogJSON(req, &open, `with f as (select p.oid::bigint, p.proname::text,`+
		` has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute') as open`+
		` from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = $1 and p.prokind = 'f')`+
		` select json_build_object('names', (select coalesce(json_agg(distinct proname), '[]') from f where open),`+
		` 'open', (select coalesce(json_agg(oid), '[]') from f where proname = $2 and open),`+
		` 'all', (select coalesce(json_agg(oid), '[]') from f where proname = $2))`, req.on.schema, req.on.name)
	return open, err
}

func (c *invocation) refused() *Error {
	return &Error{Status: HTTPStatus("42501", c.as.Role), Code: "42501",
		Message: "permission denied for function " + c.on.name}
}

func (c *invocation) ambiguous(fits []*catalog.Function) *Error {
	texts := make([]string, len(fits))
	for i, f := range fits {
		params := make([]string, len(f.Params))
		for j, p := range f.Params {
			params[j] = p.Name + " => " + p.Type
		}
		texts[i] = c.on.schema + "." + c.on.name + "(" + strings.Join(params, ", ") + ")"
	}
	return &Error{Status: http.StatusMultipleChoices, Code: "PGRST203",
		Message: "Could not choose the best candidate function between: " + strings.Join(texts, ", "),
		Hint:    "Try renaming the parameters or the function itself in the database so function overloading can be resolved"}
}

// notFound is the answer when no overload fits. Both lists are of what the role may call.
func (c *invocation) notFound(overloads []*catalog.Function, names []string) *Error {
	function := c.on.schema + "." + c.on.name
	given := slices.Sorted(slices.Values(c.given))
	list := clip(strings.Join(given, ", "))
	searched := " with parameter " + list
	called := function + "(" + list + ")"
	switch len(given) {
	case 0:
		called, searched = function+" without parameters", " without parameters"
	case 1:
	default:
		searched = " with parameters " + list
	}
	post := c.http.Method == http.MethodPost
	switch {
	case !post:
	case c.payload.whole():
		called = function
		searched = map[string]string{typeText: " with a single unnamed text parameter",
			typeXML: " with a single unnamed xml parameter", typeBytes: " with a single unnamed bytea parameter"}[c.payload.kind]
	case c.payload.kind == typeJSON:
		searched += " or with a single unnamed json/jsonb parameter"
	}
	e := &Error{Status: http.StatusNotFound, Code: "PGRST202",
		Message: "Could not find the function " + called + " in the schema cache",
		Details: "Searched for the function " + function + searched + ", but no matches were found in the schema cache."}
	if c.payload.whole() {
		return e
	}
	meant := ""
	if len(overloads) == 0 {
		meant = nearest(c.on.name, names)
	} else if params := closest(given, overloads); params != "" {
		meant = c.on.name + params
	}
	if meant != "" {
		e.Hint = "Perhaps you meant to call the function " + c.on.schema + "." + meant
	}
	return e
}

// closest returns the parameters of the overload that is most like the given names, or "" when none is like them.
func closest(given []string, overloads []*catalog.Function) string {
	list := func(names []string) string {
		return "(" + strings.Join(slices.Sorted(slices.Values(names)), ", ") + ")"
	}
	want := list(given)
	best, least := "", 0.67 // of the longer one may differ
	for _, f := range overloads {
		var names []string
		for _, p := range f.Params {
			names = append(names, p.Name)
		}
		have := list(names)
		longer := max(len(want), len(have))
		if share := float64(distance(want, have, int(least*float64(longer)))) / float64(longer); share < least {
			best, least = have, share
		}
	}
	return best
}
