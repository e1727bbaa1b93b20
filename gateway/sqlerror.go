package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// writeSQLError answers in the envelope, with the texts that clients know: contract section 4.
func writeSQLError(w http.ResponseWriter, err error, readOnly bool) {
	var (
		invalid  *invalidRequest
		tooLarge *http.MaxBytesError
		tooMany  *tooManyRows
		destroys *destruction
		connect  *pgconn.ConnectError
		pg       *pgconn.PgError
	)
	e := wire.Error{Category: "validation", SafeToRetry: true, MutationState: "rolled_back"}
	status := http.StatusBadRequest
	switch {
	case errors.As(err, &invalid):
		e.Code, e.Message, e.MutationState = "INVALID_REQUEST", invalid.message, "none"
	case errors.As(err, &tooLarge):
		status, e = http.StatusRequestEntityTooLarge, auth.BodyTooLarge(maxSQLBody)
	case errors.As(err, &tooMany):
		e.Code, e.Message = "MAX_ROWS_EXCEEDED", tooMany.Error()
		e.Details = details(map[string]any{"affected": tooMany.affected, "max_rows": tooMany.allowed})
	case errors.As(err, &destroys):
		e.Code, e.Message = "DESTRUCTIVE_SQL", destroys.Error()
		e.Details, _ = json.Marshal(destroys.details()) // strings and numbers: it cannot fail
	case errors.Is(err, errSQLAnswer):
		status, e.Code, e.Message = http.StatusRequestEntityTooLarge, "ANSWER_TOO_LARGE", err.Error()
	case errors.As(err, &connect): // before what PostgreSQL says: one that recovers from a crash says so with a SQLSTATE
		status, e.Code, e.Category = http.StatusServiceUnavailable, "DATABASE_UNAVAILABLE", "local"
		e.Message = "the database could not be reached: try again in a moment"
		e.Retryable, e.MutationState = true, "none"
	case errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "57P0"): // PostgreSQL ends the session, or itself
		status = refusedSQL(&e, pg, readOnly)
	default:
		status, e.Code, e.Category = http.StatusServiceUnavailable, "DATABASE_UNAVAILABLE", "local"
		e.Message = "the database did not answer; whether the statement took effect is not known"
		e.Retryable, e.SafeToRetry, e.MutationState = true, readOnly, "unknown"
		if readOnly {
			e.MutationState = "none"
		}
	}
	auth.WriteError(w, status, e)
}

// refusedSQL says what PostgreSQL refused. A missing privilege is what other gateways look for in the text.
func refusedSQL(e *wire.Error, pg *pgconn.PgError, readOnly bool) (status int) {
	const blocked = "Blocked SQL pattern: "
	e.Code, e.Message, e.Hint = "SQL_ERROR", "SQL error: "+pg.Message, pg.Hint
	e.Details = details(map[string]any{"sqlstate": pg.Code, "position": pg.Position, "detail": pg.Detail})
	switch pg.Code {
	case "42501", "25006":
		e.Code, e.Category, e.Message = "FORBIDDEN", "auth", blocked+pg.Message
		if readOnly {
			e.Hint = "this ran with read_only, as a login that may only read"
		}
		if pg.Code == "25006" { // "cannot execute SELECT in a read-only transaction" may be about a WITH that deletes
			e.Message = blocked + "the statement writes (" + pg.Message + ")"
		}
		return http.StatusForbidden
	case "42601":
		if pg.Message == "cannot insert multiple commands into a prepared statement" {
			e.Hint = "with read_only, or with params, send one statement at a time"
		}
	case "57014":
		e.Message = fmt.Sprintf("SQL error: %s (the limit is %s)", pg.Message, sqlTimeout)
	case "40001", "40P01", "55P03":
		e.Retryable = true
	}
	return http.StatusBadRequest
}

// details drops what is empty; the rest is known to be JSON.
func details(fields map[string]any) json.RawMessage {
	for name, value := range fields {
		if value == "" || value == int32(0) {
			delete(fields, name)
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return raw
}
