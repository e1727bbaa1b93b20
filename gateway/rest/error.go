package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/run402/functions-mcp/core/wire"
)

// Error is an answer in PostgREST's shape that is not PostgreSQL's own: a request that could not be read, a body that
// fits no statement, an answer that is not a single row (section 2.5). Details and Hint may be empty.
type Error struct {
	Status  int    // HTTP status
	Code    string // PGRST100, or a SQLSTATE
	Message string
	Details string
	Hint    string
	List    json.RawMessage // details that are a JSON list, instead of Details; nil for none
	Header  http.Header     // what SQL wants sent with it, see raised
}

func (e *Error) Error() string { return e.Message }

// AnonRole is the role of requests without a user, whose refusals are 401 ("log in first") instead of 403.
const AnonRole = "anon"

// WriteError answers err in PostgREST's shape (section 2.5): *Error as it says, *pgconn.PgError by HTTPStatus, an
// expired deadline as 504, and anything else as 500 or 503 without its text, which could name a host.
// The role is the one the request ran as.
func WriteError(w http.ResponseWriter, r *http.Request, err error, role string) {
	e := asError(err, role)
	h := w.Header()
	h.Del("Content-Range")
	h.Del("Content-Profile")
	h.Del("Preference-Applied")
	h.Del("Location")
	h.Del("Content-Location")
	h.Del("Warning")
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	vary(h)
	h.Set("Proxy-Status", "PostgREST; error="+e.Code)
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	for name, values := range e.Header {
		h.Del(name)
		for _, value := range values {
			addHeader(h, name, value)
		}
	}
	answer := wire.PostgRESTError{Code: e.Code, Message: e.Message, Hint: orNull(e.Hint), Details: e.List}
	if e.List == nil {
		answer.Details = plainJSON(orNull(e.Details))
	}
	body := plainJSON(answer)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	}
}

// plainJSON encodes what always can be, and does not care for HTML: "=>" stays as it is.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// asError maps any failure of a request to its answer.
func asError(err error, role string) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Error{Status: http.StatusGatewayTimeout, Code: "57014",
			Message: "the request took too long and was cancelled",
			Hint:    "Whether a write took place is unknown; a read should ask for fewer rows or filter by an index."}
	}
	// Before what PostgreSQL says: a server that recovers from a crash refuses connections with a SQLSTATE.
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.SafeToRetry(err) {
		return &Error{Status: http.StatusServiceUnavailable, Code: "PGRST000",
			Message: "the database could not be reached", Hint: "Try again in a moment."}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if pg.Code == "PGRST" {
			return raised(pg)
		}
		return &Error{
			Status: statusOf(pg, role), Code: pg.Code,
			Message: pg.Message, Details: pg.Detail, Hint: pg.Hint,
		}
	}
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	if errors.As(err, &tooLong) {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "54000",
			Message: fmt.Sprintf("a row of the answer is larger than %d bytes", tooLong.MaxExpectedBodyLen),
			Hint:    "Ask for fewer columns or embedded rows. Whether a write took place is unknown."}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "PGRSTX00",
		Message: "the database connection failed during the request",
		Hint:    "Whether a write took place is unknown; read before trying again."}
}

// statusOf is the HTTP status of an error of PostgreSQL, of which a few depend on more than the SQLSTATE.
func statusOf(pg *pgconn.PgError, role string) int {
	switch {
	case pg.Code == "21000" && strings.HasSuffix(pg.Message, "requires a WHERE clause"): // the extension safeupdate
		return http.StatusBadRequest
	case pg.Code == "22023" && strings.HasPrefix(pg.Message, "role ") && strings.HasSuffix(pg.Message, "does not exist"):
		return http.StatusUnauthorized
	case pg.Code == "42883" && strings.HasPrefix(pg.Message, "function xmlagg("): // of what is no XML
		return http.StatusNotAcceptable
	}
	return HTTPStatus(pg.Code, role)
}

// HTTPStatus is the HTTP status of a SQLSTATE (section 2.5). A refused privilege (42501) is 401 for AnonRole, else 403;
// a function that raises PTxyz chooses the status xyz.
func HTTPStatus(sqlstate, role string) int {
	if len(sqlstate) != 5 {
		return http.StatusInternalServerError
	}
	if s, ok := byState[sqlstate]; ok {
		return s
	}
	if sqlstate == "42501" {
		if role == AnonRole || role == "" {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	}
	if sqlstate[:2] == "PT" {
		if n, err := strconv.Atoi(sqlstate[2:]); err == nil && n >= 200 && n <= 599 {
			return n
		}
		return http.StatusInternalServerError
	}
	if s, ok := byClass[sqlstate[:2]]; ok {
		return s
	}
	return http.StatusBadRequest
}

// byState and byClass are the constant table of section 2.5; what they do not name is 400.
var (
	byState = map[string]int{
		"21000": http.StatusInternalServerError,
		"23503": http.StatusConflict, "23505": http.StatusConflict,
		"25006": http.StatusMethodNotAllowed,
		"42P01": http.StatusNotFound, "42883": http.StatusNotFound,
		"42P17": http.StatusInternalServerError,
		"53400": http.StatusInternalServerError,
		// PostgreSQL is being stopped, recovers from a crash, or is starting.
		"57P01": http.StatusServiceUnavailable, "57P02": http.StatusServiceUnavailable,
		"57P03": http.StatusServiceUnavailable,
		"P0001": http.StatusBadRequest,
	}
	byClass = map[string]int{
		"08": 503, "53": 503, "09": 500,
		"28": 403, "0L": 403, "0P": 403,
		"25": 500, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "54": 500, "55": 500, "57": 500, "58": 500,
		"F0": 500, "HV": 500, "XX": 500, "P0": 500,
	}
)

func parseError(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST100", Message: fmt.Sprintf(format, args...)}
}
