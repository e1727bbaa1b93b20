package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// batch is what one request asks of PostgreSQL: statements that are sent together and are one transaction.
type batch struct {
	readOnly   bool
	reset      bool // clean the connection afterwards
	statements []statement
	// read takes the rows of statement i. It runs in order, and from the first statement again when the batch is retried
	// (only before any row was read).
	read func(i int, rows *pgconn.ResultReader) error
}

// resetSession is DISCARD ALL but for our own prepared statements, which it keeps (preparing them anew costs the next
// requests about 0.1 ms). It runs after the answer to a write or a call, whose code may have left more than parameters.
// The last statement counts what SQL prepared: such a statement could stand in for one of ours.
const resetSession = `set session authorization default; reset all; close all; unlisten *; discard temp; ` +
	`discard sequences; select count(*), pg_advisory_unlock_all() from pg_prepared_statements where from_sql`

// run sends a batch and hands its rows to b.read. It returns without error only after the transaction was committed.
func (h *Handler) run(r *http.Request, s Session, b batch) error {
	for _, st := range b.statements {
		if err := st.fits(); err != nil {
			return err
		}
	}
	ctx, cancel := h.context(r, s)
	defer cancel()
	conn, err := s.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { // also when a panic leaves the connection amid the batch: then it is closed
		if b.reset {
			go clean(context.WithoutCancel(ctx), conn)
		} else {
			conn.Release()
		}
	}()
	conn.Conn().PgConn().Frontend().SetMaxBodyLen(int(max(h.opts.MaxAnswer, 1<<20))) // a row is held whole
	cache := cacheOf(conn.Conn().PgConn())
	all := h.preamble(r, s, b.readOnly)
	ours := len(all)
	all = append(all, b.statements...)
	read := func(i int, rows *pgconn.ResultReader) error {
		if i < ours || b.read == nil {
			return nil
		}
		return b.read(i-ours, rows)
	}
	send := cache.pipeline
	switch {
	case s.Unprepared:
		send = cache.unprepared
	case b.readOnly && cache.knows(all):
		send = cache.batch
	}
	stale, err := attempt(ctx, cancel, cache, send, all, read)
	if stale {
		_, err = attempt(ctx, cancel, cache, cache.pipeline, all, read)
	}
	if err != nil && (r.Context().Err() != nil || errors.Is(ctx.Err(), context.DeadlineExceeded)) {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err) // rather than how the connection took it
	}
	return err
}

// context bounds a batch a little more generously than PostgreSQL does, whose answer is the better one.
func (h *Handler) context(r *http.Request, s Session) (context.Context, context.CancelFunc) {
	if s.StatementTimeout > 0 {
		return context.WithTimeout(r.Context(), s.StatementTimeout+2*time.Second)
	}
	return context.WithCancel(r.Context())
}

// clean resets the connection and gives it back, or closes it when it cannot be made clean.
func clean(ctx context.Context, conn *pgxpool.Conn) {
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	results, err := conn.Conn().PgConn().Exec(ctx, resetSession).ReadAll()
	if n := len(results); err != nil || n == 0 || len(results[n-1].Rows) != 1 || string(results[n-1].Rows[0][0]) != "0" {
		_ = conn.Conn().Close(ctx) // it is gone either way
	}
}

// attempt sends the statements together, which PostgreSQL runs as one transaction, and reads their results. It reports
// a failure as stale when the statement that failed was prepared earlier and may fit the schema no longer; then it has
// been forgotten and nothing was read from it.
func attempt(ctx context.Context, cancel func(), c *cache, send func(context.Context, []statement) (results, error),
	all []statement, read func(int, *pgconn.ResultReader) error) (stale bool, err error) {
	sent, err := send(ctx, all)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			_ = sent.abandon()
		}
	}()
	for i := range all {
		rows, err := sent.next()
		if err != nil {
			return sent.cached(i) && c.forget(all[i].sql, err), err
		}
		if err := read(i, rows); err != nil {
			cancel() // else abandon would read the rest of the rows
			return false, err
		}
		if _, err := rows.Close(); err != nil {
			return false, err
		}
	}
	return false, sent.end()
}
