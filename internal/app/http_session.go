package app

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
)

// sessionResolver gives mcp-go's streamable HTTP the sessions that the middleware knows, opened for the caller of the
// request. mcp-go's own stateful manager keeps the ids of ended sessions for good.
type sessionResolver struct{ sessions *auth.Sessions }

// ResolveSessionIdManager implements server.SessionIdManagerResolver. The request is nil when mcp-go itself ends a
// session, which was idle.
func (s sessionResolver) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	m := sessionManager{ctx: context.Background(), sessions: s.sessions}
	if r != nil {
		m.ctx = r.Context()
	}
	return m
}

// sessionManager is the sessions as one request sees them.
type sessionManager struct {
	ctx      context.Context
	sessions *auth.Sessions
}

var errNoSession = errors.New("there is no such session")

// Generate implements server.SessionIdManager.
func (m sessionManager) Generate() string { return m.sessions.New(m.ctx) }

// Validate implements server.SessionIdManager. Whose the session is, the middleware has checked.
func (m sessionManager) Validate(id string) (isTerminated bool, err error) {
	if !m.sessions.Alive(id) {
		return false, errNoSession
	}
	return false, nil
}

// Terminate implements server.SessionIdManager.
func (m sessionManager) Terminate(id string) (isNotAllowed bool, err error) {
	m.sessions.End(id)
	return false, nil
}

// sseCalls ties the calls of legacy SSE to their stream and to their caller's limits. mcp-go answers the POST of a call
// at once and lets it run on by itself, whoever is still there to hear the answer.
type sseCalls struct {
	chain    *auth.Chain
	sessions *auth.Sessions
	streams  sync.Map // the id of a session -> the context.Context of its stream
}

func (s *sseCalls) server(m *server.MCPServer) *server.SSEServer {
	return server.NewSSEServer(m,
		server.WithSSEEndpoint(ssePath), server.WithMessageEndpoint(messagePath),
		server.WithKeepAliveInterval(heartbeat),
		server.WithSessionIDGenerator(s.open),
		server.WithSSEContextFunc(s.find),
		server.WithSSEDisableLocalhostProtection(true), // the guard knows the public URL too
		// An origin that no browser sends, so that mcp-go leaves the guard's CORS answer alone: without any it would
		// let every page in.
		server.WithSSECORS(server.WithCORSAllowedOrigins("no-origin")),
	)
}

// open gives a stream its session, until the stream ends.
func (s *sseCalls) open(ctx context.Context, _ *http.Request) (string, error) {
	id := s.sessions.New(ctx)
	s.streams.Store(id, ctx)
	context.AfterFunc(ctx, func() {
		s.streams.Delete(id)
		s.sessions.End(id)
	})
	return id, nil
}

type streamKey struct{}

// find puts the stream that a message belongs to into the message's context.
func (s *sseCalls) find(ctx context.Context, r *http.Request) context.Context {
	if stream, ok := s.streams.Load(auth.QuerySession(r)); ok {
		return context.WithValue(ctx, streamKey{}, stream)
	}
	return ctx
}

// begin counts a call and ends its context with its stream. Off SSE the middleware has done both.
func (s *sseCalls) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	stream, ok := ctx.Value(streamKey{}).(context.Context)
	if !ok {
		return ctx, func() {}, nil
	}
	finished, err := s.chain.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(stream, cancel)
	return ctx, func() {
		stop()
		cancel()
		finished()
	}, nil
}

// options are the MCP server's part of it.
func (s *sseCalls) options() []server.ServerOption {
	return []server.ServerOption{
		server.WithToolHandlerMiddleware(func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
			return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				ctx, done, err := s.begin(ctx)
				if err != nil {
					return mcp.NewToolResultError(err.Error()), nil
				}
				defer done()
				return next(ctx, req)
			}
		}),
		server.WithResourceHandlerMiddleware(func(next server.ResourceHandlerFunc) server.ResourceHandlerFunc {
			return func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
				ctx, done, err := s.begin(ctx)
				if err != nil {
					return nil, err
				}
				defer done()
				return next(ctx, req)
			}
		}),
	}
}
