package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/rest"
)

// callerRest serves the caller plane: contract section 2.1 decides who it is, PostgreSQL what they may do.
func (g *Gateway) callerRest(w http.ResponseWriter, r *http.Request, tail string) {
	if g.opts.Own != nil {
		g.ownRest(w, r, tail)
		return
	}
	caller, refusal := g.caller(r)
	if refusal != nil {
		auth.WriteError(w, refusal.status, refusal.envelope)
		return
	}
	timeout := callerTimeout
	if caller.Role == auth.RoleAnon {
		timeout = anonTimeout
	}
	claims := caller.Claims
	if claims == nil {
		claims = json.RawMessage(`{"role":"anon","project_id":"` + g.opts.Project.ID + `"}`)
	}
	g.serveRest(w, r, tail, caller.Role, string(claims), timeout)
}

// adminRest serves the admin plane: contract section 3. Only the service key opens it; Authorization is ignored.
func (g *Gateway) adminRest(w http.ResponseWriter, r *http.Request, tail string) {
	if refusal := g.service(r.Header.Get("apikey")); refusal != nil {
		auth.WriteError(w, refusal.status, refusal.envelope)
		return
	}
	g.serveRest(w, r, tail, auth.RoleService, g.serviceClaims(), callerTimeout)
}

func (g *Gateway) serveRest(w http.ResponseWriter, r *http.Request, tail, role, claims string, timeout time.Duration) {
	db, err := g.db.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	g.rest.Serve(w, r, tail, rest.Session{
		Pool: db.pool(role), Role: role, Claims: claims, Credentials: role != auth.RoleService,
		StatementTimeout: timeout, LockTimeout: lockTimeout,
		Unprepared: db.unprepared,
	})
}

func (g *Gateway) serviceClaims() string {
	return `{"role":"service_role","sub":"service","project_id":"` + g.opts.Project.ID + `"}`
}

// serviceOnly guards a route of one project: the service key of that very project, contract section 4.
func (g *Gateway) serviceOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("project") != g.opts.Project.ID {
			auth.WriteError(w, http.StatusNotFound, wire.Error{
				Code: "PROJECT_NOT_FOUND", Category: "not_found", MutationState: "none",
				Message: "there is no such project here: RUN402_PROJECT_ID must name the project that the key belongs to",
			})
			return
		}
		g.serviceKey(apikeyFirst, next)(w, r)
	}
}

// Where a service key is looked for first, when both headers hold one.
const (
	apikeyFirst = false // contract section 1.4
	bearerFirst = true  // below /auth/v1 apikey is the anon key
)

// serviceKey guards a route by the service key.
func (g *Gateway) serviceKey(bearerFirst bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("apikey")
		if key == "" || bearerFirst {
			bearer, given, err := auth.Bearer(r)
			if err != nil {
				refusal := refuseToken(err)
				auth.WriteError(w, refusal.status, refusal.envelope)
				return
			}
			if given {
				key = bearer
			}
		}
		if refusal := g.service(key); refusal != nil {
			auth.WriteError(w, refusal.status, refusal.envelope)
			return
		}
		next(w, r)
	}
}

// refusal is an answer to a credential that does not do.
type refusal struct {
	status   int
	envelope wire.Error
}

func refuse(status int, code, message string) *refusal {
	return &refusal{status, wire.Error{Code: code, Category: "auth", Message: message, MutationState: "none"}}
}

func refuseToken(err error) *refusal {
	status, envelope := auth.TokenError(err)
	return &refusal{status, envelope}
}

const serviceHint = "the service key is for /admin/v1/rest: " +
	"here the anon key goes into apikey, and a user's token into Authorization"

// anon says what is wrong with a key on the caller plane.
func (g *Gateway) anon(key string) *refusal {
	if auth.EqualKeys(key, g.opts.Project.ServiceKey) {
		return refuse(http.StatusForbidden, "ADMIN_REQUIRED", serviceHint)
	}
	if !auth.EqualKeys(key, g.opts.Project.AnonKey) {
		return refuse(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED",
			"the apikey header must hold this project's anon key (RUN402_ANON_KEY)")
	}
	return nil
}

// caller resolves who a request on the caller plane is made for.
func (g *Gateway) caller(r *http.Request) (auth.Caller, *refusal) {
	if refusal := g.anon(r.Header.Get("apikey")); refusal != nil {
		return auth.Caller{}, refusal
	}
	return g.bearer(r)
}

// bearer resolves the caller that a request's bearer names.
func (g *Gateway) bearer(r *http.Request) (auth.Caller, *refusal) {
	token, given, err := auth.Bearer(r)
	switch {
	case err != nil:
		return auth.Caller{}, refuseToken(err)
	case !given, auth.EqualKeys(token, g.opts.Project.AnonKey): // clients that always send a bearer send the anon key
		return auth.Caller{Role: auth.RoleAnon}, nil
	case auth.EqualKeys(token, g.opts.Project.ServiceKey):
		return auth.Caller{}, refuse(http.StatusForbidden, "ADMIN_REQUIRED", serviceHint)
	}
	caller, err := g.verify(token)
	if err != nil {
		return auth.Caller{}, refuseToken(err)
	}
	switch caller.Role {
	case auth.RoleAnon, auth.RoleAuthenticated, auth.RoleProjectAdmin:
		return caller, nil
	}
	return auth.Caller{}, refuse(http.StatusForbidden, "ROLE_FORBIDDEN",
		"the token's role may not be used here: callers are anon, authenticated or project_admin")
}

// service says what is wrong with a key on an admin route: weaker ones of this project are 403, the rest 401.
func (g *Gateway) service(key string) *refusal {
	if own := g.opts.Own; own != nil && own.AdminURL == "" {
		return refuse(http.StatusForbidden, "ADMIN_UNAVAILABLE", "this gateway serves callers alone: "+
			"set RUN402_ADMIN_DATABASE_URL, a login for the admin plane, to have one")
	}
	if auth.EqualKeys(key, g.opts.Project.ServiceKey) {
		return nil
	}
	_, err := g.verify(key)
	if err == nil || errors.Is(err, auth.ErrExpired) || auth.EqualKeys(key, g.opts.Project.AnonKey) {
		return refuse(http.StatusForbidden, "FORBIDDEN", "this route needs the project's service key (RUN402_SERVICE_KEY)")
	}
	return refuse(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED",
		"this route needs the project's service key (RUN402_SERVICE_KEY)")
}
