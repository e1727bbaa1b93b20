// Package core is the Run402 client: what the library @run402/functions is for TypeScript. It knows HTTP and the wire
// contract; it knows no MCP. The caller plane (CallerDB) and the admin plane (AdminDB) are two types, so that handing one
// where the other belongs does not compile.
package core

import (
	"context"
	"net/http"

	"github.com/run402/functions-mcp/core/wire"
)

// Config says which project a Client works on. Base is the API's URL; keys as in contract section 1.1. AnonKey may be
// empty (then the caller plane is refused before any request), and so may ServiceKey (then the admin plane is).
type Config struct {
	Base       string
	ProjectID  string
	AnonKey    string
	ServiceKey string
	// Transport is what requests go through; nil means a shared HTTP transport. See Handler for the in-process one.
	Transport http.RoundTripper
}

// Client is a project's client. It is safe for concurrent use; a program needs one.
type Client struct{ cfg Config }

// New returns a Client, or an error when the configuration cannot work.
func New(cfg Config) (*Client, error) { panic("TODO") }

// Handler returns a transport that calls h in process: no socket, no copy that is not needed.
func Handler(h http.Handler) http.RoundTripper { panic("TODO") }

// DB returns the caller plane for the bearer token of one request; an empty token is an anonymous caller.
func (c *Client) DB(token string) CallerDB { panic("TODO") }

// Admin returns the admin plane. Every call fails with a *Error of code SERVICE_KEY_MISSING when there is no service key.
func (c *Client) Admin() AdminDB { panic("TODO") }

// Health asks the backend how it is.
func (c *Client) Health(ctx context.Context) (wire.HealthStatus, error) { panic("TODO") }

// Honours reports whether the backend says that it honours an extension (wire.Honours…). The answer is remembered once
// the backend was reached; a backend that cannot be asked honours nothing.
func (c *Client) Honours(ctx context.Context, what string) bool { panic("TODO") }
