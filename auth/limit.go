package auth

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/run402/functions-mcp/core/wire"
)

// Limits are what one address and one caller may ask of a listener. They hold within this process. What is 0 has no
// limit.
type Limits struct {
	AddressRate float64 // requests per second of an address; loopback has no limit, being this machine or its proxy
	CallerRate  float64 // requests per second of a caller
	Calls       int     // of a caller, at once
	Streams     int     // of a caller, open at once
	Sessions    int     // of a caller, alive at once
}

// LocalLimits are for a listener that only this machine can reach: they stop a runaway client, not an attacker.
func LocalLimits() Limits { return Limits{Calls: 2048, Streams: 2048, Sessions: 4096} }

// PublicLimits are for a listener that others can reach.
func PublicLimits() Limits {
	return Limits{AddressRate: 200, CallerRate: 50, Calls: 32, Streams: 64, Sessions: 256}
}

// buckets are token buckets by key. Of too many the least used are forgotten, which gives those keys a full bucket.
type buckets struct {
	limit rate.Limit
	byKey *otter.Cache[string, *rate.Limiter]
}

const maxBuckets = 50_000

// newBuckets returns buckets that fill at a rate per second and hold two seconds' worth, or nil, which never refuses.
func newBuckets(perSecond float64) *buckets {
	if perSecond == 0 {
		return nil
	}
	return &buckets{
		limit: rate.Limit(perSecond),
		byKey: otter.Must(&otter.Options[string, *rate.Limiter]{
			MaximumSize:      maxBuckets,
			ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](time.Minute),
		}),
	}
}

// take takes one token, or says how long until there is one.
func (b *buckets) take(key string) (wait time.Duration) {
	if b == nil {
		return 0
	}
	bucket, ok := b.byKey.GetIfPresent(key)
	if !ok {
		bucket, _ = b.byKey.SetIfAbsent(key, rate.NewLimiter(b.limit, int(math.Ceil(2*float64(b.limit)))))
	}
	reservation := bucket.Reserve()
	if wait = reservation.Delay(); wait > 0 {
		reservation.Cancel()
	}
	return wait
}

// slots count what goes on at once, by key. A key with nothing going on takes no memory.
type slots struct {
	mu   sync.Mutex
	held map[string]int
}

func newSlots() *slots { return &slots{held: map[string]int{}} }

// take takes one of a key's slots until done is called, once; it is nil when they are all taken.
func (s *slots) take(key string, most int) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most > 0 && s.held[key] >= most {
		return nil
	}
	s.held[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[key]--; s.held[key] == 0 {
			delete(s.held, key)
		}
	}
}

// Address is what a request is counted by when nobody signed in: an IPv4 address, or an IPv6 network of 64 bits, since
// one client has all of them. A proxy's header is not believed.
func Address(r *http.Request) (key string, loopback bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host, false
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		network, err := ip.Prefix(64)
		if err == nil {
			return network.String(), false
		}
	}
	return ip.String(), ip.IsLoopback()
}

func limitAddresses(b *buckets) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if key, loopback := Address(r); !loopback {
				if wait := b.take(key); wait > 0 {
					tooMany(w, "too many requests come from your address: wait a moment", wait)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// limitCallers holds each caller to a rate, and to so many calls and streams at once. Nobody is not one caller: those
// who did not sign in are told apart by their address.
func limitCallers(b *buckets, s *slots, l Limits) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, _ := CallerFrom(r.Context())
			key := caller.Principal()
			if caller.Anonymous() {
				from, _ := Address(r)
				key += " at " + from
			}
			if wait := b.take(key); wait > 0 {
				tooMany(w, "you send too many requests: wait a moment", wait)
				return
			}
			slot, most := key, l.Calls
			if OpensStream(r) {
				slot, most = key+" streams", l.Streams
			}
			done := s.take(slot, most)
			if done == nil {
				tooMany(w, "too many of your calls or streams are open: let some end", time.Second)
				return
			}
			defer done()
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), payerKey{}, key)))
		})
	}
}

// OpensStream reports whether a request stays open by design. A client that lies in Mcp-Method is refused by mcp-go,
// which compares it with the body.
func OpensStream(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == "subscriptions/listen"
}

type payerKey struct{}

// payer is by whom a request is counted.
func payer(ctx context.Context) string {
	key, _ := ctx.Value(payerKey{}).(string)
	return key
}

// ErrTooManyCalls says that a caller has too many calls open.
var ErrTooManyCalls = errors.New("too many of your calls are open: let some end, then call again")

// Begin counts a call that goes on after its request was answered, as over SSE, until done is called.
func (c *Chain) Begin(ctx context.Context) (done func(), err error) {
	if done = c.slots.take(payer(ctx), c.cfg.Limits.Calls); done == nil {
		return nil, ErrTooManyCalls
	}
	return done, nil
}

func tooMany(w http.ResponseWriter, message string, wait time.Duration) {
	WriteError(w, http.StatusTooManyRequests, wire.Error{
		Code: "RATE_LIMITED", Category: "rate_limit", Retryable: true, SafeToRetry: true, MutationState: "none",
		Message: message, RetryAfter: int(math.Ceil(wait.Seconds())),
	})
}
