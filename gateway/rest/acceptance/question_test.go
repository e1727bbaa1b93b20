package acceptance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// question is one request, which writes itself as a URL and, on its own, as SQL.
type question struct {
	method  string // GET, POST, PATCH or DELETE
	table   string
	columns []string
	where   []condition
	embeds  []embed
	order   string // "n.desc"; ties are broken by id
	limit   int    // -1: none
	offset  int
	rows    []map[string]cell // to write; one for PATCH
	upsert  string            // "", "merge" or "ignore"
	minimal bool
	called  bool // the rows come from the function some_<table>(5), which answers those with ids above it
	counted bool
}

// cell is a value to write; text is nil for null.
type cell struct{ text *string }

// condition is a filter, or a junction of them when it has kids.
type condition struct {
	not      bool
	junction string // "and", "or"
	kids     []condition
	column   string // "n", "j->>k"
	op       string // as in the URL
	value    string
}

// embed is what is nested into the rows: the key, how it is joined, and which of it.
type embed struct {
	key, target string // "h", "halls"
	one         bool
	join        string // SQL that joins the target, as %[1]s, to the outer row, as %[2]s
	inner       bool
	spread      bool // columns go into the outer row, with the key before their names
	columns     []string
	where       []condition
	null        string // "", "is.null" or "not.is.null" asked of it
	embeds      []embed
}

var joins = map[string][]embed{
	"chairs": {{target: "halls", one: true, join: "from halls %[1]s where %[1]s.id = %[2]s.hall"}},
	"halls": {
		{target: "chairs", join: "from chairs %[1]s where %[1]s.hall = %[2]s.id"},
		{target: "guests", join: "from guests %[1]s, passes x%[1]s where x%[1]s.hall = %[2]s.id and x%[1]s.guest = %[1]s.id"},
	},
	"guests": {{target: "halls", join: "from halls %[1]s, passes x%[1]s where x%[1]s.guest = %[2]s.id and x%[1]s.hall = %[1]s.id"}},
}

// embedded are what a question nests into the rows of a table.
func (w *world) embedded(table string, depth int) (out []embed) {
	for _, e := range joins[table] {
		if depth == 0 || w.IntN(3) > 0 {
			continue
		}
		e.key, e.columns, e.inner, e.where = e.target[:1]+"x", w.columns(), w.IntN(3) == 0, w.conditions(1)
		switch {
		case e.one && w.IntN(3) == 0:
			e.spread = true
		case !e.inner && depth == 2:
			e.null = pickOf(w.Rand, "", "", "is.null", "not.is.null")
		}
		if !e.spread {
			e.embeds = w.embedded(e.target, depth-1)
		}
		out = append(out, e)
	}
	return out
}

func (w *world) question() question {
	q := question{
		method: pickOf(w.Rand, http.MethodGet, http.MethodGet, http.MethodGet, http.MethodGet,
			http.MethodPost, http.MethodPatch, http.MethodDelete),
		table: pickOf(w.Rand, "halls", "chairs", "guests"), columns: w.columns(), limit: -1,
		minimal: w.IntN(4) == 0,
	}
	switch q.method {
	case http.MethodPost:
		q.upsert = pickOf(w.Rand, "", "", "merge", "ignore")
		names := w.written(q.table)
		for i := range 1 + w.IntN(3) {
			row := w.row(names)
			id := fmt.Sprint(w.IntN(16) + 20*i) // no two of one statement are the same
			row["id"] = cell{&id}
			q.rows = append(q.rows, row)
		}
		return q
	case http.MethodPatch:
		q.rows = []map[string]cell{w.row(w.written(q.table)[1:])}
	case http.MethodGet:
		q.embeds = w.embedded(q.table, 2)
		q.called = w.IntN(5) == 0
		q.counted = w.IntN(3) == 0
		if w.IntN(2) == 0 {
			q.order = pickOf(w.Rand, "n", "n.desc", "s.asc.nullsfirst", "d.desc.nullslast", "b")
		}
		if w.IntN(3) == 0 {
			q.limit, q.offset = w.IntN(5), w.IntN(3)
		}
	}
	q.where = w.conditions(2)
	if q.method != http.MethodGet && len(q.where) == 0 {
		q.where = []condition{{column: "n", op: "gt", value: fmt.Sprint(w.IntN(9))}}
	}
	return q
}

// columns to answer; id is always among them.
func (w *world) columns() []string {
	out := []string{"id"}
	for _, c := range columns[1:] {
		if w.IntN(3) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// written are the columns that a write names, id first.
func (w *world) written(table string) []string {
	out := []string{"id", "o"}
	for _, c := range columns[1:] {
		if c != "o" && w.IntN(2) == 0 {
			out = append(out, c)
		}
	}
	if table == "chairs" && w.IntN(2) == 0 {
		out = append(out, "hall")
	}
	return out
}

func (w *world) row(names []string) map[string]cell {
	row := map[string]cell{}
	for _, name := range names {
		row[name] = cell{}
		if text, ok := w.value(name); ok {
			row[name] = cell{&text}
		}
	}
	return row
}

func (w *world) conditions(depth int) (out []condition) {
	for range pickOf(w.Rand, 0, 0, 1, 1, 2) {
		out = append(out, w.filter(depth))
	}
	return out
}

func (w *world) filter(depth int) condition {
	if depth > 0 && w.IntN(4) == 0 {
		c := condition{not: w.IntN(3) == 0, junction: pickOf(w.Rand, "and", "or", "or")}
		for range 1 + w.IntN(3) {
			c.kids = append(c.kids, w.filter(depth-1))
		}
		return c
	}
	c := condition{not: w.IntN(5) == 0, column: pickOf(w.Rand, append(columns, "j->>k", "j->n", "j->a->1->>k")...)}
	text := func(column string) string {
		s, _ := w.value(column)
		return s
	}
	switch c.column {
	case "j":
		c.op, c.value = pickOf(w.Rand, "cs", "cd"), pickOf(w.Rand, `{"k": "v"}`, `{"n": 5}`, `[1]`)
	case "j->n":
		c.op, c.value = pickOf(w.Rand, "eq", "gt", "lte"), fmt.Sprint(w.IntN(6))
	case "tags":
		c.op, c.value = pickOf(w.Rand, "cs", "cd", "ov", "eq"), pickOf(w.Rand, "{x}", "{x,y,z}", "{}")
	case "b":
		c.op, c.value = "is", pickOf(w.Rand, "true", "false", "null", "unknown", "not_null")
	case "s", "o", "j->>k", "j->a->1->>k":
		c.op = pickOf(w.Rand, "eq", "neq", "gt", "like", "ilike", "in", "is", "isdistinct", "match")
		switch c.value = text(strings.TrimPrefix(c.column, "j->>")); c.op {
		case "like", "ilike":
			c.value = pickOf(w.Rand, "a*", "*B*", "%c", "100\\%", "_b_")
		case "match":
			c.value = pickOf(w.Rand, "^a", "b.*c$", "x|z")
		case "is":
			c.value = pickOf(w.Rand, "null", "not_null")
		}
	default:
		c.op = pickOf(w.Rand, "eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "isdistinct", "eq(any)", "gt(all)")
		for c.value == "" {
			c.value = text(c.column)
		}
		if c.op == "is" {
			c.value = pickOf(w.Rand, "null", "not_null")
		}
		if w.full && w.IntN(20) == 0 { // where a column may not be read, the gateway does not tell its type
			c.op, c.value = "eq", "klingon"
		}
	}
	return c
}

// As a URL.

func (q question) url() string {
	v := url.Values{}
	v.Set("select", items(v, "", q.columns, q.embeds))
	for _, c := range q.where {
		c.query(v, "")
	}
	if q.method == http.MethodGet {
		v.Set("order", strings.TrimPrefix(q.order+",id", ","))
		if q.limit >= 0 {
			v.Set("limit", fmt.Sprint(q.limit))
			v.Set("offset", fmt.Sprint(q.offset))
		}
	}
	path := q.table
	if q.called {
		path = "rpc/some_" + q.table
		v.Set("above", "5")
	}
	return path + "?" + strings.ReplaceAll(v.Encode(), "+", "%20")
}

// items is the select, and adds what the embeddings need besides; prefix is their path.
func items(v url.Values, prefix string, columns []string, embeds []embed) string {
	out := slices.Clone(columns)
	for _, e := range embeds {
		inner, path := "", prefix+e.key+"."
		if e.inner {
			inner = "!inner"
		}
		if e.spread {
			path = prefix + e.target + "."
			var named []string
			for _, c := range e.columns {
				named = append(named, e.key+"_"+c+":"+c)
			}
			out = append(out, "..."+e.target+inner+"("+strings.Join(named, ",")+")")
		} else {
			out = append(out, e.key+":"+e.target+inner+"("+items(v, path, e.columns, e.embeds)+")")
		}
		for _, c := range e.where {
			c.query(v, path)
		}
		if !e.one {
			v.Set(path+"order", "id")
		}
		if e.null != "" {
			v.Add(prefix+e.key, e.null)
		}
	}
	return strings.Join(out, ",")
}

// query adds the condition as a parameter.
func (c condition) query(v url.Values, prefix string) {
	if c.junction == "" {
		name, value, _ := strings.Cut(c.text(false), "\x00")
		v.Add(prefix+name, value)
		return
	}
	key := c.junction
	if c.not {
		key = "not." + key
	}
	v.Add(prefix+key, c.list())
}

func (c condition) list() string {
	var kids []string
	for _, k := range c.kids {
		kids = append(kids, strings.ReplaceAll(k.text(true), "\x00", "."))
	}
	return "(" + strings.Join(kids, ",") + ")"
}

// text is the condition with a NUL between its column and the rest; nested ones quote their values.
func (c condition) text(nested bool) string {
	not := ""
	if c.not {
		not = "not."
	}
	if c.junction != "" {
		return not + c.junction + c.list()
	}
	quoted := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	value := c.value
	switch {
	case c.op == "in":
		value = "(" + quoted(value) + ",zzz)"
		if c.column == "id" || c.column == "n" {
			value = "(" + c.value + ",3)"
		}
		if c.column == "d" {
			value = "(" + c.value + ",2024-06-01)"
		}
	case strings.HasSuffix(c.op, ")"):
		value = "{" + value + "," + value + "}"
	case nested && c.op != "is":
		value = quoted(value)
	}
	return c.column + "\x00" + not + c.op + "." + value
}

func (q question) prefer() string {
	out := "Prefer: return=representation"
	if q.minimal {
		out = "Prefer: return=minimal"
	}
	if q.counted {
		out += ", count=exact"
	}
	switch q.upsert {
	case "merge":
		out += ", resolution=merge-duplicates"
	case "ignore":
		out += ", resolution=ignore-duplicates"
	}
	return out
}
