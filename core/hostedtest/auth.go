package hostedtest

import (
	"net/http"
	"strings"
)

// authorize refuses a request whose credentials do not fit its route: sections 1.4, 2.1, 3 and 4.
func (g *Gateway) authorize(r *http.Request) (refusal Answer, refused bool) {
	apikey := r.Header.Get("apikey")
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/rest/v1/"):
		return g.authorizeCaller(apikey, bearer)
	case strings.HasPrefix(path, "/functions/v1/"):
		if apikey == g.ServiceKey() {
			apikey = g.AnonKey() // either will do, section 1.4
		}
		return g.authorizeCaller(apikey, bearer)
	case strings.HasPrefix(path, "/admin/v1/rest/"):
		if apikey == g.AnonKey() && g.flavor == Hosted {
			return g.failure(http.StatusForbidden, "FORBIDDEN", "This route takes the service key."), true
		}
		if apikey != g.ServiceKey() {
			return g.unauthenticated(), true
		}
	case strings.HasPrefix(path, "/mailboxes/v1"):
		if bearer != g.ServiceKey() {
			return g.unauthenticated(), true
		}
	case strings.HasPrefix(path, "/projects/v1/admin/"):
		if project, _, _ := strings.Cut(strings.TrimPrefix(path, "/projects/v1/admin/"), "/"); project != ProjectID {
			return g.failure(http.StatusNotFound, "PROJECT_NOT_FOUND", "There is no such project."), true
		}
		if apikey == "" || g.flavor == Hosted {
			apikey = bearer
		}
		if apikey != g.ServiceKey() {
			return g.unauthenticated(), true
		}
	}
	return Answer{}, false
}

func (g *Gateway) authorizeCaller(apikey, bearer string) (refusal Answer, refused bool) {
	switch {
	case apikey == g.ServiceKey() && g.flavor == Hosted:
		return g.failure(http.StatusForbidden, "ADMIN_REQUIRED", "The service role's routes are /admin/v1/rest/*."), true
	case apikey != g.AnonKey():
		return g.unauthenticated(), true
	case bearer == "", bearer == apikey && g.flavor == Hosted:
		return Answer{}, false
	case bearer == ForeignToken:
		return g.failure(http.StatusForbidden, "PROJECT_TOKEN_MISMATCH", "The token belongs to another project."), true
	}
	user, found := strings.CutPrefix(bearer, "header.user-")
	role, signed := strings.CutSuffix(user, ".signature")
	switch {
	case !found || !signed:
		return g.unauthenticated(), true
	case role == "authenticated", role == "anon", role == "project_admin" && g.flavor == Hosted:
		return Answer{}, false
	}
	return g.failure(http.StatusForbidden, "ROLE_FORBIDDEN", "The role may not use this route."), true
}

func (g *Gateway) unauthenticated() Answer {
	return g.failure(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED", "A valid credential is required.")
}

// failure is a Run402 envelope (section 11); Core sends only its lower-case code and the message.
func (g *Gateway) failure(status int, code, message string) Answer {
	body := map[string]any{"error": strings.ToLower(code), "message": message}
	if g.flavor == Hosted {
		body["code"] = code
		body["category"] = "auth"
		body["retryable"] = false
		body["safe_to_retry"] = true
		body["mutation_state"] = "none"
		body["trace_id"] = "trc_9"
		body["next_actions"] = []any{map[string]any{"type": "authenticate", "why": "the credential does not fit"}}
	}
	return Answer{Status: status, Body: mustJSON(body)}
}
