package auth

import (
	"net/http"
	"strings"
)

// The headers by which whoever is behind a gate knows who passed it (contract section 6). They mean something only
// behind Gatekeeper.Handler, which removes what came from outside.
const (
	HeaderUserID   = "X-Run402-User-Id"
	HeaderUserRole = "X-Run402-User-Role" // the application role; only behind a RoleRule
)

// StripHeaders removes every x-run402-* header of a request, in whatever spelling: nobody outside may say who he is.
func StripHeaders(h http.Header) {
	const prefix = "x-run402-"
	for name := range h {
		// A server or proxy further on may take _ for -.
		if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), prefix) {
			delete(h, name)
		}
	}
}

// Handler lets those pass to next who pass the gate, with the headers that say who they are; others get the refusal's
// envelope. Who calls is decided by verify and the bearer, as of each request. The request that came is not changed.
func (k *Gatekeeper) Handler(g Gate, verify Verify, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		StripHeaders(r.Header)
		if g.Open() {
			next.ServeHTTP(w, r)
			return
		}
		// A bad bearer is nobody here, where any gate asks for somebody.
		var caller Caller
		if token, ok, err := Bearer(r); err == nil && ok {
			if c, err := verify(token); err == nil {
				caller = c
			}
		}
		role, err := k.Pass(r.Context(), g, caller)
		if refusal, ok := err.(*Refusal); ok { //nolint:errorlint // as Pass promises
			WriteError(w, refusal.Status, refusal.Envelope)
			return
		}
		r.Header.Set(HeaderUserID, caller.ID)
		if g.RequireRole != nil {
			r.Header.Set(HeaderUserRole, role)
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}

// User is what getUser of @run402/functions returns (contract section 5). Role is the system role, not the
// application's.
type User struct {
	ID    string `json:"id"`
	Role  string `json:"role"`
	Email string `json:"email"`
}

// GetUser returns the user whose bearer a request has, or nil: without one, and when it fails verify in any way. As in
// the seed, the header must start with exactly "Bearer ".
func GetUser(r *http.Request, verify Verify) *User {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	c, err := verify(token)
	if err != nil || !c.Verified {
		return nil
	}
	return &User{ID: c.ID, Role: c.Role, Email: c.Email}
}

// GetUserID returns the id of the user who passed the gate; false when there was none, so that the request has no id.
func GetUserID(r *http.Request) (id string, ok bool) { return header(r, HeaderUserID) }

// GetRole returns the application role with which the user passed the gate; false when it asked for none.
func GetRole(r *http.Request) (role string, ok bool) { return header(r, HeaderUserRole) }

func header(r *http.Request, name string) (string, bool) {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}
