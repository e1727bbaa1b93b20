package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

// Principal names who a caller is across the tokens that he gets over time: the project and the user of a verified
// token. Of a token that nobody verified it is the token itself, hashed, since its claims may be made up.
func (c Caller) Principal() string {
	switch {
	case c.Anonymous():
		return "anon"
	case c.Verified && c.ID != "":
		return "user " + c.ProjectID + "/" + c.ID
	}
	sum := sha256.Sum256([]byte(c.Token))
	return "token " + hex.EncodeToString(sum[:])
}

// Sessions are the sessions of MCP that are alive, each bound to the principal who opened it. A session carries no
// rights; binding keeps one caller from reading, steering or ending the stream of another. The zero value is empty.
type Sessions struct {
	mu      sync.Mutex
	alive   map[string]session
	byPayer map[string]int
}

type session struct{ principal, payer string }

// maxSessions bounds what all callers keep alive together; mcp-go keeps some 10 KiB for each.
const maxSessions = 10_000

// New opens a session for the caller of a request and returns its id, which cannot be guessed. End must be called.
func (s *Sessions) New(ctx context.Context) string {
	caller, _ := CallerFrom(ctx)
	id, opened := rand.Text(), session{caller.Principal(), payer(ctx)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alive == nil {
		s.alive, s.byPayer = map[string]session{}, map[string]int{}
	}
	s.alive[id] = opened
	s.byPayer[opened.payer]++
	return id
}

// Alive reports whether there is such a session.
func (s *Sessions) Alive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.alive[id]
	return ok
}

// End ends a session, if it is alive.
func (s *Sessions) End(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended, ok := s.alive[id]
	if !ok {
		return
	}
	delete(s.alive, id)
	if s.byPayer[ended.payer]--; s.byPayer[ended.payer] == 0 {
		delete(s.byPayer, ended.payer)
	}
}

func (s *Sessions) belongs(id, principal string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.alive[id]
	return ok && found.principal == principal
}

// full reports whether one more session is too many: for its caller, or for all.
func (s *Sessions) full(payer string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return most > 0 && s.byPayer[payer] >= most || len(s.alive) >= maxSessions
}

// SessionOf returns the session that a request is part of; empty when of none.
type SessionOf func(*http.Request) string

// HeaderSession is the session of streamable HTTP. The revision 2026-07-28 has none and its header is to be ignored.
// A later revision is not known here, so its session counts.
func HeaderSession(r *http.Request) string {
	if r.Header.Get("Mcp-Protocol-Version") == "2026-07-28" {
		return ""
	}
	return r.Header.Get("Mcp-Session-Id")
}

// QuerySession is the session of legacy SSE, which messages are posted to.
func QuerySession(r *http.Request) string { return r.URL.Query().Get("sessionId") }

// bindSession answers 404, which means that there is no such session, to everyone but the principal who opened it. Most
// is how many sessions a caller may have.
func bindSession(sessions *Sessions, of SessionOf, most int) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, _ := CallerFrom(r.Context())
			id := of(r)
			switch {
			case id != "" && !sessions.belongs(id, caller.Principal()):
				WriteError(w, http.StatusNotFound, wire.Error{
					Code: "SESSION_NOT_FOUND", Category: "not_found", MutationState: "none",
					Message: "there is no such session of yours: open a new one",
				})
			case opensSession(r, id) && sessions.full(payer(r.Context()), most):
				tooMany(w, "too many sessions are open: end some, or wait until they expire", time.Minute)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

func opensSession(r *http.Request, id string) bool {
	return messageMethod(r) == "initialize" || r.Method == http.MethodGet && id == ""
}
