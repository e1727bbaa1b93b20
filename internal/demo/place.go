package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway/postgres"
)

// place is where a demo's project is.
type place struct {
	local config.Local
	root  string // what to remove
}

// newPlace makes a temporary data directory that PostgreSQL may enter, or takes the usual one for a project to keep.
func newPlace(o Options) (place, error) {
	usual := o.Usual
	if o.Keep {
		if _, err := os.Lstat(usual.Dir); err == nil {
			return place{}, fmt.Errorf("local project %s exists already in %s: use it with RUN402_DATA_DIR=%s "+
				"RUN402_LOCAL_PROJECT=%s, or remove it to have it made anew", usual.Project, usual.Dir, filepath.Dir(usual.Dir),
				usual.Project)
		}
		return place{local: usual, root: usual.Dir}, nil
	}
	root, err := os.MkdirTemp("", "functions-mcp-demo-")
	if err != nil {
		return place{}, fmt.Errorf("make a directory for the demo: %w", err)
	}
	local := config.Local{Project: usual.Project, Dir: filepath.Join(root, usual.Project), PGBin: usual.PGBin}
	p := place{local: local, root: root}
	err = errors.Join(postgres.MakeDir(root), os.Symlink(o.Installed(usual), o.Installed(local)))
	if err != nil {
		return place{}, errors.Join(fmt.Errorf("make a directory for the demo: %w", err), p.remove())
	}
	return p, nil
}

// waitForEnd waits until PostgreSQL has ended, which closing it does not when that takes long.
func (p place) waitForEnd() {
	const patience, poll = 10 * time.Second, 10 * time.Millisecond
	pid := filepath.Join(p.local.Dir, "pg", "postmaster.pid") // gone when PostgreSQL is
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(poll) {
		if _, err := os.Lstat(pid); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
}

func (p place) remove() error { return os.RemoveAll(p.root) }
