package assets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// folder is a store in a directory: objects below objects/, uploads under way in incoming/, so that keeping one is a
// rename on the same file system.
type folder struct{ dir string }

const (
	objectsDir  = "objects"
	incomingDir = "incoming"
)

// newFolder makes the directory. Only its owner reads it: what is public is the gateway's to say.
func newFolder(dir string) (store, error) {
	for _, sub := range []string{objectsDir, incomingDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make store: %w", err)
		}
	}
	return folder{dir}, errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func (f folder) path(name string) string {
	return filepath.Join(f.dir, objectsDir, filepath.FromSlash(name))
}

func (f folder) spool() (*os.File, error) {
	return os.CreateTemp(filepath.Join(f.dir, incomingDir), "*") // mode 0600
}

// keep syncs the bytes, gives them their name, and syncs the directory that holds it.
func (f folder) keep(_ context.Context, name string, spooled *os.File) error {
	if err := spooled.Sync(); err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	path := f.path(name)
	dir := filepath.Dir(path)
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return fmt.Errorf("keep object: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("keep object: %w", err)
	}
	if err := os.Rename(spooled.Name(), path); err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	return nil
}

func (f folder) open(_ context.Context, name string, _ int64) (io.ReadSeekCloser, error) {
	file, err := os.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissing
	}
	return file, err
}

func (f folder) remove(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove object: %w", err)
	}
	return nil
}

func (f folder) sweep(before time.Time) error {
	return sweepFiles(filepath.Join(f.dir, incomingDir), "", before)
}

// sweepFiles deletes the files of a directory whose names begin so and that were last written to before a time.
func sweepFiles(dir, prefix string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep uploads: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) { // gone since, or still being written
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep uploads: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (f folder) names(context.Context) ([]string, error) {
	root := filepath.Join(f.dir, objectsDir)
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(root, path) // it is below
			out = append(out, filepath.ToSlash(name))
		}
		return err
	})
	return out, err
}

func (folder) close() error { return nil }

// syncDir makes the names in a directory outlive a power failure.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there; local projects do not run there either
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
