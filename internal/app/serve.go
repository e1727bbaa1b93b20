package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/resources"
	"github.com/run402/functions-mcp/tools"
)

// Calls that run at once over stdio, and those that may wait. mcp-go's own 5 and 100 let a burst of calls hold up
// everything else.
const (
	stdioWorkers = 32
	stdioQueue   = 1000
)

type serveCommand struct {
	config.Config
}

// Run serves MCP until ctx ends: over HTTP with --listen, else on stdio, which the client may close.
func (c serveCommand) Run(ctx context.Context, p Process) (err error) {
	log := p.logger(c.LogFlags)
	settings, err := c.Settings(p.Lookup)
	if err != nil {
		return &usageError{err}
	}
	back, err := newBackend(settings.Backend, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, back.close()) }()
	back.start()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer func() { // what ended it, if that was ours
		if cause := context.Cause(ctx); errors.As(cause, new(*usageError)) {
			err = errors.Join(cause, err)
		}
	}()
	back.refuseUnfit(ctx, stop)
	back.guard(ctx, settings.Gates, stop, log)

	if settings.Listen != nil {
		return serveMCP(ctx, p, back, settings, log)
	}
	verify := auth.WithKeys(back.verify, back.anonKey, back.serviceKey)
	mcp, err := newServer(back, settings, settings.Callers(verify, log), log)
	if err != nil {
		return err
	}
	stdio := server.NewStdioServer(mcp)
	for _, option := range []server.StdioOption{
		server.WithErrorLogger(slog.NewLogLogger(log.Handler(), slog.LevelWarn)),
		server.WithWorkerPoolSize(stdioWorkers),
		server.WithQueueSize(stdioQueue),
	} {
		option(stdio)
	}
	if err := stdio.Listen(ctx, limitLines(pollable(p.Stdin), maxLine), p.Stdout); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// newServer makes the MCP server: tools and resources for the callers that the transport resolves.
func newServer(
	b *backend, s config.Settings, callers auth.Callers, log *slog.Logger, more ...server.ServerOption,
) (*server.MCPServer, error) {
	set, err := tools.New(tools.Options{
		Client: b.client, Callers: callers, Toolsets: s.Toolsets, ReadOnly: s.ReadOnly, Gates: s.Gates, Gatekeeper: b.keeper,
		CallerPlane: b.caller, AdminPlane: b.admin, ProjectID: b.projectID, Backend: b.name,
		AssetRoots: s.AssetRoots, EmailAllow: s.EmailAllow, AIProviders: b.aiProviders,
		Confirm: tools.Confirm(s.Confirm), Secret: []byte(b.serviceKey), Shared: s.Listen != nil,
		Log: log, Audit: audit{log: log, gateway: b.gateway},
	})
	switch {
	case errors.As(err, new(*auth.SpecError)), errors.As(err, new(*tools.ClosedError)):
		return nil, &usageError{err}
	case err != nil:
		return nil, err
	}
	// What resources show, tools do: so they are behind the same gates, and nobody's but the operator's on stdio.
	adminGate := s.Gates.For("admin_describe_tables", tools.ToolsetAdmin)
	read := resources.New(resources.Options{
		Client:      b.client,
		Callers:     gatedBy(s.Gates.For("describe_tables", tools.ToolsetData), b.keeper, callers),
		Clean:       tools.Clean,
		CallerPlane: b.caller,
		Admin:       b.admin && s.Listen == nil && adminGate.Open() && open(s.Toolsets, tools.ToolsetAdmin),
		ProjectID:   b.projectID, Backend: b.name, Toolsets: set.Open(), Log: log,
	})
	mcp := server.NewMCPServer("functions-mcp", version, slices.Concat(set.ServerOptions(), read.ServerOptions(), more)...)
	set.Register(mcp)
	read.Register(mcp)
	return mcp, nil
}

func open(toolsets []string, name string) bool {
	return len(toolsets) == 0 || slices.Contains(toolsets, name)
}
