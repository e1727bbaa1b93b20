package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Local is a local project: a gateway in this program over a private PostgreSQL.
type Local struct {
	Project string // its name
	Dir     string // its data directory, absolute; it may not exist yet
	PGBin   string // where to look for PostgreSQL's programs first; empty means the usual places
	Assets  Assets
	AI      AI   // of the environment
	Mail    Mail // of the environment; the zero value keeps mail in an outbox
	RestLimits
}

var localProject = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// Local returns the local project that is meant. Its directory is NAME under --data-dir, else under
// $XDG_DATA_HOME/functions-mcp, or /var/lib/functions-mcp for root, whose home the postgres user cannot enter.
func (f ProjectFlags) Local(lookup Lookup) (Local, error) {
	return f.local(lookup, os.Geteuid())
}

func (f ProjectFlags) local(lookup Lookup, euid int) (Local, error) {
	if len(f.LocalProject) > 40 || !localProject.MatchString(f.LocalProject) {
		return Local{}, fmt.Errorf("local project %q: a name has 1 to 40 lower-case letters, digits, - and _, "+
			"and starts with a letter or digit", f.LocalProject)
	}
	root := f.DataDir
	if root == "" {
		var err error
		if root, err = dataHome(lookup, euid); err != nil {
			return Local{}, err
		}
	}
	if root[0] == '~' {
		return Local{}, errors.New("the data directory starts with ~, which only a shell expands: write it out in full")
	}
	dir, err := filepath.Abs(filepath.Join(root, f.LocalProject))
	if err != nil {
		return Local{}, fmt.Errorf("find the data directory: %w: give it in full with --data-dir", err)
	}
	assets, err := readAssets(lookup)
	if err != nil {
		return Local{}, err
	}
	return Local{
		Project: f.LocalProject, Dir: dir, PGBin: lookup.get("RUN402_PG_BIN"), Assets: assets, RestLimits: f.limits(),
	}, nil
}

// dataHome follows the XDG base directory specification, which ignores relative paths.
func dataHome(lookup Lookup, euid int) (string, error) {
	home, xdg := lookup.get("HOME"), lookup.get("XDG_DATA_HOME")
	switch {
	case euid == 0:
		return "/var/lib/functions-mcp", nil
	case filepath.IsAbs(xdg):
		return filepath.Join(xdg, "functions-mcp"), nil
	case filepath.IsAbs(home):
		return filepath.Join(home, ".local", "share", "functions-mcp"), nil
	}
	return "", errors.New("there is no place for local projects, since neither XDG_DATA_HOME nor HOME is set: " +
		"say where with --data-dir or RUN402_DATA_DIR")
}
