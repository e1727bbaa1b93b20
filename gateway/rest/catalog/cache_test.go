package catalog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// source is a schema that a test changes: a load of it takes a while, and sees what was there when it began.
type source struct {
	mu    sync.Mutex
	now   *Catalog
	err   error
	loads int
	takes time.Duration
}

func (s *source) load(_ context.Context, old *Catalog) (*Catalog, error) {
	s.mu.Lock()
	s.loads++
	now, err := s.now, s.err
	s.mu.Unlock()
	time.Sleep(s.takes)
	if err != nil {
		return nil, err
	}
	return now, nil
}

func (s *source) change() *Catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = &Catalog{}
	return s.now
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads
}

// get asks and compares; it may run in any goroutine.
func get(t *testing.T, ask func(context.Context) (*Catalog, error), want *Catalog) {
	t.Helper()
	if c, err := ask(t.Context()); err != nil || c != want {
		t.Errorf("got %p, %v, want %p", c, err, want)
	}
}

func TestCache(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *Cache, *source){
		"many who ask at once share one load": func(t *testing.T, c *Cache, s *source) {
			want := s.change()
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() { get(t, c.Get, want) })
			}
			all.Wait()
			if n := s.count(); n != 1 {
				t.Errorf("%d loads", n)
			}
		},
		"a snapshot is used for a while, then checked": func(t *testing.T, c *Cache, s *source) {
			first := s.change()
			get(t, c.Get, first)
			second := s.change()
			time.Sleep(maxAge / 2)
			get(t, c.Get, first)
			time.Sleep(maxAge)
			get(t, c.Get, second)
		},
		"who does not mind gets the snapshot there is while it is checked": func(t *testing.T, c *Cache, s *source) {
			first := s.change()
			get(t, c.Recent, first)
			second := s.change()
			time.Sleep(2 * maxAge)
			get(t, c.Recent, first)
			time.Sleep(2 * s.takes)
			get(t, c.Recent, second)
			third := s.change()
			c.Invalidate()
			get(t, c.Recent, third)
		},
		"what was invalidated is read again": func(t *testing.T, c *Cache, s *source) {
			get(t, c.Get, s.change())
			next := s.change()
			c.Invalidate()
			get(t, c.Get, next)
		},
		"a load that began before the change is of no use": func(t *testing.T, c *Cache, s *source) {
			s.change()
			go c.Get(t.Context())
			time.Sleep(s.takes / 2)
			next := s.change()
			c.Invalidate()
			get(t, c.Get, next)
		},
		"a failure is answered to who caused it and forgotten": func(t *testing.T, c *Cache, s *source) {
			s.err = errors.New("no database")
			if _, err := c.Get(t.Context()); !errors.Is(err, s.err) {
				t.Errorf("got %v", err)
			}
			s.err = nil
			get(t, c.Get, s.change())
		},
		"renewing in vain is paced": func(t *testing.T, c *Cache, s *source) {
			want := s.change()
			get(t, c.Get, want)
			for end := time.Now().Add(100 * s.takes); time.Now().Before(end); {
				get(t, c.Renew, want)
			}
			if n := s.count(); n > 100/pause {
				t.Errorf("%d loads in the time of 100", n)
			}
			next := s.change()
			get(t, c.Renew, next) // and still sees what changed before it was asked
		},
		"who goes away does not wait": func(t *testing.T, c *Cache, s *source) {
			s.change()
			ctx, cancel := context.WithTimeout(t.Context(), s.takes/2)
			defer cancel()
			if _, err := c.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			time.Sleep(s.takes) // the load goes on
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{takes: 100 * time.Millisecond}
				test(t, New(s.load), s)
			})
		})
	}
}
