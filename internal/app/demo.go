package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway/postgres"
)

type demoCommand struct {
	DataDir string `var:"RUN402_DATA_DIR" placeholder:"DIR" help:"Where local projects live, for --keep."`
	Keep    bool   `help:"Keep the demo's project afterwards, as local project demo."`
}

const demoProject = "demo"

// Run plays a session of three agents on one project, and fails when an answer is not what the words beside it say.
func (c demoCommand) Run(ctx context.Context, p Process) error {
	began := time.Now()
	place, err := c.place(p.Lookup)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	d := demo{out: newScreen(p), local: place.local, program: newProgram(exe, p, place.local)}
	err = d.play(ctx)
	if ctx.Err() != nil { // what else went wrong followed from it
		err = errors.New("interrupted")
	}
	place.waitForEnd()
	keep := c.Keep && err == nil // half a project is of no use
	if !keep {
		err = errors.Join(err, place.remove())
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.summary(time.Since(began), keep)
	d.connect(keep)
	return d.out.err
}

// demoPlace is where a demo's project is.
type demoPlace struct {
	local config.Local
	root  string // what to remove
}

// place makes a temporary data directory that PostgreSQL may enter, or finds the usual one for a project to keep.
func (c demoCommand) place(lookup config.Lookup) (demoPlace, error) {
	usual, err := config.ProjectFlags{DataDir: c.DataDir, LocalProject: demoProject}.Local(lookup)
	if err != nil {
		return demoPlace{}, &usageError{err}
	}
	if c.Keep {
		if _, err := os.Lstat(usual.Dir); err == nil {
			return demoPlace{}, fmt.Errorf("local project %s exists already in %s: use it with RUN402_DATA_DIR=%s "+
				"RUN402_LOCAL_PROJECT=%s, or remove it to have it made anew", demoProject, usual.Dir, filepath.Dir(usual.Dir),
				demoProject)
		}
		return demoPlace{local: usual, root: usual.Dir}, nil
	}
	root, err := os.MkdirTemp("", "functions-mcp-demo-")
	if err != nil {
		return demoPlace{}, fmt.Errorf("make a directory for the demo: %w", err)
	}
	local := config.Local{Project: demoProject, Dir: filepath.Join(root, demoProject), PGBin: usual.PGBin}
	place := demoPlace{local: local, root: root}
	// PostgreSQL's programs may be those that doctor installed beside the usual projects.
	err = errors.Join(postgres.MakeDir(root), os.Symlink(installDir(usual), installDir(local)))
	if err != nil {
		return demoPlace{}, errors.Join(fmt.Errorf("make a directory for the demo: %w", err), place.remove())
	}
	return place, nil
}

// waitForEnd waits until PostgreSQL has ended, which closing it does not when that takes long.
func (p demoPlace) waitForEnd() {
	const patience, poll = 10 * time.Second, 10 * time.Millisecond
	pid := filepath.Join(p.local.Dir, "pg", "postmaster.pid") // gone when PostgreSQL is
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(poll) {
		if _, err := os.Lstat(pid); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
}

func (p demoPlace) remove() error { return os.RemoveAll(p.root) }
