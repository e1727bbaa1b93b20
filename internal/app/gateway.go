package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
)

// gatewayCommands are what is done with a gateway; to serve is what runs when none is named.
type gatewayCommands struct {
	Serve gatewayCommand `cmd:"" default:"withargs" help:"Serve its HTTP API, for @run402/functions (the default)."`
	Init  initCommand    `cmd:"" help:"Set your own PostgreSQL up for the whole API. Shows the SQL first."`
}

type gatewayCommand struct {
	config.ProjectFlags
	config.HTTPFlags
	config.LogFlags
	Listen string `default:"127.0.0.1:4020" placeholder:"HOST:PORT" help:"Where to listen."`
}

// bodyTimeout is for the body of a request to arrive; assets have longer.
const bodyTimeout = time.Minute

// Run serves the HTTP API of a local project, or of a database of the operator's own, until ctx ends. It prints where,
// never a key.
func (c gatewayCommand) Run(ctx context.Context, p Process) (err error) {
	log := p.logger(c.LogFlags)
	backend, err := onlyHere(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	defer func() { _ = listener.Close() }() // the server closes it too
	plain, err := auth.Plain(c.Guard(p.Lookup, listener.Addr().String()), bodyTimeout, log)
	if err != nil {
		return &usageError{err}
	}
	g, project, err := newGateway(backend, c.PublicURL, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeGateway(g)) }()
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := g.Ready(ready); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "project %s at http://%s\nits keys: functions-mcp env\n", project.ID, listener.Addr())
	if err != nil {
		return err
	}
	return serveHTTP(ctx, newHTTPServer(plain(g), log), listener, func() {})
}
