package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// results are those of statements that were sent together.
type results interface {
	// next is the result of the next statement, or why it has none.
	next() (*pgconn.ResultReader, error)
	// cached says that the i-th statement had been prepared before.
	cached(i int) bool
	// end waits for the end of the transaction. Deferred constraints speak there, and a write is durable only after it.
	end() error
	// abandon reads up to the end of the transaction, so that the connection can be used again.
	abandon() error
}

// batch sends statements that are all prepared. pgx's batch takes less work than its pipeline, but does not tell a
// statement that was refused, and can be tried again, from one that failed while it ran: it is for what only reads.
func (c *cache) batch(ctx context.Context, all []statement) (results, error) {
	var b pgconn.Batch
	for _, st := range all {
		b.ExecStatement(c.known[st.sql], st.args, nil, nil)
	}
	return batched{c.conn.ExecBatch(ctx, &b), true}, nil
}

// unprepared sends statements for a pooler that keeps no prepared ones.
func (c *cache) unprepared(ctx context.Context, all []statement) (results, error) {
	var b pgconn.Batch
	for _, st := range all {
		b.ExecParams(st.sql, st.args, nil, nil, nil)
	}
	return batched{c.conn.ExecBatch(ctx, &b), false}, nil
}

type batched struct {
	*pgconn.MultiResultReader
	prepared bool
}

func (b batched) next() (*pgconn.ResultReader, error) {
	if b.NextResult() {
		return b.ResultReader(), nil
	}
	return nil, cmp.Or(b.Close(), errNoResult)
}

func (b batched) cached(int) bool { return b.prepared }
func (b batched) end() error      { return b.Close() }
func (b batched) abandon() error  { return b.Close() }

var errNoResult = errors.New("rest: a statement has no result")

// pipeline sends statements, and prepares those that are not yet.
func (c *cache) pipeline(ctx context.Context, all []statement) (results, error) {
	s := &pipelined{c.conn.StartPipeline(ctx), c, make([]*pgconn.StatementDescription, 0, len(all)), 0}
	c.deallocate(s.Pipeline)
	for _, st := range all {
		if len(st.sql) > maxKept {
			s.SendQueryParams(st.sql, st.args, nil, nil, nil)
			s.fresh = append(s.fresh, nil)
			continue
		}
		sd := c.known[st.sql]
		if sd != nil {
			s.SendQueryStatement(sd, st.args, nil, nil)
			s.fresh = append(s.fresh, nil)
			continue
		}
		sd = c.describe(st.sql)
		s.SendPrepare(sd.Name, st.sql, nil)
		s.SendQueryPrepared(sd.Name, st.args, nil, nil)
		s.fresh = append(s.fresh, sd)
	}
	err := s.Sync()
	if err == nil {
		err = c.deallocated(s.Pipeline)
	}
	if err != nil {
		_ = s.abandon()
	}
	return s, err
}

type pipelined struct {
	*pgconn.Pipeline
	cache *cache
	fresh []*pgconn.StatementDescription // by statement; nil for one that is not prepared now
	at    int
}

func (s *pipelined) next() (*pgconn.ResultReader, error) {
	sd := s.fresh[s.at]
	s.at++
	if sd != nil {
		if err := s.cache.prepared(s.Pipeline, sd); err != nil {
			return nil, err
		}
	}
	return result[*pgconn.ResultReader](s.Pipeline)
}

func (s *pipelined) cached(i int) bool { return s.fresh[i] == nil }

func (s *pipelined) end() error {
	if _, err := result[*pgconn.PipelineSync](s.Pipeline); err != nil {
		return err
	}
	return s.Close()
}

func (s *pipelined) abandon() error { return s.Close() }

// result reads the next result of a pipeline, which is of type T unless there was an error.
func result[T any](p *pgconn.Pipeline) (T, error) {
	var none T
	res, err := p.GetResults()
	if err != nil {
		return none, err
	}
	t, ok := res.(T)
	if !ok {
		return none, fmt.Errorf("rest: pipeline answered %T instead of %T", res, none)
	}
	return t, nil
}
