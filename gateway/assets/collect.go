package assets

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// collector runs collections in the background, one at a time and not too often: what can be collected arises from puts
// and deletions, so they ask for it.
type collector struct {
	open context.Context // the life of the collector, not of a request
	stop context.CancelFunc

	turn    sync.Mutex
	last    time.Time
	ended   bool
	running sync.WaitGroup
}

func (c *collector) close() {
	c.stop()
	c.turn.Lock()
	c.ended = true
	c.turn.Unlock()
	c.running.Wait()
}

// collectSoon begins a collection unless there was one lately.
func (a *Assets) collectSoon() {
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.ended || time.Since(a.last) < collectGap {
		return
	}
	a.last = time.Now()
	a.running.Go(func() {
		if err := a.Collect(a.collector.open); err != nil && a.collector.open.Err() == nil {
			a.opts.Log.Error("assets that were deleted are still in the store: it is tried again later", "error", err)
		}
	})
}

// Collect deletes from the store what nothing has referred to for its grace, and what killed puts left behind. First it
// takes their rows, so that no put counts on them any more; then it deletes the objects, by names that no later object
// has. It may be ended at any point, and go on at once in several copies of the program.
func (a *Assets) Collect(ctx context.Context) error {
	s, err := a.opened()
	if err != nil {
		return err
	}
	if err := s.sweep(time.Now().Add(-a.hold)); err != nil {
		return err
	}
	for {
		names, err := a.condemn(ctx)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := s.remove(ctx, name); err != nil {
				return err
			}
		}
		pool, err := a.opts.Pool(ctx)
		if err != nil {
			return err
		}
		if _, err := pool.Exec(ctx, "delete from internal.asset_garbage where name = any($1)", names); err != nil {
			return err
		}
	}
}

// condemn takes the rows of some objects that may go, and returns the names of objects to delete.
func (a *Assets) condemn(ctx context.Context) (names []string, err error) {
	const most = 500
	err = a.locked(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			delete from internal.asset_objects where sha256 in (
				select sha256 from internal.asset_objects where expires_at <= now() order by expires_at limit $1)
			returning sha256, id`, most)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			var (
				sum []byte
				id  int64
			)
			err := row.Scan(&sum, &id)
			return objectName(sum, id), err
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into internal.asset_garbage (name) select unnest($1::text[])", names)
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, "select name from internal.asset_garbage limit $1", most)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}
