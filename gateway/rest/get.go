package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// request is one parsed request to a table or a function.
type request struct {
	http   *http.Request
	w      http.ResponseWriter
	on     table
	query  *query
	prefer *prefer
	media  media
	as     Session

	function bool             // the target is one
	written  []string         // the columns that a write sets, for errors
	planned  *catalog.Catalog // what the request was planned by; nil when it needed none
	root     *resource        // the plan of what is selected, for errors; nil before there is one
	location string           // for Content-Location; "" for none
}

// parse reads everything but the body.
func (h *Handler) parse(w http.ResponseWriter, r *http.Request, name string, call bool, s Session) (*request, error) {
	q, err := parseQuery(r.URL.RawQuery, call)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet {
		if err := q.parseRange(r.Header.Get("Range")); err != nil {
			return nil, err
		}
	}
	p, err := parsePrefer(r.Header.Values("Prefer"), h.opts.ReturnMinimal)
	if err != nil {
		return nil, err
	}
	s.timezone = p.timezone
	return &request{http: r, w: w, on: table{s.schema, name}, query: q, prefer: p, as: s}, nil
}

// get answers GET and HEAD of a table or view.
func (h *Handler) get(req *request) error {
	req.prefer.drop("resolution", "missing", "return", "max-affected")
	root, err := h.plan(req)
	if err != nil {
		return err
	}
	req.location = "/" + url.PathEscape(req.on.name) + sorted(req.http.URL.RawQuery)
	return h.read(req, root, nil)
}

// sorted is a query string, with its "?", whose parameters are in the order of the alphabet: then the same request has
// the same Content-Location.
func sorted(raw string) string {
	if raw == "" {
		return ""
	}
	if !strings.Contains(raw, "&") {
		return "?" + raw
	}
	pairs := strings.Split(raw, "&")
	slices.SortStableFunc(pairs, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return "?" + strings.Join(pairs, "&")
}

// read answers the rows of a tree: of its table, or of what src makes of a statement. They are sent as they come. A
// total that was asked for comes with them: the exact one is counted by the same statement, the planner's guess first.
func (h *Handler) read(req *request, root *resource, src func(*builder) *over) error {
	c := counting{kind: req.prefer.count, most: h.opts.MaxRows}
	return h.answer(req, c.statements(root, req.media, src), &c)
}

// answer runs statements of which the last reads rows, and sends those.
func (h *Handler) answer(req *request, statements []statement, c *counting) error {
	a := h.newAnswer(req)
	defer h.recycle(a)
	a.object = req.media.single
	var end outcome
	head := func(rows int64) int {
		return end.shape(req.w.Header(), h.headRows(req, rows, c.total()))
	}
	var cut *time.Timer
	if !a.object && !req.media.handled {
		a.head = func() {
			cut = cutAfter(req.w, req.as.StatementTimeout)
			status := head(a.expected(req.query, c.total()))
			a.contentType()
			req.w.WriteHeader(status)
		}
	}
	// What the function that vets requests left for the answer has to be known before the first row is sent; what the
	// request's own function left is known after the last.
	all, first := statements, 0
	if req.as.PreRequest != "" {
		all, first = slices.Concat([]statement{{sql: readOutcome}}, statements), 1
	}
	if req.function || req.media.handled {
		all = append(all, statement{sql: readOutcome})
	}
	rows := first + len(statements) - 1
	read := func(i int, res *pgconn.ResultReader) error {
		switch {
		case i < first || i > rows:
			return end.read(res)
		case i < rows:
			a.reset()
			if err := c.guess(res); err != nil {
				return err
			}
			return c.inRange(req.query)
		}
		a.reset()
		return a.takeCounted(res, c, req.query)
	}
	err := h.run(req.http, req.as, batch{readOnly: true, statements: all, read: read})
	late := cut != nil && !cut.Stop()
	if err != nil || late {
		if a.begun {
			panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
		return err
	}
	if a.object && a.rows != 1 {
		return notSingular(a.rows)
	}
	status := http.StatusOK
	if !a.begun {
		if end.err != nil {
			return end.err
		}
		status = head(a.rows)
	}
	a.end(status)
	return nil
}

// cutAfter cuts a connection whose client has not read by then what was made for it within the time of a statement:
// until the last row is taken a connection to PostgreSQL waits, and few slow clients would hold them all. It is nil for
// no limit.
func cutAfter(w http.ResponseWriter, limit time.Duration) *time.Timer {
	if limit == 0 {
		return nil
	}
	control := http.NewResponseController(w)
	return time.AfterFunc(limit, func() { _ = control.SetWriteDeadline(time.Now()) }) // in process there is none
}

// headRows sets the headers of an answer with rows, and returns its status.
func (h *Handler) headRows(req *request, rows int64, total *int64) int {
	commonHeaders(req.w, req.prefer)
	if req.location != "" {
		req.w.Header().Set("Content-Location", req.location)
	}
	if q := req.query; q.outmoded != nil {
		req.w.Header().Set("Warning", q.outmoded.warning())
	}
	if seen := req.query.offset + rows; rows > 0 && total != nil && *total < seen {
		total = &seen // the planner had guessed too low
	}
	if rows >= 0 {
		req.w.Header().Set("Content-Range", contentRange(req.query.offset, rows, total))
	}
	if total != nil && rows < *total {
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// expected is how many rows an answer will have whose total is known, else -1: a body that is sent as it comes has no
// Content-Range then.
func (a *answer) expected(q *query, total *int64) int64 {
	if total == nil {
		return -1
	}
	n := *total - q.offset
	if q.limit != nil && *q.limit < n {
		n = *q.limit
	}
	return n
}

func notSingular(n int64) *Error {
	return &Error{Status: http.StatusNotAcceptable, Code: "PGRST116",
		Message: "Cannot coerce the result to a single JSON object",
		Details: "The result contains " + strconv.FormatInt(n, 10) + " rows"}
}
