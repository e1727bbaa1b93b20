package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// call answers /rpc/<function>: POST with its arguments in the body, GET with them in the query string. What GET calls,
// and what is declared to write nothing, runs in a read-only transaction.
func (h *Handler) call(req *request) error {
	method := req.http.Method
	read := method == http.MethodGet || method == http.MethodHead
	if !read && method != http.MethodPost {
		return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST101",
			Message: "Cannot use the " + method + " method on RPC"}
	}
	c := &invocation{request: req, nonce: h.nonce}
	if err := c.readArgs(h.opts.MaxBody, read); err != nil {
		return err
	}
	cat, err := h.catalog(req)
	if err != nil {
		return err
	}
	if err := h.choose(c, cat); err != nil {
		return err
	}
	if req.prefer.maxAffected != nil && !c.fn.Set {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST128",
			Message: "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"}
	}
	if c.root, err = h.planCall(req, cat, c.fn.Table, req.on.name); err != nil {
		return err
	}
	req.prefer.drop("resolution", "missing", "return")
	if !c.fn.Volatile && c.fn.Set {
		err = h.rows(req, c.statement(), c.count)
	} else {
		err = h.callOnce(c, read || !c.fn.Volatile)
	}
	return h.explainCall(c, violation(c.nonce, err))
}

// callOnce runs a function that may write, or returns one value, and answers it after the transaction was committed.
func (h *Handler) callOnce(c *invocation, readOnly bool) error {
	a := h.newAnswer(c.request)
	defer h.recycle(a)
	a.object = !c.fn.Set || c.media.single
	var total *int64
	var end outcome
	err := h.run(c.http, c.as, batch{
		readOnly:   readOnly,
		reset:      c.fn.Volatile,
		statements: []statement{c.statement(), outcomeStatement},
		read: func(i int, rows *pgconn.ResultReader) error {
			if i == 1 {
				return end.read(rows)
			}
			a.reset()
			if c.counted() && rows.NextRow() {
				n, _ := strconv.ParseInt(string(rows.Values()[0]), 10, 64) // count(*) is a number
				total = &n
			}
			return a.take(rows)
		},
	})
	if err != nil {
		return err
	}
	if c.prefer.count != "" && !c.fn.Set {
		total = &a.rows
	}
	if total != nil && c.query.offset > *total {
		return outOfRange(c.query.offset, *total)
	}
	status, err := end.apply(c.w.Header(), h.headRows(c.request, a.rows, total, false))
	switch {
	case err != nil:
		return err
	case !c.fn.Void:
		a.end(status)
	case end.status != "":
		c.w.WriteHeader(status)
	default:
		c.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// explainCall keeps an error from telling about a function that the role may not call: PostgreSQL looks at names and
// types before it looks at privileges.
func (h *Handler) explainCall(c *invocation, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code == "42501" || pg.InternalQuery != "" || functionContext.MatchString(pg.Where) ||
		!strings.HasPrefix(pg.Code, "42") && !strings.HasPrefix(pg.Code, "22") {
		return err
	}
	open, lookup := h.callable(c.request)
	if lookup != nil {
		return lookup
	}
	if !open.has(c.fn) {
		return c.refused()
	}
	return err
}
