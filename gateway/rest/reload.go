package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// maxTries is how often a request is tried whose schema keeps changing meanwhile.
const maxTries = 10

// catalog returns what the served schemas hold, and notes that the request is planned by it: see outdated.
func (h *Handler) catalog(req *request) (*catalog.Catalog, error) {
	if h.opts.Catalog == nil {
		return nil, &Error{Status: http.StatusBadRequest, Code: "PGRST200", Message: "No relationships are known here",
			Hint: "Select columns only."}
	}
	c, err := h.opts.Catalog.Get(req.http.Context())
	req.planned = c
	return c, err
}

// outdated reports whether a request failed because it was planned by a catalog that the schema has changed since. It
// asks only after a failure that could come from that; a client's own mistake costs one look at the schema, which many
// such share. A request that was planned without the catalog PostgreSQL has judged by the schema as it is.
func (h *Handler) outdated(req *request, err error) bool {
	if req == nil || req.planned == nil || !overName(err) {
		return false
	}
	next, renewal := h.opts.Catalog.Renew(req.http.Context())
	return renewal == nil && next != req.planned
}

// overName reports whether a failure is over what a schema holds: a name or type that PostgreSQL did not find or that
// does not fit, or one that the catalog does not know.
func overName(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "42501": // refused
			return false
		case "22P02", "23502", "428C9": // a text for a type, a null, a value for a generated column
			return true
		}
		return strings.HasPrefix(pg.Code, "42")
	}
	var own *Error
	return errors.As(err, &own) && strings.HasPrefix(own.Code, "PGRST2")
}
