package rest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// write answers POST, PATCH, PUT and DELETE of a table or view.
func (h *Handler) write(req *request) error {
	method := req.http.Method
	if req.query.limit != nil || req.query.offset != 0 {
		switch method {
		case http.MethodPut:
			return &Error{Status: http.StatusBadRequest, Code: "PGRST114",
				Message: "limit/offset querystring parameters are not allowed for PUT"}
		case http.MethodPatch, http.MethodDelete: // PostgREST ignores the limit and writes all rows
			return parseError("limit and offset are not allowed with %s; filter by a key instead", method)
		}
	}
	m := &mutation{request: req, nonce: h.nonce}
	if method != http.MethodDelete {
		p, err := readPayload(req.w, req.http, h.opts.MaxBody)
		if err != nil {
			return err
		}
		if m.body, err = p.rows(); err != nil {
			return err
		}
	}
	if err := m.choose(); err != nil {
		if h.opts.Catalog != nil {
			err = cmp.Or(h.describe(m), err) // that there is no such table is the graver mistake
		}
		return err
	}
	if _, err := h.plan(req); err != nil {
		return err
	}
	if m.needsTable() {
		if err := h.describe(m); err != nil {
			return err
		}
	}
	if method == http.MethodPut {
		if err := m.checkPut(); err != nil {
			return err
		}
	}
	m.root.written()
	req.written = m.cols
	return h.mutate(m)
}

// describe looks up the target in the catalog.
func (h *Handler) describe(m *mutation) error {
	c, err := h.catalog(m.request)
	if err != nil {
		return err
	}
	if m.table = c.Table(m.on.schema, m.on.name); m.table == nil {
		return &pgconn.PgError{Code: "42P01"} // as PostgreSQL would say, see explain
	}
	if m.perRow {
		for _, name := range m.cols {
			if m.table.Column(name) == nil {
				return columnMissing(m.on, name)
			}
		}
	}
	return nil
}

// columnMissing answers for a column that was to be written and does not exist.
func columnMissing(t table, name string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST204",
		Message: "Could not find the '" + name + "' column of '" + t.name + "' in the schema cache"}
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
	var end outcome
	err := h.run(req.http, req.as, batch{
		reset:      true,
		statements: []statement{st, {sql: readOutcome}},
		read: func(i int, rows *pgconn.ResultReader) error {
			if i == 1 {
				return end.read(rows)
			}
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
					location = ""
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
	m.head(affected, location)
	status, err := end.apply(req.w.Header(), m.status(affected-end.updated))
	if err != nil {
		return err
	}
	if !withRows {
		if status != http.StatusNoContent {
			req.w.Header().Set("Content-Length", "0")
		}
		req.w.WriteHeader(status)
		return nil
	}
	a.end(status)
	return nil
}

// head sets the headers of a write's answer.
func (m *mutation) head(affected int64, location string) {
	req := m.request
	var total *int64
	if req.prefer.count != "" {
		total = &affected
	}
	method := req.http.Method
	switch method {
	case http.MethodPost:
		req.prefer.drop("max-affected")
		if req.prefer.resolution != "" && len(m.target()) == 0 {
			req.prefer.drop("resolution")
		}
	case http.MethodPatch:
		req.prefer.drop("resolution")
	case http.MethodPut:
		req.prefer.drop("resolution", "missing", "max-affected")
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
}

// status is that of an answer to a write of which inserted rows were new.
func (m *mutation) status(inserted int64) int {
	switch method := m.http.Method; {
	case method == http.MethodPost && inserted == 0 && m.prefer.resolution == "merge-duplicates":
		return http.StatusOK
	case method == http.MethodPost:
		return http.StatusCreated
	case m.prefer.ret != "representation":
		return http.StatusNoContent
	case method == http.MethodPut && inserted > 0:
		return http.StatusCreated
	}
	return http.StatusOK
}

// location is the URL of an inserted row by its key, relative to the mount point.
func (m *mutation) location(values [][]byte) string {
	var b strings.Builder
	b.WriteString("/" + url.PathEscape(m.request.on.name))
	for i, name := range m.key() {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		b.WriteByte(sep)
		b.WriteString(url.QueryEscape(name) + "=")
		if values[i] == nil { // as a view may have it
			b.WriteString("is.null")
			continue
		}
		b.WriteString("eq." + url.QueryEscape(string(values[i])))
	}
	return b.String()
}

// key is the primary key of the target, in the order of PostgREST's Location: by name.
func (m *mutation) key() []string { return slices.Sorted(slices.Values(m.table.Key)) }
