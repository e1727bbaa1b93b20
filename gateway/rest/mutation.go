package rest

import (
	"net/http"
	"slices"
	"strconv"
)

// bodyName is the alias of the rows that come from the request body.
const bodyName = "pgrst_body"

// statement builds the write. withRows says that its rows are the JSON to answer.
//
// A write that is answered with rows, or that is limited, is a common table expression "w", so that limits are checked
// and the answer is made inside the same statement. RETURNING names only the columns that the answer needs: a role may
// write without being allowed to read.
func (m *mutation) statement() (st statement, withRows bool) {
	b := newBuilder()
	withRows = m.prefer.ret == "representation"
	guards := m.guards()
	switch {
	case m.idle(): // but its target has to exist
		b.add("select row_to_json(q.*) from (select null::")
		b.table(m.on)
		b.add(") q where false")
	case withRows:
		b.add("with w as (")
		m.dml(b)
		b.add(" returning ")
		m.returning(b)
		b.add(") ")
		rows := &over{from: func() {
			b.add("w as ")
			b.ident(m.root.at.name)
		}}
		if len(guards) > 0 {
			rows.where = func() { b.guards(m.nonce, guards, func() { b.add("w") }) }
		}
		b.rows(m.root, m.media, rows)
	case m.located():
		m.dml(b)
		b.add(" returning ")
		b.idents(m.key())
	case m.counted():
		b.add("with w as (")
		m.dml(b)
		b.add(" returning 1) select count(*) from w where ")
		b.guards(m.nonce, guards, func() { b.add("w") })
	default:
		m.dml(b)
	}
	return b.statement(), withRows
}

// idle says that an update changes nothing: its body is "{}" or "[]".
func (m *mutation) idle() bool {
	return m.http.Method == http.MethodPatch && (len(m.cols) == 0 || m.body.count == 0)
}

// located says that the answer is the place of the inserted row.
func (m *mutation) located() bool {
	return m.prefer.ret == "headers-only" && m.http.Method == http.MethodPost &&
		len(m.table.Key) > 0 && len(m.guards()) == 0
}

// counted says that rows are counted within the statement although none is answered.
func (m *mutation) counted() bool {
	return m.prefer.ret != "representation" && len(m.guards()) > 0
}

// dml writes the insert, update or delete itself.
func (m *mutation) dml(b *builder) {
	switch m.http.Method {
	case http.MethodPatch:
		m.update(b)
	case http.MethodDelete:
		b.add("delete from ")
		b.table(m.on)
		b.where(m.on, &m.query.where)
	default:
		m.insert(b)
	}
}

func (m *mutation) insert(b *builder) {
	b.add("insert into ")
	b.table(m.on)
	if len(m.cols) == 0 { // as many rows of defaults as there are objects
		b.add(" select from generate_series(1, ")
		b.text(strconv.Itoa(m.body.count))
		b.add(")")
	} else {
		b.add(" (")
		b.idents(m.cols)
		b.add(") select ")
		for i, col := range m.cols {
			if i > 0 {
				b.add(", ")
			}
			b.column(table{name: bodyName}, col)
		}
		b.add(" from ")
		m.record(b)
	}
	if m.http.Method == http.MethodPut {
		b.where(table{name: bodyName}, &m.query.where)
	}
	m.conflict(b)
}

// record writes the body as rows of the target's type. PostgreSQL reads the JSON and converts each value.
func (m *mutation) record(b *builder) {
	switch {
	case m.perRow || !containsAll(m.cols, m.body.keys) || m.parses():
		m.picked(b)
	case m.body.array:
		b.add("json_populate_recordset(")
		b.blank(m.on)
		b.add(", ")
		b.param(m.body.json)
		b.add(")")
	default:
		b.add("json_populate_record(")
		b.blank(m.on)
		b.add(", ")
		b.param(m.body.json)
		b.add(")")
	}
	b.add(" as ", bodyName)
}

// blank writes a row of the table's type whose columns are all null. It is no null itself, so PostgreSQL takes the
// columns that the JSON lacks from it as they are, and does not ask of those that are not written whether their types,
// which may be domains, allow a null.
func (b *builder) blank(t table) {
	b.add("row((null::")
	b.table(t)
	b.add(").*)::")
	b.table(t)
}

// picked writes the rows from objects that have more keys than are written, which must not even be looked at, or lack
// some that get their defaults.
func (m *mutation) picked(b *builder) {
	b.add("json_array_elements(")
	if m.body.array {
		b.param(m.body.json)
	} else {
		b.param(slices.Concat([]byte("["), m.body.json, []byte("]")))
	}
	b.add(") as pgrst_object(v), lateral json_populate_record(")
	b.blank(m.on)
	b.add(", json_build_object(")
	for i, col := range m.cols {
		if i > 0 {
			b.add(", ")
		}
		b.text(col)
		b.add("::text, ")
		value := m.defaultOf(col)
		if value != "" {
			b.add("case when pgrst_object.v -> ")
			b.text(col)
			b.add(" is null then to_json(", value, ") else ")
		}
		if parser := m.parser(col); parser != "" { // null is no JSON to it
			b.add("to_json(", parser, "(case when pgrst_object.v ->> ")
			b.text(col)
			b.add(" is not null then pgrst_object.v -> ")
			b.text(col)
			b.add(" end))")
		} else {
			b.add("pgrst_object.v -> ")
			b.text(col)
		}
		if value != "" {
			b.add(" end")
		}
	}
	b.add("))")
}

// defaultOf returns the SQL that an object without the column gets, or "" when that is null. A column that is always
// generated cannot be written, whatever the objects say.
func (m *mutation) defaultOf(column string) string {
	if !m.perRow {
		return ""
	}
	if c := m.table.Column(column); c != nil {
		return c.Default
	}
	return ""
}

func (m *mutation) conflict(b *builder) {
	resolution := m.resolution()
	if resolution == "" {
		return
	}
	target := m.target()
	b.add(" on conflict (")
	b.idents(target)
	b.add(") do ")
	if resolution == "ignore-duplicates" || len(m.cols) == 0 {
		b.add("nothing")
		return
	}
	b.add("update set ")
	cols := slices.DeleteFunc(slices.Clone(m.cols), func(c string) bool { return slices.Contains(target, c) })
	if len(cols) == 0 {
		cols = m.cols // nothing changes, but the row is answered
	}
	for i, col := range cols {
		if i > 0 {
			b.add(", ")
		}
		b.ident(col)
		b.add(" = excluded.")
		b.ident(col)
	}
	b.add(" where ", countUpdate)
}

func (m *mutation) update(b *builder) {
	b.add("update ")
	b.table(m.on)
	b.add(" set ")
	for i, col := range m.cols {
		if i > 0 {
			b.add(", ")
		}
		b.ident(col)
		if m.prefer.missing == "default" && !slices.Contains(m.body.keys, col) {
			b.add(" = default")
			continue
		}
		b.add(" = ")
		b.column(table{name: bodyName}, col)
	}
	b.add(" from ")
	m.record(b)
	b.where(m.on, &m.query.where)
}

// returning lists the columns that the answer needs.
func (m *mutation) returning(b *builder) {
	names, all := m.root.needs()
	switch {
	case all:
		b.ident(m.on.name)
		b.add(".*")
	case len(names) == 0:
		b.add("1")
	default:
		for i, name := range names {
			if i > 0 {
				b.add(", ")
			}
			b.column(m.on, name)
		}
	}
}

func (m *mutation) guards() []guard {
	var gs []guard
	if n := m.prefer.maxAffected; n != nil && (m.http.Method == http.MethodPatch || m.http.Method == http.MethodDelete) {
		gs = append(gs, guard{"max", " > ", *n})
	}
	if m.http.Method == http.MethodPut {
		gs = append(gs, guard{"key", " <> ", 1})
	}
	if m.media.single {
		gs = append(gs, guard{"one", " <> ", 1})
	}
	return gs
}
