package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/rest"
)

// ownRest serves the caller plane of a PostgreSQL that was there before, to clients of PostgREST: an apikey is not
// asked for, and refusals have PostgREST's shape.
func (g *Gateway) ownRest(w http.ResponseWriter, r *http.Request, tail string) {
	if refusal := g.ownKey(r); refusal != nil {
		auth.WriteError(w, refusal.status, refusal.envelope)
		return
	}
	caller, err := g.ownCaller(r)
	if err != nil {
		refuseOwn(w, r, err)
		return
	}
	db, err := g.db.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	own := g.opts.Own
	facts, err := db.roles.get(r.Context(), caller.Role)
	if err == nil {
		err = own.refuseRole(caller, facts)
	}
	if err != nil {
		refuseOwn(w, r, err)
		return
	}
	s := rest.Session{
		Pool: db.pool(callerLogin), Role: caller.Role, Become: caller.Role, Settings: facts.Settings,
		Isolation: facts.Isolation, Unprepared: db.unprepared, PreRequest: own.PreRequest,
		Claims: claimsOf(caller), Credentials: true,
		StatementTimeout: callerTimeout, LockTimeout: lockTimeout,
	}
	if caller.Role == own.AnonRole {
		s.Role, s.StatementTimeout = rest.AnonRole, anonTimeout
	}
	if facts.Timeout > 0 {
		s.StatementTimeout = facts.Timeout
	}
	g.rest.Serve(w, r, tail, s)
}

// ownKey refuses the service key, which has a plane of its own. Other keys say nothing here: PostgREST has none.
func (g *Gateway) ownKey(r *http.Request) *refusal {
	bearer, _ := bearerOf(r)
	for _, key := range []string{r.Header.Get("apikey"), bearer} {
		if auth.EqualKeys(key, g.opts.Project.ServiceKey) {
			return refuse(http.StatusForbidden, "ADMIN_REQUIRED", serviceHint)
		}
	}
	return nil
}

// bearerOf is the token of a request, and whether it has one; another scheme has none.
func bearerOf(r *http.Request) (token string, given bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// ownCaller resolves who a request is made for.
func (g *Gateway) ownCaller(r *http.Request) (auth.Caller, error) {
	own := g.opts.Own
	token, given := bearerOf(r)
	switch {
	case !given, auth.EqualKeys(token, g.opts.Project.AnonKey):
		return auth.Caller{Role: own.AnonRole}, nil
	case token == "":
		return auth.Caller{}, tokenError("PGRST301", "Empty JWT is sent in Authorization header")
	case !own.verifies() && own.GatewayURL == "":
		return auth.Caller{}, &rest.Error{Status: http.StatusInternalServerError, Code: "PGRST300",
			Message: "Server lacks JWT secret"}
	}
	caller, err := g.verify(token)
	var claim *auth.ClaimError
	switch {
	case err == nil:
		return caller, nil
	case errors.As(err, new(*rest.Error)):
		return auth.Caller{}, err
	case errors.As(err, &claim):
		return auth.Caller{}, tokenError("PGRST303", "The JWT '"+claim.Claim+"' claim must be a number")
	case errors.Is(err, auth.ErrExpired):
		return auth.Caller{}, tokenError("PGRST303", "JWT expired")
	case errors.Is(err, auth.ErrNotYetValid):
		return auth.Caller{}, tokenError("PGRST303", "JWT not yet valid")
	case errors.Is(err, auth.ErrAlgorithm):
		e := tokenError("PGRST301", "Wrong or unsupported encoding algorithm")
		if header, _, _ := strings.Cut(token, "."); unsigned(header) {
			e.Details = "JWT is unsecured but expected 'alg' was not 'none'"
		}
		return auth.Caller{}, e
	case errors.Is(err, auth.ErrMalformed):
		if parts := strings.Count(token, ".") + 1; parts != 3 {
			return auth.Caller{}, tokenError("PGRST301", fmt.Sprintf("Expected 3 parts in JWT; got %d", parts))
		}
		return auth.Caller{}, tokenError("PGRST301", "JWT cryptographic operation failed")
	}
	e := tokenError("PGRST301", "No suitable key or wrong key type")
	e.Details = "None of the keys was able to decode the JWT"
	return auth.Caller{}, e
}

// unsigned reports whether a token's header says that nobody signed it.
func unsigned(header string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(header)
	var h struct {
		Alg string `json:"alg"`
	}
	return err == nil && json.Unmarshal(raw, &h) == nil && h.Alg == "none"
}

// checkClaims refuses what PostgREST does besides a token's times: an iat in the future, and an aud of another shape or
// of somebody else.
func (o *Own) checkClaims(raw json.RawMessage) error {
	var claims struct {
		IssuedAt json.RawMessage `json:"iat"`
		Audience json.RawMessage `json:"aud"`
	}
	_ = json.Unmarshal(raw, &claims) // it was an object when it was verified
	if given(claims.IssuedAt) {
		var at float64
		if json.Unmarshal(claims.IssuedAt, &at) != nil {
			return tokenError("PGRST303", "The JWT 'iat' claim must be a number")
		}
		if at > float64(time.Now().Add(clockLeeway).Unix()) {
			return tokenError("PGRST303", "JWT issued at future")
		}
	}
	var one string
	var many []string
	switch {
	case !given(claims.Audience):
		return nil
	case json.Unmarshal(claims.Audience, &one) == nil:
		many = []string{one}
	case json.Unmarshal(claims.Audience, &many) != nil:
		return tokenError("PGRST303", "The JWT 'aud' claim must be a string or an array of strings")
	}
	if o.Audience != "" && len(many) > 0 && !slices.Contains(many, o.Audience) {
		return tokenError("PGRST303", "JWT not in audience")
	}
	return nil
}

func given(claim json.RawMessage) bool { return claim != nil && string(claim) != "null" }

func tokenError(code, message string) *rest.Error {
	return &rest.Error{Status: http.StatusUnauthorized, Code: code, Message: message}
}

// refuseRole says why a request must not become a role.
func (o *Own) refuseRole(caller auth.Caller, facts roleFacts) error {
	switch {
	case !facts.Exists && caller.Token == "":
		return &rest.Error{Status: http.StatusUnauthorized, Code: "PGRST302", Message: "Anonymous access is disabled"}
	case !facts.Exists:
		return &rest.Error{Status: http.StatusUnauthorized, Code: "22023",
			Message: fmt.Sprintf("role %q does not exist", caller.Role)}
	case facts.Bypasses:
		return &rest.Error{Status: http.StatusForbidden, Code: "42501",
			Message: fmt.Sprintf("role %q bypasses row level security, which no caller may", caller.Role),
			Hint:    "Use a role without SUPERUSER and BYPASSRLS here; /admin/v1/rest is what bypasses policies."}
	case o.Roles != nil && caller.Role != o.AnonRole && !slices.Contains(o.Roles, caller.Role):
		return &rest.Error{Status: http.StatusForbidden, Code: "42501",
			Message: fmt.Sprintf("permission denied to set role %q", caller.Role), Hint: "RUN402_DB_ROLES does not list it."}
	}
	return nil
}

// claimsOf is what functions and policies see of a token: its claims, with the role that the request has.
func claimsOf(c auth.Caller) string {
	claims := map[string]json.RawMessage{}
	if c.Claims != nil {
		_ = json.Unmarshal(c.Claims, &claims) // it was an object when it was verified
	}
	role, _ := json.Marshal(c.Role) // texts always marshal
	if string(claims["role"]) == string(role) {
		return string(c.Claims)
	}
	claims["role"] = role
	text, _ := json.Marshal(claims) // so do they
	return string(text)
}

// refuseOwn answers as PostgREST does; what is wrong with a token goes into a header besides (RFC 6750).
func refuseOwn(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*rest.Error](err); ok && (e.Code == "PGRST301" || e.Code == "PGRST303") {
		said := *e
		said.Header = http.Header{"Www-Authenticate": {
			fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, e.Message),
		}}
		err = &said
	}
	rest.WriteError(w, r, err, rest.AnonRole)
}
