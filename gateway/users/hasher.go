package users

import (
	"context"
	"net/http"

	"github.com/alexedwards/argon2id"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// hashing are OWASP's parameters for argon2id, chosen for little memory: 19 MiB and some 20 ms a hash.
func hashing() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// noHash costs as much to check as any, and no password matches it.
const noHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hasher hashes passwords, two at once, so that memory is bounded however many sign in. A few more wait.
type hasher struct {
	slots   chan struct{}
	waiting chan struct{}
	matches func(password, hash string) (bool, error)
}

func newHasher() *hasher {
	return &hasher{
		slots: make(chan struct{}, 2), waiting: make(chan struct{}, 32), matches: argon2id.ComparePasswordAndHash,
	}
}

// hash returns what to keep of a new password.
func (h *hasher) hash(ctx context.Context, password string) (hash string, err error) {
	err = h.run(ctx, func() (err error) {
		hash, err = argon2id.CreateHash(password, hashing())
		return err
	})
	return hash, err
}

// verify reports whether a password is the one that was hashed. Without a hash it takes as long to say no.
func (h *hasher) verify(ctx context.Context, password, hash string) (ok bool, err error) {
	if hash == "" {
		hash = noHash
	}
	err = h.run(ctx, func() (err error) {
		ok, err = h.matches(password, hash)
		return err
	})
	return ok, err
}

func (h *hasher) run(ctx context.Context, work func() error) error {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return &route.Failure{Status: http.StatusServiceUnavailable, Envelope: wire.Error{
			Code: "SERVER_BUSY", Category: "rate_limit", Retryable: true, SafeToRetry: true, RetryAfter: 1,
			Message: "too many people sign in at once: try again in a moment",
		}}
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return work()
}
