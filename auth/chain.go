package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// MaxRequestBody is the longest body of a request to an MCP listener, in bytes: inline assets of 5 MiB fit in, encoded.
const MaxRequestBody = 8 << 20

// stallTime is how long a client may leave an answer unread.
const stallTime = 30 * time.Second

// ChainConfig says whom an MCP listener lets in. Guard, Identify, Sessions and Log are needed.
type ChainConfig struct {
	Guard       GuardConfig
	Identify    Verify // who a bearer speaks for; see WithKeys and ForAudience
	RequireAuth bool   // refuse callers who did not sign in
	Metadata    string // URL of the protected-resource metadata (RFC 9728) that a 401 names; empty for none
	Limits      Limits
	Sessions    *Sessions
	Log         *slog.Logger
	BodyTimeout time.Duration // for a whole body to arrive; 0 means 30 s
}

// Chain is the one chain of middleware between the network and MCP. What costs least and refuses most comes first, and
// no body is read before it is known who sends it.
type Chain struct {
	cfg   ChainConfig
	guard middleware
	addrs *buckets
	users *buckets
	slots *slots
}

type middleware = func(http.Handler) http.Handler

// NewChain returns the chain, or says what in its configuration cannot be meant.
func NewChain(cfg ChainConfig) (*Chain, error) {
	if cfg.Identify == nil || cfg.Sessions == nil || cfg.Log == nil {
		return nil, errors.New("middleware chain: Identify, Sessions and Log are needed")
	}
	guard, err := Guard(cfg.Guard)
	if err != nil {
		return nil, err
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = 30 * time.Second
	}
	return &Chain{
		cfg: cfg, guard: guard, slots: newSlots(),
		addrs: newBuckets(cfg.Limits.AddressRate), users: newBuckets(cfg.Limits.CallerRate),
	}, nil
}

// Front is what every route stands behind, the unknown ones too.
func (c *Chain) Front(next http.Handler) http.Handler {
	return wrap(next,
		numberRequest,
		limitAddresses(c.addrs),
		MaxBody(MaxRequestBody),
		c.guard,
	)
}

// Calls is what a route that speaks MCP stands behind besides, after Front. The handler finds the caller in the
// context. Session tells which session of MCP a request is part of.
func (c *Chain) Calls(next http.Handler, session SessionOf) http.Handler {
	return wrap(next,
		requireJSON,
		authenticate(c.cfg),
		limitCallers(c.users, c.slots, c.cfg.Limits),
		readMessage(c.cfg.BodyTimeout),
		dropForeignCancel(session),
		bindSession(c.cfg.Sessions, session, c.cfg.Limits.Sessions),
		cutStalled(stallTime),
		Recover(c.cfg.Log),
	)
}

// Plain is what a listener stands behind that does not speak MCP, and whose routes say themselves who may do what. A
// body has the timeout to arrive, unless its route gives it another.
func Plain(cfg GuardConfig, bodyTimeout time.Duration, log *slog.Logger) (func(http.Handler) http.Handler, error) {
	guard, err := Guard(cfg)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return wrap(next, numberRequest, guard, limitBody(bodyTimeout), Recover(log))
	}, nil
}

// wrap puts a handler behind middleware, the first outermost.
func wrap(h http.Handler, chain ...middleware) http.Handler {
	for _, m := range slices.Backward(chain) {
		h = m(h)
	}
	return h
}
