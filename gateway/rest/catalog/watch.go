package catalog

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Channel is where PostgreSQL tells of changes of its schema. It is PostgREST's: an event trigger that tells PostgREST
// tells us too.
const Channel = "pgrst"

// rewatch is how long after the connection was lost, or could not be had, the next is tried.
const rewatch = 5 * time.Second

// watch is the watching of one Cache.
type watch struct {
	connect func(ctx context.Context) (*pgx.Conn, error)
	begin   sync.Once
	cancel  context.CancelFunc
	ended   chan struct{}
}

// Watch makes the Cache learn at once of changes that are told on Channel, by a connection of its own from the first
// Get until Close. Without that connection they are seen within five seconds, as any other. It is called before the
// first Get, at most once.
func (c *Cache) Watch(connect func(ctx context.Context) (*pgx.Conn, error)) {
	c.watch = &watch{connect: connect, cancel: func() {}, ended: make(chan struct{})}
}

// Close ends the connection that Watch asked for. Nobody uses the Cache any more.
func (c *Cache) Close() {
	if w := c.watch; w != nil {
		w.begin.Do(func() { close(w.ended) })
		w.cancel()
		<-w.ended
	}
}

func (c *Cache) beginWatch() {
	w := c.watch
	if w == nil {
		return
	}
	w.begin.Do(func() {
		var ctx context.Context
		ctx, w.cancel = context.WithCancel(context.Background())
		go func() {
			defer close(w.ended)
			for ctx.Err() == nil {
				c.hear(ctx, w.connect)
				select {
				case <-time.After(rewatch):
				case <-ctx.Done():
				}
			}
		}()
	})
}

// hear listens until the connection fails. What changed before it listened nobody told.
func (c *Cache) hear(ctx context.Context, connect func(ctx context.Context) (*pgx.Conn, error)) {
	conn, err := connect(ctx)
	if err != nil {
		return
	}
	forever := context.WithoutCancel(ctx)
	defer func() { _ = conn.Close(forever) }()
	// There is no statement to cancel in PostgreSQL, as other connections try first.
	defer context.AfterFunc(ctx, func() { _ = conn.PgConn().Conn().SetDeadline(time.Now()) })()
	_, err = conn.Exec(forever, "listen "+Channel)
	for err == nil {
		c.Invalidate()
		_, err = conn.WaitForNotification(forever)
	}
}
