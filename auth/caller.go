// Package auth says who is calling and what they may do: from a bearer token to a Caller, gates, and the guards every
// listener stands behind. It takes what it needs as small functions, so it knows no database and no MCP.
//
// The guard is ours, since http.CrossOriginProtection lets every GET pass, which here may open a stream, and mcp-go
// checks no Origin at all.
package auth

import (
	"context"
	"encoding/json"
	"time"
)

// Caller is who a request is made for. The zero value is the anonymous caller.
type Caller struct {
	Token     string          // the bearer, as it goes to the backend; empty when anonymous
	ID        string          // sub
	Email     string          // email
	Role      string          // the system role: "anon" when anonymous, else the token's (authenticated, …)
	ProjectID string          // project_id
	Expires   time.Time       // exp; zero when the token does not say
	Claims    json.RawMessage // the token's payload, a JSON object; nil when anonymous
	Verified  bool            // false when nobody could tell but the backend, which will on each request
	ByBackend bool            // how it was verified: the backend was asked, at most a minute ago; see Asker
}

// Anonymous reports whether nobody signed in.
func (c Caller) Anonymous() bool { return c.Token == "" }

type callerKey struct{}

// WithCaller returns a context that carries the caller of one request.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of the request, and whether one was set.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Callers resolves the caller of each request. On HTTP that is the caller in the context; on stdio the operator's
// token, re-read when its file changes. Never a session's.
type Callers func(context.Context) (Caller, error)
