// Package rest serves the PostgREST dialect (wire contract, section 2) over PostgreSQL: one HTTP request becomes one
// SQL statement, PostgreSQL builds the JSON, and Go hands it on without decoding it.
//
// It is written by hand because no Go library serves this dialect. A request passes through parse.go and filter.go (a
// small syntax tree), sql.go and mutation.go (a statement with every name quoted and every value a parameter) and
// exec.go (one pipelined batch, hence one transaction, on a connection that logged in as the caller's role or becomes
// it). A plain request needs no knowledge of the schema: PostgreSQL resolves its names. Embedding, calls, defaults and
// keys need the catalog; reload.go plans a request again when the schema turns out to have changed. When a name is not
// there, hint.go asks as the caller what could have been meant.
package rest

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// Options are what the operator chose; the zero value of each but Schemas is usable.
type Options struct {
	Schemas    []string // whose tables and functions are served; the first unless a request's profile names another
	AnyProfile bool     // a profile that names no schema means the first, as clients say "public" wherever they are
	SearchPath []string // schemas that functions and casts may use besides it, such as "public" and "auth"
	MaxRows    int64    // rows that an answer to a read may have; 0 means any number
	Aggregates bool     // whether a select may ask for count(), sum(), avg(), max() and min()
	MaxBody    int64    // bytes of a request body; 0 means 8 MiB
	MaxAnswer  int64    // bytes of an answer that has to be buffered; 0 means 64 MiB
	// ReturnMinimal makes a write without a Prefer header answer no rows, as PostgREST does; else it answers its rows, as
	// Run402 does.
	ReturnMinimal bool
	Catalog       *catalog.Cache // relationships, keys and functions; nil for none, and then nothing can be embedded
	Log           *slog.Logger   // failures that are ours; never rows, claims or tokens. nil discards
}

// Session is who a request runs as. Pool logs in as Role itself, or as a login that may become Become. Its connections
// should have pgconn's CancelRequestContextWatcherHandler, so that a cancelled request costs no connection.
type Session struct {
	Pool             *pgxpool.Pool
	Role             string        // for the status of a refusal (see AnonRole) and the texts of errors
	Become           string        // the role to set for the request; "" is the login's own
	Settings         string        // a JSON object of parameters that are that role's own; "" is none
	Isolation        string        // of its transactions: "repeatable read" or "serializable"; "" is the login's own
	Unprepared       bool          // whether a pooler stands between that keeps no prepared statements
	PreRequest       string        // a function, perhaps with its schema, to call before the request's own statement
	Claims           string        // the JSON object behind request.jwt.claims
	Credentials      bool          // whether functions may see the headers that hold some, in request.headers
	StatementTimeout time.Duration // 0 means none
	LockTimeout      time.Duration // 0 means none

	schema   string // the one that the request is about
	timezone string // the one that the request prefers, or ""
}

// Handler serves some schemas. It holds no state of a request and may be shared.
type Handler struct {
	opts        Options
	searchPaths map[string][]byte // by schema
	nonce       string            // see guard
	buffers     sync.Pool         // of *[]byte, for answers
}

// New returns a Handler for opts.Schemas.
func New(opts Options) *Handler {
	if opts.MaxBody == 0 {
		opts.MaxBody = 8 << 20
	}
	if opts.MaxAnswer == 0 {
		opts.MaxAnswer = 64 << 20
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{opts: opts, searchPaths: map[string][]byte{}, nonce: rand.Text()}
	for _, schema := range opts.Schemas {
		// Temporary tables come last: they must not stand in for the project's.
		var b builder
		b.idents(slices.Concat([]string{schema}, opts.SearchPath, []string{"pg_temp"}))
		h.searchPaths[schema] = b.sql
	}
	return h
}

// Serve answers one request. The tail is the unescaped path below the mount point: "" for the OpenAPI document, "items"
// for a table or view, "rpc/fn" for a function. Method, query, headers and body are taken from r. An error that comes
// after a part of a long answer was sent panics with http.ErrAbortHandler, which net/http answers by closing.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, tail string, s Session) {
	if err := h.serve(w, r, tail, s); err != nil {
		e := asError(err, s.Role)
		if e.Status >= http.StatusInternalServerError {
			h.opts.Log.WarnContext(r.Context(), "rest request failed",
				"method", r.Method, "target", tail, "role", s.Role, "status", e.Status, "code", e.Code)
		}
		WriteError(w, r, e, s.Role)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, tail string, s Session) error {
	if !utf8.ValidString(tail) || strings.IndexByte(tail, 0) >= 0 {
		return invalidPath()
	}
	if err := h.chooseSchema(w, r, &s); err != nil {
		return err
	}
	if tail == "" || tail == "/" {
		return h.root(w, r, s)
	}
	name, call := strings.CutPrefix(tail, "rpc/")
	if name == "" || strings.Contains(name, "/") {
		return invalidPath()
	}
	switch r.Method {
	case http.MethodOptions, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut,
		http.MethodDelete:
	default:
		return methodError(r.Method)
	}
	req, err := h.handle(w, r, name, call, s)
	for tries := 1; err != nil && tries < maxTries && h.outdated(req, err); tries++ {
		req, err = h.handle(w, r, name, call, s)
	}
	if err != nil && req != nil && !call {
		return h.explain(req, err)
	}
	return err
}

// handle answers a request to a table or a function. It may be called again after an error: then nothing was sent, and
// nothing was written.
func (h *Handler) handle(w http.ResponseWriter, r *http.Request, name string, call bool, s Session) (*request, error) {
	options := r.Method == http.MethodOptions
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	req, err := h.parse(w, r, name, call && (read || options), s)
	switch {
	case err != nil:
		return nil, err
	case options:
		return req, h.options(req, call)
	case call:
		return req, h.call(req)
	}
	c, err := h.customised(req)
	if err != nil {
		return req, err
	}
	var own custom
	if c != nil {
		own = ofRows(c.Table(req.on.schema, name), c, req.query.whole())
	}
	if err := req.accept(own); err != nil {
		return req, err
	}
	if read {
		return req, h.get(req)
	}
	return req, h.write(req)
}

// chooseSchema takes the schema that the request's profile names, and says in the answer which it is where there is a
// choice.
func (h *Handler) chooseSchema(w http.ResponseWriter, r *http.Request, s *Session) error {
	header := "Content-Profile"
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		header = "Accept-Profile"
	}
	s.schema = h.opts.Schemas[0]
	profile := r.Header.Get(header)
	switch {
	case slices.Contains(h.opts.Schemas, profile):
		s.schema = profile
	case profile != "" && !h.opts.AnyProfile:
		return &Error{Status: http.StatusNotAcceptable, Code: "PGRST106", Message: "Invalid schema: " + clip(profile),
			Hint: "Only the following schemas are exposed: " + strings.Join(h.opts.Schemas, ", ")}
	}
	if len(h.opts.Schemas) > 1 || profile == s.schema {
		w.Header().Set("Content-Profile", s.schema)
	}
	return nil
}

func invalidPath() *Error {
	return &Error{Status: http.StatusNotFound, Code: "PGRST125", Message: "Invalid path specified in request URL"}
}

func methodError(method string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST117",
		Message: "Unsupported HTTP method: " + clip(method)}
}
