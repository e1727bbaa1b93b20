package core

import (
	"net/http"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// A plane is one of the two ways to a project's tables: where they are and which credentials go there (section 1.4).
// The two implementations are the only code that writes a credential into a request, and neither knows the other's.
type plane interface {
	// prefix is the path that the plane's tables live under.
	prefix() string
	// header returns a new header with the plane's credentials, or why no request can be made.
	header(op string) (http.Header, error)
}

type callerPlane struct {
	anonKey, token string
	refused        bool // the token is the service key
}

func (callerPlane) prefix() string { return wire.CallerRest }

func (p callerPlane) header(op string) (http.Header, error) {
	switch {
	case p.refused:
		return nil, notSent(op, CodeAdminRequired, "the service key is not a caller's token",
			"Sign in as a user, or use the admin plane.")
	case p.anonKey == "":
		return nil, notSent(op, CodeAnonKeyMissing, "this project is configured without an anon key",
			"Set RUN402_ANON_KEY to read and write as a caller.")
	case !headerSafe(p.token):
		return nil, notSent(op, CodeInvalidToken, "the caller's token contains blanks or control characters",
			"Sign in again and copy the whole token.")
	}
	h := make(http.Header, headerFields)
	h["Apikey"] = []string{p.anonKey}
	if p.token != "" {
		h["Authorization"] = []string{"Bearer " + p.token}
	}
	return h, nil
}

type adminPlane struct{ serviceKey, projectID string }

func (adminPlane) prefix() string { return wire.AdminRest }

func (p adminPlane) header(op string) (http.Header, error) {
	h, err := p.bearer(op)
	if err == nil {
		h["Apikey"] = []string{p.serviceKey}
	}
	return h, err
}

// bearer is the header of the routes under /projects/v1/admin, which take the service key as a bearer alone.
func (p adminPlane) bearer(op string) (http.Header, error) {
	if p.serviceKey == "" {
		return nil, notSent(op, CodeServiceKeyMissing, "this project is configured without a service key",
			"Set RUN402_SERVICE_KEY to use the admin plane.")
	}
	h := make(http.Header, headerFields)
	h["Authorization"] = []string{"Bearer " + p.serviceKey}
	return h, nil
}

// project returns the project's id, which the admin routes carry in their path.
func (p adminPlane) project(op string) (string, error) {
	if p.projectID == "" || strings.Trim(p.projectID, ".") == "" {
		return "", notSent(op, CodeProjectIDMissing, "this project is configured without a project id",
			"Set RUN402_PROJECT_ID to use admin SQL.")
	}
	return p.projectID, nil
}

// headerFields is how many fields a request's header has at most: enough that the map never grows.
const headerFields = 6

// headerSafe reports whether a credential can stand in a header: visible ASCII alone. It is checked here, since an
// in-process transport has nobody else who would.
func headerSafe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
