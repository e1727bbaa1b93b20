package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/core/wire"
)

const (
	maxSQLBody   = 6 << 20  // contract section 4
	maxSQLAnswer = 64 << 20 // bytes of rows held for one answer
)

// adminSQL runs raw SQL: contract section 4. A write runs as the owner login, a read_only one as the reader.
func (g *Gateway) adminSQL(w http.ResponseWriter, r *http.Request) {
	req, err := readSQLRequest(w, r)
	if err != nil {
		writeSQLError(w, err, false)
		return
	}
	db, err := g.db.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), sqlTimeout+lockTimeout)
	defer cancel()
	result, err := runSQL(ctx, db, req, g.serviceClaims())
	if !req.ReadOnly {
		g.schema.Invalidate() // before the answer: the next request must know what this one changed
	}
	if err != nil {
		writeSQLError(w, err, req.ReadOnly)
		return
	}
	writeJSON(w, http.StatusOK, result)
}

// invalidRequest is a body that is not a request for SQL.
type invalidRequest struct{ message string }

func (e *invalidRequest) Error() string { return e.message }

func readSQLRequest(w http.ResponseWriter, r *http.Request) (wire.SQLRequest, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSQLBody))
	if err != nil {
		return wire.SQLRequest{}, fmt.Errorf("read body: %w", err)
	}
	var req wire.SQLRequest
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "application/json" {
		dec := json.NewDecoder(strings.NewReader(string(body)))
		dec.UseNumber() // a number's text is its value
		if err := dec.Decode(&req); err != nil {
			return req, &invalidRequest{`the body is not {"sql": "…", "params": […]}: ` + err.Error()}
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return req, &invalidRequest{"there is something after the JSON object in the body"}
		}
	} else {
		req.SQL = string(body)
	}
	if req.SQL == "" {
		req.SQL = req.Query
	}
	switch {
	case strings.TrimSpace(req.SQL) == "":
		return req, &invalidRequest{"there is no SQL in the request: send it as text/plain, or as {\"sql\": \"…\"}"}
	case strings.ContainsRune(req.SQL, 0):
		return req, &invalidRequest{"the SQL holds a NUL character, which PostgreSQL cannot store"}
	case req.MaxRows < 0:
		return req, &invalidRequest{"max_rows must not be negative"}
	}
	return req, nil
}

var errSQLAnswer = errors.New("the rows are larger than 64 MiB together: select less, or add a limit")

// runSQL runs one request in one explicit transaction: in an implicit one, `do $$ … commit … $$` would end the local
// settings with it. The connection is made as new when it goes back to its pool.
func runSQL(ctx context.Context, db *database, req wire.SQLRequest, claims string) (wire.SQLResult, error) {
	login := ownerLogin
	if req.ReadOnly {
		login = readerLogin
	}
	conn, err := db.pool(login).Acquire(ctx)
	if err != nil {
		return wire.SQLResult{}, fmt.Errorf("admin sql: %w", err)
	}
	defer conn.Release() // in a transaction still, after an error: the pool closes it then
	pg := conn.Conn().PgConn()
	touched := watchDDL(pg)
	defer touched.stop()

	run := sqlRun{pg: pg, space: db.space, maxRows: req.MaxRows, types: conn.Conn().TypeMap()}
	// The settings are the transaction's first query: from here on a read only one cannot be made to write.
	if err := pg.Exec(ctx, beginSQL(db.space, req.ReadOnly, claims)).Close(); err != nil {
		return wire.SQLResult{}, fmt.Errorf("admin sql: %w", err)
	}
	limits, err := newBounds(ctx, pg, db.space, req)
	if err != nil {
		return wire.SQLResult{}, err
	}
	switch {
	case req.ReadOnly || len(req.Params) > 0:
		err = run.one(ctx, req.SQL, req.Params)
	case limits != nil:
		if err = run.one(ctx, req.SQL, nil); isSeveral(err) {
			limits, err = run.inside(ctx, req, beginSQL(db.space, false, claims))
		}
	default:
		err = run.many(ctx, req.SQL)
	}
	if err == nil && limits != nil {
		err = limits.check(ctx, pg, &run.result, touched)
	}
	var notices []string
	if err == nil && pg.TxStatus() == 'T' {
		notices, err = touched.explain(ctx, pg)
	}
	if limits != nil && run.result.ran > 1 {
		notices = append(notices, "Of several statements no rows come back: select by a call of its own.")
	}
	if err != nil {
		rollback(ctx, pg)
		return wire.SQLResult{}, err
	}
	if pg.TxStatus() != 'I' { // the SQL may have said commit itself
		if err := pg.Exec(ctx, "commit").Close(); err != nil {
			return wire.SQLResult{}, fmt.Errorf("admin sql: commit: %w", err)
		}
	}
	return run.result.wire(db.space.schemas[0], notices), nil
}

// rollback ends the transaction even when the request was cancelled. Where that fails, the pool closes the connection.
func rollback(ctx context.Context, pg *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = pg.Exec(ctx, "rollback").Close()
}

func beginSQL(s space, readOnly bool, claims string) string {
	begin := "begin read write;" // whatever the login's own default was altered to
	if readOnly {
		begin = "begin read only;"
	}
	settings := [][2]string{
		{"search_path", s.path()},
		{"request.jwt.claims", claims},
		{"statement_timeout", fmt.Sprint(sqlTimeout.Milliseconds())},
		{"lock_timeout", fmt.Sprint(lockTimeout.Milliseconds())},
		{"idle_in_transaction_session_timeout", fmt.Sprint(idleTimeout.Milliseconds())},
		{"client_min_messages", "notice"},
	}
	calls := make([]string, len(settings))
	for i, s := range settings {
		calls[i] = "set_config(" + quoteLiteral(s[0]) + "," + quoteLiteral(s[1]) + ",true)"
	}
	return begin + "select " + strings.Join(calls, ",")
}
