package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/run402/functions-mcp/core/wire"
)

// RoleLookup reads a user's role from its source, as the service role. Found is false when there is no row, or when
// what is there is no text. An error lets nobody pass.
type RoleLookup func(ctx context.Context, src RoleSource, userID string) (role string, found bool, err error)

// Gatekeeper decides who passes a gate. It remembers the roles that it read, by project and user; where a gate's
// CacheTTL is 0 it reads anew each time. It is safe for concurrent use.
type Gatekeeper struct {
	lookup  RoleLookup
	now     func() time.Time
	roles   *otter.Cache[roleKey, readRole]
	flights singleflight.Group
}

type roleKey struct {
	src             RoleSource
	project, userID string
}

// readRole is what a source said. That there is none is not remembered: whoever is made a member may come in at once.
type readRole struct {
	role string
	at   time.Time // before the source was asked
}

const (
	maxRoles    = 50_000
	roleTimeout = 5 * time.Second
)

// NewGatekeeper returns a gatekeeper who reads roles by lookup.
func NewGatekeeper(lookup RoleLookup) *Gatekeeper {
	return &Gatekeeper{
		lookup: lookup, now: time.Now,
		roles: otter.Must(&otter.Options[roleKey, readRole]{
			MaximumSize: maxRoles, ExpiryCalculator: otter.ExpiryWriting[roleKey, readRole](maxCacheTTL),
		}),
	}
}

// Refusal is why somebody does not pass a gate: status 401 AUTHENTICATION_REQUIRED, 403 ROLE_FORBIDDEN with the roles
// that are allowed, or 503 GATE_UNAVAILABLE when that could not be found out (contract section 6).
type Refusal struct {
	Status   int
	Envelope wire.Error
	Cause    error // of a 503; it may hold anything, and is for nobody but the log
}

// Error names the code and says what to do.
func (r *Refusal) Error() string { return r.Envelope.Code + ": " + r.Envelope.Message }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Pass returns nil for a caller who may pass, with his application role where the gate asks for one. The error is a
// *Refusal.
func (k *Gatekeeper) Pass(ctx context.Context, g Gate, c Caller) (role string, err error) {
	if g.Open() {
		return "", nil
	}
	if err := signedIn(c); err != nil {
		return "", err
	}
	if g.RequireRole == nil {
		return "", nil
	}
	role, found, err := k.Role(ctx, g.RequireRole.RoleSource, g.RequireRole.CacheTTL, c)
	switch {
	case err != nil:
		return "", unavailable("your role could not be read just now: try again in a moment", err)
	case !found || !slices.Contains(g.RequireRole.Allowed, role):
		return "", &Refusal{Status: http.StatusForbidden, Envelope: wire.Error{
			Code: "ROLE_FORBIDDEN", Category: "auth", MutationState: "none", AllowedRoles: g.RequireRole.Allowed,
			Message: "your role in this application does not allow this: whoever administers it can give you one that does",
		}}
	}
	return role, nil
}

// signedIn refuses who is nobody. That the token is genuine must be known here, since its id decides.
func signedIn(c Caller) error {
	switch {
	case c.Anonymous(), c.ID == "", c.Role == RoleAnon, c.Role == RoleService:
		return &Refusal{Status: http.StatusUnauthorized, Envelope: wire.Error{
			Code: "AUTHENTICATION_REQUIRED", Category: "auth", MutationState: "none",
			Message: "this is for people who signed in: sign in and send the token as the bearer",
		}}
	case !c.Verified:
		return unavailable("your token could not be checked just now: try again in a moment", errUnchecked)
	}
	return nil
}

var errUnchecked = errors.New("the token is not verified: without RUN402_JWT_SECRET or RUN402_JWKS the backend is " +
	"asked, and it did not answer")

func unavailable(message string, cause error) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Cause: cause, Envelope: wire.Error{
		Code: "GATE_UNAVAILABLE", Category: "auth", MutationState: "none", Retryable: true, SafeToRetry: true,
		RetryAfter: 2, Message: message,
	}}
}

// Role returns the caller's role by a source, read at most ttl ago. The caller must be verified.
func (k *Gatekeeper) Role(
	ctx context.Context, src RoleSource, ttl time.Duration, c Caller,
) (role string, found bool, err error) {
	key := roleKey{src, c.ProjectID, c.ID}
	if ttl <= 0 { // whoever shared another's look might see what was so before he asked
		return k.read(ctx, key)
	}
	if known, ok := k.roles.GetIfPresent(key); ok && k.now().Sub(known.at) < ttl {
		return known.role, true, nil
	}
	type answer struct {
		role  string
		found bool
	}
	flight := k.flights.DoChan(key.String(), func() (any, error) {
		// Not ended by whoever happened to ask first: the answer is for all who wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roleTimeout)
		defer cancel()
		role, found, err := k.read(ctx, key)
		return answer{role, found}, err
	})
	select {
	case <-ctx.Done():
		return "", false, ctx.Err()
	case r := <-flight:
		if r.Err != nil {
			return "", false, r.Err
		}
		a := r.Val.(answer)
		return a.role, a.found, nil
	}
}

// String is the key as one text; no name holds a line feed.
func (k roleKey) String() string {
	return k.src.Table + "\n" + k.src.IDColumn + "\n" + k.src.RoleColumn + "\n" + k.project + "\n" + k.userID
}

func (k *Gatekeeper) read(ctx context.Context, key roleKey) (role string, found bool, err error) {
	at := k.now()
	role, found, err = k.lookup(ctx, key.src, key.userID)
	switch {
	case err != nil:
		return "", false, err
	case !found:
		k.roles.Invalidate(key)
		return "", false, nil
	}
	k.roles.Set(key, readRole{role, at})
	return role, true, nil
}

// MayPass reports whether a caller with this role, of which found says that he has one, could ever pass the gate. It
// is for what to show; to decide, use Pass. Who has yet to sign in could.
func MayPass(g Gate, c Caller, role string, found bool) bool {
	return g.RequireRole == nil || signedIn(c) != nil || found && slices.Contains(g.RequireRole.Allowed, role)
}
