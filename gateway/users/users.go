// Package users keeps the accounts of a project's users, and signs them in: signup, passwords, sessions whose refresh
// tokens rotate, and what an admin may do about all that (contract section 5). Accounts live in the gateway's internal
// schema, so that any copy of the program knows them.
//
// A token says who somebody is, never what they may do: that is PostgreSQL's to decide, by the token's role.
package users

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/auth"
)

// How long what a sign-in gives is good for.
const (
	AccessLife  = time.Hour
	RefreshLife = 30 * 24 * time.Hour // of each refresh token: a session that is used goes on
)

// Options say whose users these are. All are needed.
type Options struct {
	ProjectID string
	Key       *Key                                         // signs access tokens
	Pool      func(context.Context) (*pgxpool.Pool, error) // of the login that owns the internal schema
	Log       *slog.Logger
}

// Users serves the accounts of one project.
type Users struct {
	opts   Options
	hasher *hasher
}

// New returns the accounts of a project. It touches no database yet.
func New(opts Options) *Users { return &Users{opts: opts, hasher: newHasher()} }

// Guards are the gateway's: who may pass to a route. They answer what they refuse.
type Guards struct {
	Anon    func(http.HandlerFunc) http.HandlerFunc // the anon key in apikey; the bearer does not count
	User    func(http.HandlerFunc) http.HandlerFunc // and a user's token, whose caller is then in the context
	Service func(http.HandlerFunc) http.HandlerFunc // the service key
	Project func(http.HandlerFunc) http.HandlerFunc // the service key of the project in the path
}

// Routes adds the routes of contract section 5 to a mux.
func (u *Users) Routes(mux *http.ServeMux, guard Guards) {
	for pattern, serve := range map[string]http.HandlerFunc{
		"POST /auth/v1/signup":   guard.Anon(u.handle(u.signup)),
		"POST /auth/v1/token":    guard.Anon(u.handle(u.token)),
		"GET /auth/v1/providers": guard.Anon(u.handle(u.providers)),

		"GET /auth/v1/user":           guard.User(u.handle(u.user)),
		"POST /auth/v1/user/password": guard.User(u.handle(u.changePassword)),
		"PUT /auth/v1/user/password":  guard.User(u.handle(u.changePassword)), // as the public SDK sends it
		"POST /auth/v1/logout":        guard.User(u.handle(u.logout)),

		"POST /auth/v1/admin/users":                      guard.Service(u.handle(u.createUser)),
		"POST /auth/v1/dev-tokens":                       guard.Service(u.handle(u.devToken)),
		"POST /projects/v1/admin/{project}/promote-user": guard.Project(u.handle(u.setAdmin(true))),
		"POST /projects/v1/admin/{project}/demote-user":  guard.Project(u.handle(u.setAdmin(false))),
		"GET /internal/v1/project-jwt-keys":              guard.Service(u.handle(u.keys)),
		"POST /auth/v1/magic-link":                       u.handle(u.notHere),
		"PATCH /auth/v1/settings":                        guard.Service(u.handle(u.notHere)),
	} {
		mux.HandleFunc(pattern, serve)
	}
}

// access signs an access token for a user.
func (u *Users) access(c accessClaims) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"sub": c.subject, "role": c.role, "project_id": u.opts.ProjectID, "iss": issuer,
		"iat": now.Unix(), "exp": now.Add(AccessLife).Unix(),
	}
	if c.email != "" {
		claims["email"] = c.email
	}
	if c.sessionID != "" {
		claims["session_id"], claims["amr"], claims["aal"] = c.sessionID, []string{"password"}, "aal1"
		claims["auth_time"] = c.signedIn.Unix()
	}
	return u.opts.Key.Sign(claims)
}

// accessClaims are what differs between two access tokens of a project. A session is there when a password was.
type accessClaims struct {
	subject, role, email string
	sessionID            string
	signedIn             time.Time
}

const issuer = "functions-mcp"

func role(admin bool) string {
	if admin {
		return auth.RoleProjectAdmin
	}
	return auth.RoleAuthenticated
}

// newUUID returns a random UUID, version 4.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return formatUUID(id, 4)
}

func formatUUID(id [16]byte, version byte) string {
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
