package gateway

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/users"
)

// Verify verifies the tokens of the project's users: those that the gateway signs with ES256 when they sign in, and
// those that whoever holds the JWT secret signs with HS256. A project without a secret has no users.
func (p Project) Verify() auth.Verify {
	keys := auth.HS256([]byte(p.JWTSecret))
	if key, err := users.DeriveKey(p.JWTSecret, p.ID); err == nil {
		keys = keys.With(key.KeySet())
	}
	return auth.NewVerifier(keys, p.ID).Verify
}

// userRoutes adds the accounts of the project's users: contract section 5.
func (g *Gateway) userRoutes() {
	key, err := users.DeriveKey(g.opts.Project.JWTSecret, g.opts.Project.ID)
	if err != nil {
		g.opts.Log.Error("nobody can sign in", "error", err)
		return
	}
	accounts := users.New(users.Options{
		ProjectID: g.opts.Project.ID, Key: key, Log: g.opts.Log,
		Pool: g.internalPool,
	})
	accounts.Routes(g.mux, users.Guards{
		Anon: g.anonOnly, User: g.userOnly,
		Service: func(next http.HandlerFunc) http.HandlerFunc { return g.serviceKey(bearerFirst, g.open(next)) },
		Project: func(next http.HandlerFunc) http.HandlerFunc { return g.serviceOnly(g.open(next)) },
	})
}

// internalPool waits for the pool of the login that owns the internal schema.
func (g *Gateway) internalPool(ctx context.Context) (*pgxpool.Pool, error) {
	db, err := g.db.get(ctx)
	if err != nil {
		return nil, err
	}
	return db.pool(gatewayLogin), nil
}

// open answers why when there is no database.
func (g *Gateway) open(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := g.db.get(r.Context()); err != nil {
			unavailable(w, err)
			return
		}
		next(w, r)
	}
}

// anonOnly guards a route for who has not signed in yet: the anon key opens it. Clients send whatever bearer they still
// have, and it does not count.
func (g *Gateway) anonOnly(next http.HandlerFunc) http.HandlerFunc {
	next = g.open(next)
	return func(w http.ResponseWriter, r *http.Request) {
		if refusal := g.anon(r.Header.Get("apikey")); refusal != nil {
			auth.WriteError(w, refusal.status, refusal.envelope)
			return
		}
		next(w, r)
	}
}

// userOnly guards a route of a user about themselves. The service key in place of the anon key vouches for them.
func (g *Gateway) userOnly(next http.HandlerFunc) http.HandlerFunc {
	next = g.open(next)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		resolve := g.caller
		if auth.EqualKeys(r.Header.Get("apikey"), g.opts.Project.ServiceKey) {
			ctx, resolve = users.Vouch(ctx), g.bearer
		}
		caller, refusal := resolve(r)
		if refusal != nil {
			auth.WriteError(w, refusal.status, refusal.envelope)
			return
		}
		next(w, r.WithContext(auth.WithCaller(ctx, caller)))
	}
}
