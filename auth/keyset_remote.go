package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How old a fetched keyset may grow before it is fetched again, and how often one is fetched because a token names a
// key that it does not have (contract section 1.3).
const (
	keysStale   = 5 * time.Minute
	keysRefetch = 30 * time.Second
	keysTimeout = 5 * time.Second
	maxKeySet   = 64 << 10 // bytes
)

// RemoteKeys is a keyset that somebody else publishes. It is fetched when the first token comes, and again in the
// background while it is used. A failed fetch keeps the keys that were there; without any, every token is refused.
//
// It is ours, since jwkset waits for the first fetch and for its rate limit, follows redirects with the bearer in hand,
// and reads without a bound.
type RemoteKeys struct {
	fetch func(context.Context) (*KeySet, error)
	log   *slog.Logger
	now   func() time.Time

	set      atomic.Pointer[KeySet] // never nil
	due      atomic.Int64           // when the set is stale, in Unix nanoseconds
	mu       sync.Mutex             // held while fetching, so that many who wait are one request
	tried    time.Time
	failing  bool        // so that one warning is enough
	fetching atomic.Bool // in the background
}

// NewRemoteKeys returns the keys that fetch gets, see FetchKeys, and until it did those that are known before.
func NewRemoteKeys(fetch func(context.Context) (*KeySet, error), before *KeySet, log *slog.Logger) *RemoteKeys {
	r := &RemoteKeys{fetch: fetch, log: log, now: time.Now}
	r.set.Store(before)
	return r
}

func (r *RemoteKeys) current() *KeySet {
	set := r.set.Load()
	switch {
	case set.Len() == 0: // nobody can be served before
		return r.refetch()
	case r.now().UnixNano() >= r.due.Load() && r.fetching.CompareAndSwap(false, true):
		go func() {
			defer r.fetching.Store(false)
			r.refetch()
		}()
	}
	return set
}

// refetch fetches the keys, unless that was tried a moment ago: tokens that name made-up keys must not become a stream
// of requests.
func (r *RemoteKeys) refetch() *KeySet {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.tried.IsZero() && now.Sub(r.tried) < keysRefetch {
		return r.set.Load()
	}
	r.tried = now
	// Not ended by whoever happened to ask: the keys are for all.
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	set, err := r.fetch(ctx)
	if err != nil {
		if !r.failing {
			r.log.Warn("the keyset cannot be fetched: the keys that are known stay", "keys", r.set.Load().Len(), "err", err)
		}
		r.failing = true
		return r.set.Load()
	}
	r.failing = false
	r.set.Store(set)
	r.due.Store(now.Add(keysStale).UnixNano())
	return set
}

// FetchKeys gets the public keyset at a URL, with a bearer unless that is empty. It follows no redirect, which could
// lead the bearer elsewhere.
func FetchKeys(url, bearer string) func(context.Context) (*KeySet, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context) (*KeySet, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, errors.New("fetch keyset: its URL cannot be requested")
		}
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("fetch keyset: %w", errors.Unwrap(err)) // without the URL, which may hold a password
		}
		defer func() { _ = res.Body.Close() }() // read to its end or given up
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("fetch keyset: the answer is %d, want 200", res.StatusCode)
		}
		text, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("fetch keyset: %w", err)
		case len(text) > maxKeySet:
			return nil, errors.New("fetch keyset: it is larger than 64 KiB")
		}
		set, err := ParsePublicKeySet(text)
		if err != nil {
			return nil, fmt.Errorf("fetch keyset: %w", err)
		}
		return set, nil
	}
}
