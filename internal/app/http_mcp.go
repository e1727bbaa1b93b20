package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core/wire"
)

// Routes of `serve --listen`.
const (
	mcpPath     = "/mcp"
	ssePath     = "/sse" // legacy, with messagePath: for clients of 2024-11-05
	messagePath = "/message"
)

const (
	sessionIdle = 30 * time.Minute // without a request or a heartbeat
	heartbeat   = 30 * time.Second // so that proxies keep a stream, and a client that is gone shows
)

// HTTP is MCP over HTTP as `serve --listen` has it: the same chain, routes and http.Server, for whatever MCP server.
// The conformance suite holds it to the protocol with a server of its own. All but the keys are needed.
type HTTP struct {
	Listen              *config.Listen
	Verify              auth.Verify // who a bearer speaks for
	AnonKey, ServiceKey string      // which Verify need not know; see auth.WithKeys
	Ready               func(context.Context) error
	Log                 *slog.Logger
	// NewServer makes the MCP server, with the options that the transports need. auth.ContextCaller tells its
	// handlers who is calling.
	NewServer func(...server.ServerOption) (*server.MCPServer, error)
}

// Serve answers on the listener until ctx ends, then lets calls finish for five seconds. It closes the listener. A
// configuration that cannot be meant is an error at once.
func (s HTTP) Serve(ctx context.Context, listener net.Listener) error {
	h, err := s.handler(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return h.serve(ctx, listener, s.Log)
}

// mcpHandler is everything that `serve --listen` answers.
type mcpHandler struct {
	http.Handler
	endStreams context.CancelFunc // ends what stays open by design
	streamable *server.StreamableHTTPServer
}

// serve answers on the listener until ctx ends, and closes it and the handler.
func (h *mcpHandler) serve(ctx context.Context, listener net.Listener, log *slog.Logger) error {
	defer h.close()
	defer func() { _ = listener.Close() }() // the http.Server closes it too
	return serveHTTP(ctx, newHTTPServer(h, log), listener, h.endStreams)
}

func (h *mcpHandler) close() {
	h.endStreams()
	_ = h.streamable.Shutdown(context.Background()) // stops its sweeper; it has no listener that could fail
}

// handler wires both transports behind the one chain. Policy is in the chain; here is only what goes where.
func (s HTTP) handler(ctx context.Context) (*mcpHandler, error) {
	l := s.Listen
	identify := s.Verify
	chainConfig := auth.ChainConfig{
		Guard: l.Guard, RequireAuth: l.RequireAuth, Limits: auth.PublicLimits(), Sessions: &auth.Sessions{}, Log: s.Log,
	}
	if l.Guard.PublicURL == "" { // only then can it be reached by loopback alone
		chainConfig.Limits = auth.LocalLimits()
	}
	if l.AuthServer != "" {
		identify = auth.ForAudience(identify, l.Guard.PublicURL)
		chainConfig.Metadata = metadataURL(l.Guard.PublicURL)
	}
	chainConfig.Identify = auth.WithKeys(identify, s.AnonKey, s.ServiceKey)
	chain, err := auth.NewChain(chainConfig)
	if err != nil {
		return nil, &usageError{err}
	}
	legacy := &sseCalls{chain: chain, sessions: chainConfig.Sessions}
	mcp, err := s.NewServer(legacy.options()...)
	if err != nil {
		return nil, err
	}
	sse := legacy.server(mcp)
	streamable := server.NewStreamableHTTPServer(mcp,
		server.WithSessionIdManagerResolver(sessionResolver{chainConfig.Sessions}),
		server.WithSessionIdleTTL(sessionIdle),
		server.WithHeartbeatInterval(heartbeat),
		server.WithStreamableHTTPLogger(s.Log),
		server.WithDisableLocalhostProtection(true), // the guard knows the public URL too
	)

	mux := http.NewServeMux()
	mux.Handle(mcpPath, chain.Calls(streamable, auth.HeaderSession))
	mux.Handle("GET "+ssePath, chain.Calls(sse.SSEHandler(), auth.QuerySession))
	mux.Handle("POST "+messagePath, chain.Calls(sse.MessageHandler(), auth.QuerySession))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, "ok") })
	mux.Handle("GET /readyz", &readiness{ready: s.Ready, log: s.Log})
	if l.AuthServer != "" {
		mux.Handle(server.ProtectedResourceMetadataPath(l.Guard.PublicURL), protectedResource(l))
	}
	mux.HandleFunc("/", notFound)

	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	return &mcpHandler{
		Handler:    chain.Front(endWith(streams, mux)),
		endStreams: endStreams, streamable: streamable,
	}, nil
}

// endWith ends streams, and not calls, when ctx ends.
func endWith(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth.OpensStream(r) {
			both, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(both)
		}
		next.ServeHTTP(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	auth.WriteError(w, http.StatusNotFound, wire.Error{
		Code: "NOT_FOUND", Category: "not_found", MutationState: "none",
		Message: "there is nothing here: MCP is at " + mcpPath + ", or at " + ssePath + " for older clients",
	})
}

// metadataURL is where protectedResource is for those outside.
func metadataURL(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return "" // the guard refused it
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: server.ProtectedResourceMetadataPath(publicURL)}).String()
}

// protectedResource is the metadata of RFC 9728, by which clients find where to sign in. It has no scopes: row level
// security decides what a caller may do.
func protectedResource(l *config.Listen) http.Handler {
	return server.NewProtectedResourceMetadataHandler(server.ProtectedResourceMetadataConfig{
		Resource: l.Guard.PublicURL, AuthorizationServers: []string{l.AuthServer},
		BearerMethodsSupported: []string{"header"}, ResourceName: "functions-mcp",
	})
}
