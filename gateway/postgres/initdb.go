package postgres

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const unfinished = "initdb-" // begins the names of directories of databases in the making

// create makes an empty database. It is made aside and takes its place only when it is whole and on disk, so a kill or
// a power failure at any moment leaves nothing half made.
func (c *cluster) create(ctx context.Context, bin Binaries) error {
	began := time.Now()
	c.removeUnfinished()
	dir, err := os.MkdirTemp(c.dir, unfinished+"*")
	if err != nil {
		return explain("initdb", err)
	}
	defer c.removeUnfinished() // renamed when all went well
	if err := c.account.give(dir); err != nil {
		return explain("initdb", err)
	}
	if err := c.initdb(ctx, bin, dir); err != nil {
		return err
	}
	if err := os.Rename(dir, c.data); err != nil {
		return &Error{Op: "initdb", Kind: ErrDirectory, Err: err, Msg: c.data + " is in the way: it is not a PostgreSQL " +
			"data directory; move it away"}
	}
	if err := syncDir(c.dir); err != nil {
		return explain("initdb", err)
	}
	_ = syncDir(filepath.Dir(c.dir)) // may be closed to us; then it was there before
	c.log.Info("made a new database", "dir", c.data, "version", bin.Version, "took", time.Since(began))
	return nil
}

// removeUnfinished removes what a start that was killed left behind. Its initdb may still be writing, then the next
// start removes the rest.
func (c *cluster) removeUnfinished() {
	entries, err := os.ReadDir(c.dir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), unfinished) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, entry.Name())))
		}
	}
	if err != nil {
		c.log.Warn("an unfinished database cannot be removed", "error", err)
	}
}

// initdb fills a directory and then writes it to disk at once, which is faster than file by file.
func (c *cluster) initdb(ctx context.Context, bin Binaries, dir string) error {
	args := []string{"--no-sync", "--no-instructions", "--username=" + Superuser, "--encoding=UTF8",
		"--auth-local=peer", "--auth-host=reject"}
	out, err := c.run(ctx, bin, append(args, locale(bin.Major)...), dir)
	if err != nil && strings.Contains(out, "invalid locale") {
		out, err = c.run(ctx, bin, append(args, "--locale=C"), dir)
	}
	if err == nil {
		out, err = c.run(ctx, bin, []string{"--sync-only"}, dir)
	}
	if err != nil && ctx.Err() != nil {
		return explain("initdb", context.Cause(ctx))
	}
	if err != nil {
		return explainLog("initdb", out, err)
	}
	return nil
}

// locale sorts by code point, the same everywhere. Before version 17 it takes the system's C.UTF-8, which macOS and old
// systems lack.
func locale(major int) []string {
	if major >= 17 {
		return []string{"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}
	}
	return []string{"--locale=C.UTF-8"}
}

// run runs initdb on a directory and returns all it wrote.
func (c *cluster) run(ctx context.Context, bin Binaries, args []string, dir string) (string, error) {
	var out bytes.Buffer
	cmd := command(ctx, c.cfg.Getenv, c.account, bin.path("initdb"), append(args, "--pgdata="+dir)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a killed initdb's child may hold the pipe a moment longer
	err := cmd.Run()
	return out.String(), err
}
