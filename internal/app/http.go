package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
)

// What a listener waits for. Writing has no limit here, which would cut streams; how long a body may take to arrive and
// an answer to be read is the middleware's to say.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	drainTime     = 5 * time.Second // for calls to end when the program is asked to
	streamTime    = time.Second     // for streams, of that
)

// serveMCP serves MCP over HTTP until ctx ends. It prints where.
func serveMCP(ctx context.Context, p Process, back *backend, s config.Settings, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen.Guard.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Listen.Guard.Listen, err)
	}
	h, err := overHTTP(back, s, log).handler(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if _, err := fmt.Fprintf(p.Stdout, "MCP at http://%s%s\n", listener.Addr(), mcpPath); err != nil {
		h.close()
		return errors.Join(err, listener.Close())
	}
	return h.serve(ctx, listener, log)
}

// overHTTP is the program's own MCP server.
func overHTTP(back *backend, s config.Settings, log *slog.Logger) HTTP {
	return HTTP{
		Listen: s.Listen, Verify: back.verify, AnonKey: back.anonKey, ServiceKey: back.serviceKey,
		Ready: back.ready, Log: log,
		NewServer: func(more ...server.ServerOption) (*server.MCPServer, error) {
			return newServer(back, s, auth.ContextCaller, log, more...)
		},
	}
}

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serveHTTP serves until ctx ends, then lets what runs finish: for streamTime, after which endStreams must end what
// would stay open by design, and for drainTime altogether. What still runs is cancelled, and said to be an error.
func serveHTTP(ctx context.Context, srv *http.Server, listener net.Listener, endStreams func()) error {
	new(unusedConns).watch(srv)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	defer time.AfterFunc(streamTime, endStreams).Stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("shut down http: calls were still running: %w", err), srv.Close())
	}
	return nil
}
