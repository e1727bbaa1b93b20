package core

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

// SQL runs raw admin SQL. Only a backend that honours wire.HonoursReadOnlySQL is sent ReadOnly, MaxRows and Destroy. To
// another one a ReadOnly statement goes as the subquery of a SELECT, which refuses writes except those of a function
// that the statement calls; MaxRows or Destroy without ReadOnly fails with code NOT_SUPPORTED, since nothing could undo
// the write. Both counters of the result are filled when the backend sent either.
func (db AdminDB) SQL(ctx context.Context, req wire.SQLRequest) (wire.SQLResult, error) {
	const op = "sql"
	if req.SQL == "" {
		req.SQL = req.Query
	}
	if req.Query = ""; strings.TrimSpace(req.SQL) == "" {
		return wire.SQLResult{}, notSent(op, CodeInvalidQuery, "the SQL is empty", "Give one statement.")
	}
	header, err := db.plane.bearer(op)
	if err != nil {
		return wire.SQLResult{}, err
	}
	project, err := db.plane.project(op)
	if err != nil {
		return wire.SQLResult{}, err
	}
	reads, cut := req.ReadOnly, 0
	if (req.ReadOnly || req.MaxRows > 0 || req.Destroy != "") && !db.conn.honours(ctx, wire.HonoursReadOnlySQL) {
		if !req.ReadOnly {
			return wire.SQLResult{}, notSent(op, CodeNotSupported, "this backend cannot bound what SQL writes",
				"Leave max_rows out, or put a condition into the statement.")
		}
		cut = req.MaxRows
		req = asSubquery(req)
	}
	body, contentType, err := sqlBody(req)
	if err != nil {
		return wire.SQLResult{}, notSent(op, CodeInvalidQuery, "the parameters cannot be sent: "+err.Error(), "")
	}
	header["Content-Type"] = []string{contentType}
	ans, err := db.conn.send(ctx, request{
		op: op, method: http.MethodPost, path: wire.AdminSQL(project), rawPath: wire.AdminSQL(url.PathEscape(project)),
		header: header, body: body, reads: reads,
	})
	if !reads {
		db.conn.wroteSQL.Store(time.Now().UnixNano())
	}
	if err != nil {
		return wire.SQLResult{}, err
	}
	var res wire.SQLResult
	if err := json.Unmarshal(ans.body, &res); err != nil {
		return wire.SQLResult{}, invalidAnswer(op, ans.status, err)
	}
	if res.RowCount == nil {
		res.RowCount = res.RowCount2
	}
	if cut > 0 && len(res.Rows) > cut {
		res.Rows, res.Truncated = res.Rows[:cut:cut], true
		n := int64(cut)
		res.RowCount = &n
	}
	res.RowCount2 = res.RowCount
	return res, nil
}

// sqlBody encodes a request: JSON only where plain text cannot say it (section 4).
func sqlBody(req wire.SQLRequest) (body []byte, contentType string, err error) {
	if len(req.Params) == 0 && !req.ReadOnly && req.MaxRows == 0 && req.Destroy == "" {
		return []byte(req.SQL), "text/plain", nil
	}
	body, err = encode(req)
	return body, "application/json", err
}

// asSubquery rewrites a read-only request for a backend that knows none. The parameter that it adds makes the backend
// use PostgreSQL's extended protocol, which refuses a second statement; and a statement that begins with this SELECT
// can neither hold a data-modifying WITH nor SELECT INTO. One row beyond MaxRows tells that there are more.
func asSubquery(req wire.SQLRequest) wire.SQLRequest {
	guard := len(req.Params) + 1
	// The line feed ends a comment that the statement may end with.
	text := fmt.Sprintf("select * from (%s\n) q where $%d::text is null", trimStatement(req.SQL), guard)
	if req.MaxRows > 0 {
		text += fmt.Sprintf(" limit %d", req.MaxRows+1)
	}
	return wire.SQLRequest{SQL: text, Params: append(slices.Clone(req.Params), nil)}
}

// trimStatement drops the blanks and semicolons at the end of a statement.
func trimStatement(sql string) string {
	return strings.TrimRight(sql, "; \t\r\n\f\v")
}
