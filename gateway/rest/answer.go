package rest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const streamAfter = 256 << 10 // bytes of a read that are held back for the sake of a clean error

// answer joins the JSON of rows into a response body.
type answer struct {
	w      http.ResponseWriter
	r      *http.Request
	media  media
	buf    []byte
	rows   int64
	most   int64  // bytes that may be buffered
	head   func() // sends status and headers of a body that begins before its end is known; nil buffers all
	begun  bool
	binary bool // the value of a raw answer is bytea, whose text is hexadecimal
	object bool // the first row alone, without brackets: single objects and functions that return one value
}

// newAnswer returns an answer with a buffer that is to be given back with recycle.
func (h *Handler) newAnswer(req *request) *answer {
	a := &answer{w: req.w, r: req.http, media: req.media, most: h.opts.MaxAnswer}
	if buf, ok := h.buffers.Get().(*[]byte); ok {
		a.buf = (*buf)[:0]
	}
	return a
}

// recycle keeps the buffer for the next answer unless it grew large. A ResponseWriter may not retain what it is given.
func (h *Handler) recycle(a *answer) {
	if buf := a.buf; cap(buf) <= streamAfter {
		h.buffers.Put(&buf)
	}
}

// reset forgets what was read, for a retry.
func (a *answer) reset() { a.buf, a.rows = a.buf[:0], 0 }

// take reads every row of a result whose first column is JSON, or for CSV of any columns.
func (a *answer) take(rows *pgconn.ResultReader) error {
	a.columns(rows.FieldDescriptions())
	for rows.NextRow() {
		if err := a.row(rows.Values()); err != nil {
			return err
		}
	}
	return nil // an error of the statement comes with Close
}

func (a *answer) row(values [][]byte) error {
	a.rows++
	if len(values) > 1 && a.media.handled {
		a.rows, _ = strconv.ParseInt(string(values[1]), 10, 64) // count(*) is a number
	}
	var first []byte
	if len(values) > 0 { // CSV may have no columns
		first = values[0]
	}
	json := first
	if json == nil {
		json = []byte("null")
	}
	switch {
	case a.r.Method == http.MethodHead:
		return nil
	case a.media.raw && a.binary && first != nil:
		var err error
		if a.buf, err = hex.AppendDecode(a.buf, bytes.TrimPrefix(first, []byte(`\x`))); err != nil {
			return fmt.Errorf("rest: read bytea: %w", err)
		}
	case a.media.raw:
		a.buf = append(a.buf, first...)
	case a.media.csv:
		a.record(values)
	case a.object:
		if a.rows == 1 {
			a.buf = append(a.buf, json...)
		}
	case a.rows == 1:
		a.buf = append(append(a.buf, '['), json...)
	default:
		a.buf = append(append(a.buf, ','), json...)
	}
	if a.head != nil && len(a.buf) >= streamAfter {
		if !a.begun {
			a.begun = true
			a.head()
		}
		_, err := a.w.Write(a.buf)
		a.buf = a.buf[:0]
		return err
	}
	if int64(len(a.buf)) > a.most {
		e := &Error{Status: http.StatusRequestEntityTooLarge, Code: "54000",
			Message: fmt.Sprintf("the answer is larger than %d bytes", a.most), Hint: "Ask for fewer rows or columns."}
		if a.r.Method != http.MethodGet { // it may have been over when its answer was read
			e.Hint = "Whether the write took place is unknown: read before trying again, and with return=minimal."
		}
		return e
	}
	return nil
}

// contentType says what the body is, unless SQL did.
func (a *answer) contentType() {
	if h := a.w.Header(); h.Get("Content-Type") == "" {
		h.Set("Content-Type", a.media.contentType)
	}
}

// end writes what is left. Unless the body has begun, the headers but Content-Type and Content-Length are set.
func (a *answer) end(status int) {
	switch {
	case a.media.csv, a.media.raw:
	case a.object && a.rows == 0:
		a.buf = append(a.buf, "null"...)
	case !a.object && a.rows == 0:
		a.buf = append(a.buf, "[]"...)
	case !a.object:
		a.buf = append(a.buf, ']')
	}
	if !a.begun {
		h := a.w.Header()
		a.contentType()
		if a.r.Method != http.MethodHead {
			h.Set("Content-Length", strconv.Itoa(len(a.buf)))
		}
		a.w.WriteHeader(status)
	}
	if a.r.Method != http.MethodHead {
		_, _ = a.w.Write(a.buf) // the client may be gone; nobody is left to tell
	}
}

// contentRange is PostgREST's: "0-9/42", "*/0", with "*" for what is not known or empty. total is nil when not counted.
func contentRange(first, rows int64, total *int64) string {
	part, whole := "*", "*"
	if rows > 0 && (total == nil || *total != 0) {
		part = strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(first+rows-1, 10)
	}
	if total != nil {
		whole = strconv.FormatInt(*total, 10)
	}
	return part + "/" + whole
}

// commonHeaders sets what every successful answer of a table or function has.
func commonHeaders(w http.ResponseWriter, p *prefer) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	vary(h)
	if len(p.applied) > 0 {
		h.Set("Preference-Applied", strings.Join(p.applied, ", "))
	}
}

// vary names the headers of a request that its answer depends on.
func vary(h http.Header) {
	const names = "Accept, Prefer, Range"
	if !slices.Contains(h["Vary"], names) {
		h.Add("Vary", names)
	}
}
