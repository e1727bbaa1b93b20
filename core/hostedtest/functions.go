package hostedtest

import (
	"bytes"
	"io"
	"net/http"
)

// Function deploys a function.
func (g *Gateway) Function(name string, handler http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handlers[name] = handler
}

// function calls a function directly, section 10.1. Core calls none by name.
func (g *Gateway) function(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	g.mu.Lock()
	handler := g.handlers[name]
	g.mu.Unlock()
	switch {
	case g.flavor == Core:
		g.failure(http.StatusServiceUnavailable, "DYNAMIC_RUNTIME_UNAVAILABLE", "The dynamic runtime is not available.").write(w)
	case handler == nil:
		g.failure(http.StatusNotFound, "FUNCTION_NOT_FOUND", "There is no such function.").write(w)
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	}
}
