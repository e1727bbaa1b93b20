package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/internal/demo"
	"github.com/run402/functions-mcp/internal/install"
)

type demoCommand struct {
	DataDir string `var:"RUN402_DATA_DIR" placeholder:"DIR" help:"Where local projects live, for --keep."`
	Keep    bool   `help:"Keep the demo's project afterwards, as local project demo."`
}

// Run plays a session of three agents on one project, and fails when an answer is not what the words beside it say.
func (c demoCommand) Run(ctx context.Context, p Process) error {
	usual, err := config.ProjectFlags{DataDir: c.DataDir, LocalProject: "demo"}.Local(p.Lookup)
	if err != nil {
		return &usageError{err}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	// What the user has set for servers of their own does not matter here: there is no word on their variables either.
	log := Process{Stderr: p.Stderr}.logger(config.LogFlags{LogLevel: "warn"})
	return demo.Run(ctx, demo.Options{
		Usual: usual, Keep: c.Keep, Exe: exe, Version: version,
		Lookup: p.Lookup, Environ: p.Environ, Stdout: p.Stdout, Stderr: p.Stderr,
		Open: func(ctx context.Context, local config.Local) (demo.Project, error) {
			back, err := newBackend(local, log)
			if err != nil {
				return demo.Project{}, err
			}
			if err := back.gateway.Ready(ctx); err != nil {
				return demo.Project{}, errors.Join(err, back.close())
			}
			return demo.Project{ID: back.projectID, Admin: back.client.Admin(), Close: back.close}, nil
		},
		Installed: installDir, Clients: install.Clients(), Lasting: install.Lasting,
	})
}
