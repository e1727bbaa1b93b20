package rest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// outcome is what a transaction left behind for its answer, beside its rows.
type outcome struct {
	status  int                 // what SQL set response.status to, or 0
	headers []map[string]string // what SQL set response.headers to
	updated int64               // rows that an upsert found in place
	err     error               // one of them is not what it has to be
}

// readOutcome is the statement for outcome.read.
const readOutcome = `select current_setting('response.status', true),` +
	` current_setting('response.headers', true), current_setting('pgrst.updated', true)`

// countUpdate is a condition of "on conflict do update" that is always true and counts the rows that it is asked about.
// PostgreSQL does not tell them from new ones, and a role may write without being allowed to read.
const countUpdate = `set_config('pgrst.updated',` +
	` (coalesce(nullif(current_setting('pgrst.updated', true), ''), '0')::bigint + 1)::text, true) is not null`

func (o *outcome) read(rows *pgconn.ResultReader) error {
	*o = outcome{}
	for rows.NextRow() {
		v := rows.Values()
		o.updated, _ = strconv.ParseInt(string(v[2]), 10, 64) // nothing, or a number by countUpdate
		if len(v[0]) > 0 {
			var err error
			if o.status, err = strconv.Atoi(string(v[0])); err != nil || o.status < 200 || o.status > 599 {
				o.err = &Error{Status: http.StatusInternalServerError, Code: "PGRST112",
					Message: "response.status guc must be a valid status code"}
			}
		}
		if len(v[1]) > 0 && (json.Unmarshal(v[1], &o.headers) != nil || !singleKeys(o.headers)) {
			o.err = &Error{Status: http.StatusInternalServerError, Code: "PGRST111",
				Message: "response.headers guc must be a JSON array composed of objects with a single key and a string value"}
		}
	}
	return nil
}

// apply is shape, or the error of what SQL wants. By then the transaction was committed: it is about the answer alone.
func (o *outcome) apply(h http.Header, status int) (int, error) { return o.shape(h, status), o.err }

// shape gives SQL the last word on the headers, and returns the status: SQL's, or the one given.
func (o *outcome) shape(h http.Header, status int) int {
	if o.err != nil {
		return status
	}
	for _, header := range o.headers {
		for name := range header {
			h.Del(name)
		}
	}
	for _, header := range o.headers {
		for name, value := range header {
			addHeader(h, name, value)
		}
	}
	if o.status != 0 {
		return o.status
	}
	return status
}

func singleKeys(list []map[string]string) bool {
	for _, m := range list {
		if len(m) != 1 {
			return false
		}
	}
	return list != nil
}

// addHeader adds a header that SQL chose, but for those that say where the message ends: they are the server's.
func addHeader(h http.Header, name, value string) {
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade":
	default:
		h.Add(name, value)
	}
}
