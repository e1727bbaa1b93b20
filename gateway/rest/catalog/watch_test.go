package catalog

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is told on the channel invalidates; a connection that was lost is replaced, and Close ends it.
func TestWatch(t *testing.T) {
	conn, config := library(t)
	c := New(func(context.Context, *Catalog) (*Catalog, error) { return &Catalog{}, nil })
	connected := make(chan *pgx.Conn, 10)
	c.Watch(func(ctx context.Context) (*pgx.Conn, error) {
		conn, err := pgx.ConnectConfig(ctx, config)
		connected <- conn
		return conn, err
	})
	if _, err := c.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitForStale(t, c, time.Time{}) // it listens now
	before := time.Now()
	if _, err := conn.Exec(t.Context(), "notify "+Channel); err != nil {
		t.Fatal(err)
	}
	waitForStale(t, c, before)
	c.Close()
	if first := <-connected; !first.IsClosed() {
		t.Error("the connection is open still")
	}
}

func waitForStale(t *testing.T, c *Cache, after time.Time) {
	t.Helper()
	stale := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.stale.After(after)
	}
	for deadline := time.Now().Add(20 * time.Second); !stale(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was heard")
		}
	}
}

func TestCloseOfACacheThatNobodyUsed(t *testing.T) {
	c := New(nil)
	c.Close()
	c.Watch(func(context.Context) (*pgx.Conn, error) { panic("nobody asked") })
	c.Close()
}
