package gateway_test

import (
	"net/http"
	"testing"
)

func TestFunctionsAnswerThatTheyDoNotRunYet(t *testing.T) {
	anon, service := shared.project.AnonKey, shared.project.ServiceKey
	for name, tt := range map[string]struct {
		request
		status int
		code   string
	}{
		"no key":                    {request{path: "/functions/v1/f"}, 401, "AUTHENTICATION_REQUIRED"},
		"no key and a bad name":     {request{path: "/functions/v1/F"}, 401, "AUTHENTICATION_REQUIRED"},
		"another key":               {request{path: "/functions/v1/f", apikey: "x"}, 401, "AUTHENTICATION_REQUIRED"},
		"a forged token":            {request{path: "/functions/v1/f", apikey: anon, bearer: "x"}, 401, ""},
		"the service key as bearer": {request{path: "/functions/v1/f", apikey: anon, bearer: service}, 403, "ADMIN_REQUIRED"},
		"a bad name":                {request{path: "/functions/v1/F", apikey: anon}, 404, "FUNCTION_NOT_FOUND"},
		"the route of Core":         {request{path: "/functions/v1/invoke", apikey: service}, 404, "FUNCTION_NOT_FOUND"},
		"runs":                      {request{path: "/functions/v1/f/runs", apikey: anon}, 404, "NOT_FOUND"},
		"the anon key":              {request{path: "/functions/v1/f", apikey: anon}, 503, "DYNAMIC_RUNTIME_UNAVAILABLE"},
		"the service key":           {request{path: "/functions/v1/f", apikey: service}, 503, "DYNAMIC_RUNTIME_UNAVAILABLE"},
		"a user":                    {as(t, "ana", request{path: "/functions/v1/f"}), 503, "DYNAMIC_RUNTIME_UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodOptions} {
				tt.method = method
				got := do(t, tt.request)
				body := got.decode(t)
				if got.status != tt.status || tt.code != "" && body["code"] != tt.code {
					t.Fatalf("%s: got %d %s", method, got.status, got.body)
				}
				retryable, said := body["retryable"].(bool)
				if tt.status == http.StatusServiceUnavailable && (body["error"] != "dynamic_runtime_unavailable" ||
					retryable || !said || body["next_actions"] == nil || body["hint"] == nil) {
					t.Errorf("%s: got %s", method, got.body)
				}
			}
		})
	}
}
