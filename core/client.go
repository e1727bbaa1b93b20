// Package core is the Run402 client: what the library @run402/functions is for TypeScript. It knows HTTP and the wire
// contract; it knows no MCP. The caller plane (CallerDB) and the admin plane (AdminDB) are two types, so that handing
// one where the other belongs does not compile; neither holds the other's credentials.
package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// Config says which project a Client works on. Base is the API's URL; keys as in contract section 1.1. AnonKey may be
// empty (then the caller plane is refused before any request), and so may ServiceKey (then the admin plane is).
type Config struct {
	Base       string
	ProjectID  string
	AnonKey    string
	ServiceKey string
	// Transport is what requests go through; nil means an HTTP transport of the Client's own. See Handler for the
	// in-process one.
	Transport http.RoundTripper
}

// Client is a project's client. It is safe for concurrent use; a program needs one.
type Client struct {
	conn    *conn
	anonKey string
	admin   adminPlane
	mailbox *knownMailbox
}

// New returns a Client, or an error when the configuration cannot work.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.Base)
	if err != nil {
		return nil, err
	}
	switch {
	case !headerSafe(cfg.AnonKey):
		return nil, errors.New("core: the anon key contains blanks or control characters; copy it again")
	case !headerSafe(cfg.ServiceKey):
		return nil, errors.New("core: the service key contains blanks or control characters; copy it again")
	case cfg.AnonKey != "" && cfg.AnonKey == cfg.ServiceKey:
		return nil, errors.New("core: the anon key and the service key are the same; copy each from the project again")
	}
	return &Client{
		conn:    newConn(base, cfg.Transport),
		anonKey: cfg.AnonKey,
		admin:   adminPlane{serviceKey: cfg.ServiceKey, projectID: cfg.ProjectID},
		mailbox: &knownMailbox{},
	}, nil
}

// parseBase accepts an absolute http(s) URL without user, query or fragment and drops its trailing slashes.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("core: the API base must be an absolute URL such as https://api.run402.com")
	case u.User != nil:
		return nil, errors.New("core: the API base must not contain a user or password; keys have settings of their own")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("core: the API base must end with its path, without ? or #: %s://%s", u.Scheme, u.Host)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// DB returns the caller plane for the bearer token of one request; an empty token is an anonymous caller. The service
// key is no caller's token: every call with it fails with code ADMIN_REQUIRED before any request.
func (c *Client) DB(token string) CallerDB {
	return CallerDB{conn: c.conn, plane: callerPlane{
		anonKey: c.anonKey,
		token:   token,
		refused: token != "" && token == c.admin.serviceKey,
	}}
}

// Admin returns the admin plane. Without a service key every call fails with a *Error of code SERVICE_KEY_MISSING.
func (c *Client) Admin() AdminDB { return AdminDB{conn: c.conn, plane: c.admin} }

// Health asks the backend how it is, without any credential. A backend that answers 503 with a status is starting or
// failed, which is an answer and not an error.
func (c *Client) Health(ctx context.Context) (wire.HealthStatus, error) { return c.conn.health(ctx) }

// Honours reports whether the backend says that it honours an extension (wire.Honours…). The answer is remembered once
// the backend was reached and up; a backend that cannot be asked honours nothing.
func (c *Client) Honours(ctx context.Context, what string) bool { return c.conn.honours(ctx, what) }

func (c *conn) health(ctx context.Context) (wire.HealthStatus, error) {
	var status wire.HealthStatus
	ans, err := c.send(ctx, request{
		op: "health", method: http.MethodGet, path: wire.Health, header: http.Header{}, reads: true,
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusServiceUnavailable && e.Body != nil {
		if json.Unmarshal(e.Body, &status) == nil && status.Status != "" {
			return status, nil
		}
	}
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(ans.body, &status); err != nil {
		return status, invalidAnswer("health", ans.status, err)
	}
	return status, nil
}

func (c *conn) honours(ctx context.Context, what string) bool {
	known := c.extensions.Load()
	if known == nil {
		status, err := c.health(ctx)
		known = &status.Honours
		if e, ok := errors.AsType[*Error](err); status.Status == "ok" || ok && e.Status != 0 && !e.Retryable {
			c.extensions.Store(known) // it is up and said so, or it has no such route
		}
	}
	return slices.Contains(*known, what)
}
