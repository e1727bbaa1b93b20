// Package rest serves the PostgREST dialect (wire contract, section 2) over PostgreSQL: one HTTP request becomes one SQL
// statement, PostgreSQL builds the JSON, and Go hands it on without decoding it.
//
// It is written by hand because no Go library serves this dialect. A request passes through parse (a small syntax tree),
// build (SQL with every name quoted and every value a parameter) and exec (one pipelined batch, hence one implicit
// transaction, on a connection that logged in as the caller's role). Nothing is cached but what pgx prepares: names are
// resolved by PostgreSQL, so a change of the schema is seen by the next request.
package rest

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are what the operator chose; the zero value of each but Schema is usable.
type Options struct {
	Schema     string       // the schema whose tables and functions are served
	SearchPath []string     // schemas that functions and casts may use besides it, such as "public" and "auth"
	MaxBody    int64        // bytes of a request body; 0 means 8 MiB
	MaxAnswer  int64        // bytes of an answer that has to be buffered; 0 means 64 MiB
	Log        *slog.Logger // failures that are ours; never rows, claims or tokens. nil discards
}

// Session is who a request runs as. Pool logs in as Role itself: this package never changes the role.
type Session struct {
	Pool             *pgxpool.Pool
	Role             string        // for the status of a refusal (see AnonRole) and the texts of errors
	Claims           string        // the JSON object behind request.jwt.claims
	StatementTimeout time.Duration // 0 means none
	LockTimeout      time.Duration // 0 means none
}

// Handler serves one schema. It holds no state of a request and may be shared.
type Handler struct {
	opts Options
}

// New returns a Handler for opts.Schema.
func New(opts Options) *Handler { return &Handler{opts: opts} }

// Serve answers one request. The tail is the unescaped path below the mount point: "" for the OpenAPI document, "items"
// for a table or view, "rpc/fn" for a function. Method, query, headers and body are taken from r. An error that comes
// after a part of a long answer was sent panics with http.ErrAbortHandler, which net/http answers by closing.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, tail string, s Session) {
	WriteError(w, r, &Error{Status: http.StatusNotImplemented, Code: "PGRST000", Message: "not there yet"}, s.Role)
}
