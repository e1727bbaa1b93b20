package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// body is the JSON to write.
func (q question) body() string {
	if len(q.rows) == 0 {
		return ""
	}
	var rows []map[string]any
	for _, r := range q.rows {
		row := map[string]any{}
		for name, c := range r {
			switch {
			case c.text == nil:
				row[name] = nil
			case name == "j":
				row[name] = json.RawMessage(*c.text)
			case name == "id" || name == "n" || name == "b":
				row[name] = json.RawMessage(*c.text)
			default:
				row[name] = *c.text
			}
		}
		rows = append(rows, row)
	}
	var raw []byte
	if q.method == http.MethodPatch {
		raw, _ = json.Marshal(rows[0]) // texts of valid JSON
	} else {
		raw, _ = json.Marshal(rows)
	}
	return string(raw)
}

// sql is the question as a person would write it, one JSON text for each row.
func (q question) sql() string {
	switch q.method {
	case http.MethodGet:
		return "select row_to_json(r) from (" + q.selection() + ") r"
	case http.MethodPost:
		names := slices.Sorted(maps.Keys(q.rows[0]))
		var rows []string
		for _, r := range q.rows {
			var cells []string
			for _, name := range names {
				cells = append(cells, r[name].sql())
			}
			rows = append(rows, "("+strings.Join(cells, ", ")+")")
		}
		dml := "insert into " + q.table + " (" + strings.Join(names, ", ") + ") values " + strings.Join(rows, ", ")
		switch q.upsert {
		case "ignore":
			dml += " on conflict (id) do nothing"
		case "merge":
			var sets []string
			for _, name := range names {
				sets = append(sets, name+" = excluded."+name)
			}
			dml += " on conflict (id) do update set " + strings.Join(sets, ", ")
		}
		return q.returning(dml)
	case http.MethodPatch:
		var sets []string
		for _, name := range slices.Sorted(maps.Keys(q.rows[0])) {
			sets = append(sets, name+" = "+q.rows[0][name].sql())
		}
		return q.returning("update " + q.table + " t set " + strings.Join(sets, ", ") + where("t", q.where))
	}
	return q.returning("delete from " + q.table + " t" + where("t", q.where))
}

func (c cell) sql() string {
	if c.text == nil {
		return "null"
	}
	return quote(*c.text)
}

func (q question) returning(dml string) string {
	if q.minimal {
		return dml
	}
	return "with w as (" + dml + " returning " + strings.Join(q.columns, ", ") + ") select row_to_json(w) from w"
}

func (q question) from() string {
	if q.called {
		return "some_" + q.table + "(5) t"
	}
	return q.table + " t"
}

// conditions are those on the rows themselves, and those that embeddings put on them.
func (q question) conditions() string {
	all := where("t", q.where)
	for _, e := range q.embeds {
		switch {
		case e.inner, e.null == "not.is.null":
			all = and(all, e.matches("t"))
		case e.null == "is.null":
			all = and(all, "not "+e.matches("t"))
		}
	}
	return all
}

// count is SQL for how many rows there are without a limit.
func (q question) count() string {
	return "select to_json(count(*))::text from " + q.from() + q.conditions()
}

func (q question) selection() string {
	sql := "select " + selected("t", q.columns, q.embeds) + " from " + q.from() + q.conditions() + " order by "
	if name, rest, _ := strings.Cut(q.order, "."); name != "" {
		sql += "t." + name
		for _, word := range strings.Split(rest, ".") {
			sql += " " + strings.Replace(word, "nulls", "nulls ", 1)
		}
		sql += ", "
	}
	sql += "t.id"
	if q.limit >= 0 {
		sql += fmt.Sprintf(" limit %d offset %d", q.limit, q.offset)
	}
	return sql
}

func selected(row string, columns []string, embeds []embed) string {
	var out []string
	for _, c := range columns {
		out = append(out, row+"."+c)
	}
	for _, e := range embeds {
		out = append(out, e.item(row))
	}
	return strings.Join(out, ", ")
}

// rows is what is embedded into an outer row, from FROM on.
func (e embed) rows(outer string) string {
	row := outer + "e"
	sql := fmt.Sprintf(e.join, row, outer) + also(row, e.where)
	for _, n := range e.embeds {
		if n.inner {
			sql += " and " + n.matches(row)
		}
	}
	return sql
}

func (e embed) matches(outer string) string { return "exists (select " + e.rows(outer) + ")" }

// item is what is embedded, as subqueries.
func (e embed) item(outer string) string {
	if e.spread {
		var out []string
		for _, c := range e.columns {
			out = append(out, "(select "+outer+"e."+c+" "+e.rows(outer)+") as "+e.key+"_"+c)
		}
		return strings.Join(out, ", ")
	}
	inside := "select " + selected(outer+"e", e.columns, e.embeds) + " " + e.rows(outer)
	if e.one {
		return "(select row_to_json(made) from (" + inside + ") made) as " + e.key
	}
	return "(select coalesce(json_agg(row_to_json(made) order by made.id), '[]') from (" + inside + ") made) as " + e.key
}

func and(conditions, more string) string {
	if conditions == "" {
		return " where " + more
	}
	return conditions + " and " + more
}

func where(t string, cs []condition) (out string) {
	for _, c := range cs {
		out = and(out, c.sql(t))
	}
	return out
}

func also(t string, cs []condition) (out string) {
	for _, c := range cs {
		out += " and " + c.sql(t)
	}
	return out
}

var sqlOperators = map[string]string{
	"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "like", "ilike": "ilike", "match": "~",
	"cs": "@>", "cd": "<@", "ov": "&&", "isdistinct": "is distinct from",
}

func (c condition) sql(t string) string {
	not := ""
	if c.not {
		not = "not "
	}
	if c.junction != "" {
		var kids []string
		for _, k := range c.kids {
			kids = append(kids, k.sql(t))
		}
		return not + "(" + strings.Join(kids, " "+c.junction+" ") + ")"
	}
	left := t + "." + c.column
	switch c.column {
	case "j->>k":
		left = "(" + t + ".j ->> 'k')"
	case "j->n":
		left = "(" + t + ".j -> 'n')"
	case "j->a->1->>k":
		left = "(" + t + ".j -> 'a' -> 1 ->> 'k')"
	}
	value := c.value
	switch c.op {
	case "is":
		return not + "(" + left + " is " + strings.Replace(value, "_", " ", 1) + ")"
	case "in":
		other := "'zzz'"
		switch c.column {
		case "id", "n":
			other = "3"
		case "d":
			other = "'2024-06-01'"
		}
		return not + "(" + left + " in (" + quote(value) + ", " + other + "))"
	case "eq(any)":
		return not + "(" + left + " = any ('{" + value + "," + value + "}'))"
	case "gt(all)":
		return not + "(" + left + " > all ('{" + value + "," + value + "}'))"
	case "like", "ilike":
		value = strings.ReplaceAll(value, "*", "%")
	}
	return not + "(" + left + " " + sqlOperators[c.op] + " " + quote(value) + ")"
}
