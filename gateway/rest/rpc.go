package rest

import (
	"errors"
	"net/http"
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
	req.as.hoist(c.fn.Settings)
	if req.prefer.maxAffected != nil && !c.fn.Set {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST128",
			Message: "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"}
	}
	if err := req.accept(ofFunction(c.fn, cat, req.query.whole())); err != nil {
		return err
	}
	switch {
	case req.media.handled:
	case req.media.raw:
		req.media.value = "q." + scalarName
	case c.fn.Void:
		req.media.value = "null::json"
	case c.single():
		req.media.value = "to_json(q." + scalarName + ")"
	}
	if c.root, err = h.planCall(req, cat, c.fn.Table, req.on.name); err != nil {
		return err
	}
	req.function = true
	req.prefer.drop("resolution", "missing", "return")
	if !c.fn.Volatile && c.fn.Set {
		err = h.read(req, c.root, c.source)
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
	count := counting{most: h.opts.MaxRows}
	if c.fn.Set {
		count.kind = c.prefer.count
	}
	all := count.statements(c.root, c.media, c.source)
	last := len(all) - 1
	var end outcome
	err := h.run(c.http, c.as, batch{
		readOnly:   readOnly,
		reset:      c.fn.Volatile,
		statements: append(all, statement{sql: readOutcome}),
		read: func(i int, rows *pgconn.ResultReader) error {
			switch {
			case i < last:
				return count.guess(rows)
			case i > last:
				return end.read(rows)
			}
			a.reset()
			return a.takeCounted(rows, &count, c.query)
		},
	})
	if err != nil {
		return err
	}
	total := count.total()
	if c.prefer.count != "" && !c.fn.Set {
		total = &a.rows
	}
	status, err := end.apply(c.w.Header(), h.headRows(c.request, a.rows, total))
	switch {
	case err != nil:
		return err
	case !c.fn.Void:
		a.end(status)
	case end.status != 0:
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
	if open.closed(c.fn) {
		return c.refused()
	}
	refusal, lookup := h.closedBelow(c.request)
	switch {
	case lookup != nil:
		return lookup
	case refusal != nil:
		return refusal
	}
	return err
}
