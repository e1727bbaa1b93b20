package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// write answers POST, PATCH, PUT and DELETE of a table or view.
func (h *Handler) write(req *request) error {
	if req.query.limit != nil || req.query.offset != 0 {
		if req.http.Method == http.MethodPut {
			return &Error{Status: http.StatusBadRequest, Code: "PGRST114",
				Message: "limit/offset querystring parameters are not allowed for PUT"}
		}
		return parseError("limit and offset are not allowed with %s; filter by a key instead", req.http.Method)
	}
	var in *body
	if req.http.Method != http.MethodDelete {
		raw, err := readBody(req.w, req.http, h.opts.MaxBody)
		if err != nil {
			return err
		}
		if in, err = parseBody(raw); err != nil {
			return err
		}
	}
	key, err := h.keyFor(req)
	if err != nil {
		return err
	}
	m := &mutation{request: req, body: in, key: key, nonce: h.nonce}
	if err := m.check(); err != nil {
		return err
	}
	req.written = m.cols
	return h.mutate(m)
}

// keyFor looks up the primary key of the target when the request needs it and does not name it.
func (h *Handler) keyFor(req *request) ([]string, error) {
	p, q := req.prefer, req.query
	switch req.http.Method {
	case http.MethodPut:
		return h.primaryKey(req)
	case http.MethodPost:
		if p.resolution != "" && q.onConflict == nil {
			key, err := h.primaryKey(req)
			q.onConflict = key
			if key == nil {
				p.resolution = "" // nothing to conflict with; PostgREST inserts
				p.drop("resolution")
			}
			return key, err
		}
		if p.ret == "headers-only" {
			return h.primaryKey(req)
		}
	}
	return nil, nil
}

func (h *Handler) primaryKey(req *request) (key []string, err error) {
	err = h.run(req.http, req.as, batch{
		readOnly: true,
		statements: []statement{{`select a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace` +
			` join pg_index i on i.indrelid = c.oid and i.indisprimary` +
			` join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)` +
			` where n.nspname = $1 and c.relname = $2 order by array_position(i.indkey::int2[], a.attnum)`,
			[][]byte{[]byte(req.on.schema), []byte(req.on.name)}}},
		read: func(_ int, rows *pgconn.ResultReader) error {
			key = nil
			for rows.NextRow() {
				key = append(key, string(rows.Values()[0]))
			}
			return nil
		},
	})
	return key, err
}

// mutate runs a mutation and answers it. Everything is buffered: the answer goes out after the transaction committed.
func (h *Handler) mutate(m *mutation) error {
	req := m.request
	st, withRows := m.statement()
	a := h.newAnswer(req)
	defer h.recycle(a)
	a.object = req.media.single
	var affected int64
	var location string
	err := h.run(req.http, req.as, batch{
		reset:      true,
		statements: []statement{st},
		read: func(_ int, rows *pgconn.ResultReader) error {
			a.reset()
			affected = 0
			switch {
			case withRows:
				if err := a.take(rows); err != nil {
					return err
				}
				affected = a.rows
			case m.located():
				for ; rows.NextRow(); affected++ {
					if affected == 0 {
						location = m.location(rows.Values())
					}
				}
			case m.counted():
				for rows.NextRow() {
					affected, _ = strconv.ParseInt(string(rows.Values()[0]), 10, 64) // count(*) is a number
				}
			default:
				tag, err := rows.Close()
				affected = tag.RowsAffected()
				return err
			}
			return nil
		},
	})
	if err != nil {
		return violation(m.nonce, err)
	}
	status := m.head(affected, location)
	if !withRows {
		req.w.WriteHeader(status)
		return nil
	}
	a.end(status)
	return nil
}

// head sets the headers of a write's answer and returns its status.
func (m *mutation) head(affected int64, location string) int {
	req := m.request
	var total *int64
	if req.prefer.count != "" {
		total = &affected
	}
	method := req.http.Method
	switch method {
	case http.MethodPost:
		req.prefer.drop("max-affected")
	case http.MethodPatch:
		req.prefer.drop("resolution")
	default:
		req.prefer.drop("resolution", "missing")
	}
	commonHeaders(req.w, req.prefer)
	header := req.w.Header()
	switch method {
	case http.MethodPatch:
		header.Set("Content-Range", contentRange(0, affected, total))
	case http.MethodPost, http.MethodDelete:
		header.Set("Content-Range", contentRange(0, 0, total))
	}
	if location != "" {
		header.Set("Location", location)
	}
	switch {
	case method == http.MethodPost:
		return http.StatusCreated
	case req.prefer.ret != "representation":
		return http.StatusNoContent
	}
	return http.StatusOK
}

// location is the URL of an inserted row by its key, relative to the mount point.
func (m *mutation) location(values [][]byte) string {
	var b strings.Builder
	b.WriteString("/" + url.PathEscape(m.request.on.name))
	for i, name := range m.key {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		b.WriteByte(sep)
		b.WriteString(url.QueryEscape(name) + "=eq." + url.QueryEscape(string(values[i])))
	}
	return b.String()
}

// mutation is a write, ready to become a statement.
type mutation struct {
	*request
	body  *body    // nil for DELETE
	key   []string // the primary key, when it was needed
	nonce string
	cols  []string // the columns to write
}

// check refuses what no statement can be built for, and decides which columns are written.
func (m *mutation) check() error {
	q, b := m.query, m.body
	if b == nil {
		return nil
	}
	single := m.http.Method != http.MethodPost
	if single && b.array && b.count != 1 {
		return bodyError("the body has to be one JSON object, not an array of %d", b.count)
	}
	switch {
	case q.keys == nil && !b.same:
		return bodyError("All object keys must match")
	case q.keys == nil:
		m.cols = b.keys
	case m.prefer.missing != "default" || single:
		m.cols = q.keys
	case !b.same:
		return &Error{Status: http.StatusBadRequest, Code: "PGRST127", Message: "Feature not implemented",
			Details: "missing=default needs the same keys in every object of the body"}
	default: // a column that no object has gets its default by not being named
		for _, name := range q.keys {
			if slices.Contains(b.keys, name) {
				m.cols = append(m.cols, name)
			}
		}
	}
	switch {
	case m.http.Method == http.MethodPut:
		return m.checkPut()
	case m.http.Method == http.MethodPatch && len(m.cols) == 0 && m.media.single:
		return notSingular(0)
	}
	return nil
}

// checkPut makes sure that the filters of a PUT name one row by its primary key.
func (m *mutation) checkPut() error {
	var named []string
	for _, c := range m.query.where.kids {
		if c.join != "" || c.not || c.op != "=" || c.each != "" {
			named = nil
			break
		}
		named = append(named, c.column)
	}
	if len(named) == 0 || !sameSet(named, m.key) {
		return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST105",
			Message: "Filters must include all and only primary key columns with 'eq' operators"}
	}
	m.query.onConflict = m.key
	m.prefer.resolution = "merge-duplicates"
	return nil
}
