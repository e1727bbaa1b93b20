// Package demo plays a session of three agents on one local project, each with an MCP server of its own, and holds
// every answer to what the words beside it say.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core"
)

// Options are what a demo needs of the program that it is part of. All are needed.
type Options struct {
	Usual   config.Local // where a kept project stays; else it is in a temporary directory, under the same name
	Keep    bool
	Exe     string // this program, which is started once for each agent
	Version string
	Lookup  config.Lookup
	Environ []string // handed down without what starts with RUN402_
	Stdout  io.Writer
	Stderr  io.Writer // the servers' too

	// Open starts the project's database and waits for it.
	Open func(context.Context, config.Local) (Project, error)
	// Installed is where doctor puts PostgreSQL's programs for projects beside this one.
	Installed func(config.Local) string
	// Clients are those that the command install knows.
	Clients []string
	// Lasting refuses a program that will be gone when a client wants to start it.
	Lasting func(exe string) error
}

// Project is a local project that is open.
type Project struct {
	ID    string
	Admin core.AdminDB
	Close func() error
}

// Run plays the session on o.Stdout, and fails when an answer is not what it should be. Then nothing is kept.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	place, err := newPlace(o)
	if err != nil {
		return err
	}
	p := &player{
		out: newScreen(o.Stdout, o.Lookup), local: place.local, open: o.Open, program: newProgram(o, place.local),
	}
	err = p.play(ctx)
	if ctx.Err() != nil { // what else went wrong followed from it
		err = errors.New("interrupted")
	}
	place.waitForEnd()
	keep := o.Keep && err == nil // half a project is of no use
	if !keep {
		err = errors.Join(err, place.remove())
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	p.summary(time.Since(began), keep)
	p.connect(o, keep)
	return p.out.err
}
