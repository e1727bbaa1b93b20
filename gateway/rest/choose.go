package rest

import (
	"net/http"
	"slices"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// mutation is a write, ready to become a statement.
type mutation struct {
	*request
	body   *body          // nil for DELETE
	table  *catalog.Table // when needsTable
	nonce  string
	cols   []string // the columns to write
	perRow bool     // a key that an object of the body lacks gets its column's default
}

// choose decides which columns are written.
func (m *mutation) choose() error {
	q, b := m.query, m.body
	if b == nil {
		return nil
	}
	if q.keys == nil || m.http.Method == http.MethodPut {
		m.cols = b.keys
		if !b.same {
			return keysDiffer()
		}
	} else {
		m.cols = q.keys
		m.perRow = m.http.Method == http.MethodPost && m.prefer.missing == "default" && b.count > 0 &&
			(!b.same || !containsAll(b.keys, q.keys))
	}
	if slices.Contains(m.cols, "") {
		return columnMissing(m.on, "")
	}
	if m.http.Method == http.MethodPatch && b.count > 1 {
		return bodyError("the body has to be one JSON object, not an array of %d", b.count)
	}
	if m.idle() && m.media.single {
		return notSingular(0)
	}
	return nil
}

// needsTable says that the statement or its answer depends on what the catalog knows of the target: on its primary key,
// or on its columns' defaults.
func (m *mutation) needsTable() bool {
	switch m.http.Method {
	case http.MethodPut:
		return true
	case http.MethodPost:
		return m.perRow || m.prefer.ret == "headers-only" || m.prefer.resolution != "" && m.query.onConflict == nil
	}
	return m.perRow
}

// target is the columns whose conflict makes an upsert: those that on_conflict names, else the primary key.
func (m *mutation) target() []string {
	switch {
	case m.http.Method == http.MethodPost && m.query.onConflict != nil:
		return m.query.onConflict
	case m.table != nil:
		return m.table.Key
	}
	return nil
}

// resolution says what happens on such a conflict: "", "merge-duplicates" or "ignore-duplicates".
func (m *mutation) resolution() string {
	switch {
	case m.http.Method == http.MethodPut:
		return "merge-duplicates"
	case m.http.Method != http.MethodPost || len(m.target()) == 0:
		return "" // without a key there is nothing to conflict with, so PostgREST inserts
	}
	return m.prefer.resolution
}

// checkPut makes sure that the filters of a PUT name one row by its primary key, which its body has to have too.
func (m *mutation) checkPut() error {
	var named []string
	for _, c := range m.query.where.kids {
		if c.join != "" || c.not || c.op != "=" || c.each != "" || len(c.path) > 0 {
			named = nil
			break
		}
		named = append(named, c.column)
	}
	if len(named) == 0 || !sameSet(named, m.table.Key) {
		return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST105",
			Message: "Filters must include all and only primary key columns with 'eq' operators"}
	}
	if !containsAll(m.cols, named) {
		return keyMismatch()
	}
	return nil
}

func containsAll(set, names []string) bool {
	for _, name := range names {
		if !slices.Contains(set, name) {
			return false
		}
	}
	return true
}
