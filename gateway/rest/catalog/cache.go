package catalog

import (
	"context"
	"sync"
	"time"
)

// maxAge is for how long a snapshot is used without asking whether the schema changed: the longest that a change goes
// unnoticed where nothing tells of it.
const maxAge = 5 * time.Second

// Cache keeps the newest Catalog. It is safe for concurrent use, and touches the database only when it is asked.
type Cache struct {
	load func(ctx context.Context, old *Catalog) (*Catalog, error)

	mu      sync.Mutex
	current *Catalog
	checked time.Time // current was right at this moment
	stale   time.Time // the schema may have changed at this moment
	flight  *flight
}

// flight is a load under way, shared by all who can use what it brings.
type flight struct {
	begun time.Time
	done  chan struct{}
	err   error
}

// New returns a Cache that reads by load, which gets the Catalog of before (or nil) and returns it when it still holds.
func New(load func(ctx context.Context, old *Catalog) (*Catalog, error)) *Cache {
	return &Cache{load: load}
}

// Get returns the Catalog, at most a few seconds old, and newer than the last Invalidate.
func (c *Cache) Get(ctx context.Context) (*Catalog, error) {
	return c.since(ctx, time.Now().Add(-maxAge))
}

// Renew returns a Catalog that was right after the call began: for a request that failed over a name. Unless it differs
// from the one of before, trying again is of no use.
func (c *Cache) Renew(ctx context.Context) (*Catalog, error) { return c.since(ctx, time.Now()) }

// Invalidate makes the next Get ask whether the schema has changed.
func (c *Cache) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = time.Now()
}

// since returns a Catalog that was right at some moment after notBefore.
func (c *Cache) since(ctx context.Context, notBefore time.Time) (*Catalog, error) {
	for {
		c.mu.Lock()
		if c.stale.After(notBefore) {
			notBefore = c.stale
		}
		if c.current != nil && !c.checked.Before(notBefore) {
			defer c.mu.Unlock()
			return c.current, nil
		}
		f := c.flight
		if f == nil {
			f = &flight{begun: time.Now(), done: make(chan struct{})}
			c.flight = f
			go c.fly(context.WithoutCancel(ctx), f, c.current)
		}
		c.mu.Unlock()
		select {
		case <-f.done:
			if f.err != nil && !f.begun.Before(notBefore) {
				return nil, f.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Cache) fly(ctx context.Context, f *flight, old *Catalog) {
	next, err := c.load(ctx, old)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.current, c.checked = next, f.begun
	}
	f.err = err
	c.flight = nil
	close(f.done)
}
