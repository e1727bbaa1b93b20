package catalog

import (
	"context"
	"sync"
	"time"
)

const (
	// maxAge is for how long a snapshot is used without asking whether the schema changed: the longest that a change goes
	// unnoticed where nothing tells of it.
	maxAge = 5 * time.Second
	// pause is how many times as long as it took to see that nothing had changed nobody asks again (but at most a second),
	// so that clients who ask for what does not exist cannot keep a connection busy with it.
	pause = 4
	// loadTimeout bounds one load, which goes on when those who wait for it have gone.
	loadTimeout = time.Minute
)

// Cache keeps the newest Catalog. It is safe for concurrent use, and touches the database only when it is asked.
type Cache struct {
	load func(ctx context.Context, old *Catalog) (*Catalog, error)

	mu      sync.Mutex
	current *Catalog
	checked time.Time // current was right at this moment
	stale   time.Time // the schema may have changed at this moment
	rest    time.Time // until when nobody asks again
	flight  *flight

	watch *watch // nil when nobody called Watch
}

// flight is a load under way, shared by all who can use what it brings.
type flight struct {
	begun time.Time // written before done is closed
	done  chan struct{}
	err   error
}

// New returns a Cache that reads by load, which gets the Catalog of before (or nil) and returns it when it still holds.
func New(load func(ctx context.Context, old *Catalog) (*Catalog, error)) *Cache {
	return &Cache{load: load}
}

// Get returns the Catalog, at most five seconds old, and newer than the last Invalidate.
func (c *Cache) Get(ctx context.Context) (*Catalog, error) {
	return c.since(ctx, time.Now().Add(-maxAge))
}

// Renew returns a Catalog that was right at some moment after the call began: for a request that failed over a name.
// Unless it is another one than before, trying again is of no use. Many who ask at once share one look at the schema.
func (c *Cache) Renew(ctx context.Context) (*Catalog, error) {
	return c.since(ctx, time.Now())
}

// Recent returns the newest Catalog there is, unless it was invalidated: then it waits as Get does. One older than five
// seconds is looked after meanwhile. It is for what hardly ever changes and would not be worth the wait.
func (c *Cache) Recent(ctx context.Context) (*Catalog, error) {
	c.mu.Lock()
	current := c.current
	if current == nil || c.checked.Before(c.stale) {
		c.mu.Unlock()
		return c.Get(ctx)
	}
	if time.Since(c.checked) > maxAge {
		c.join(ctx)
	}
	c.mu.Unlock()
	return current, nil
}

// Invalidate makes the next Get ask whether the schema has changed.
func (c *Cache) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = time.Now()
}

// since returns a Catalog that was right at some moment not before the given one.
func (c *Cache) since(ctx context.Context, notBefore time.Time) (*Catalog, error) {
	c.beginWatch()
	for {
		c.mu.Lock()
		if c.stale.After(notBefore) {
			notBefore = c.stale
		}
		if c.current != nil && !c.checked.Before(notBefore) {
			defer c.mu.Unlock()
			return c.current, nil
		}
		f := c.join(ctx)
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

// join returns the load under way, or begins one. It is called under mu.
func (c *Cache) join(ctx context.Context) *flight {
	if c.flight == nil {
		c.flight = &flight{done: make(chan struct{})}
		go c.fly(context.WithoutCancel(ctx), c.flight, c.current)
	}
	return c.flight
}

func (c *Cache) fly(ctx context.Context, f *flight, old *Catalog) {
	c.mu.Lock()
	wait := time.Until(c.rest)
	c.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	f.begun = time.Now()
	next, err := c.load(ctx, old)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.current, c.checked = next, f.begun
	}
	if err != nil || next == old {
		now := time.Now()
		c.rest = now.Add(min(pause*now.Sub(f.begun), time.Second))
	}
	f.err = err
	c.flight = nil
	close(f.done)
}
