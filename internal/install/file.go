package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// configFile is a client's configuration as it was read.
type configFile struct {
	path string      // of the file itself, behind symbolic links
	text []byte      // nil when there is none yet
	info os.FileInfo // nil when there is none yet
}

// readConfigFile reads a client's configuration; none is as good as an empty one. People keep these files elsewhere and
// link to them: then it is the target that is read and written.
func readConfigFile(path string) (configFile, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return configFile{}, fmt.Errorf("%s links to a file that does not exist: make it, or remove the link", path)
		}
		return configFile{path: path}, nil
	}
	if err != nil {
		return configFile{}, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return configFile{}, err
	}
	text, err := os.ReadFile(target)
	return configFile{path: target, text: text, info: info}, err
}

// write replaces the file's text at once or not at all, and returns where the old text is kept, if there was one. The
// file keeps its mode and owner; a new one gets perm, less the umask. A client that wrote the file meanwhile wins.
func (f configFile) write(text []byte, perm fs.FileMode, now time.Time) (backup string, err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700|perm&0o055); err != nil {
		return "", err
	}
	if f.info != nil {
		perm = f.info.Mode().Perm()
		backup = f.path + ".bak-" + now.Format("20060102-150405.000")
		if err := f.create(backup, f.text, perm); err != nil {
			return "", fmt.Errorf("keep a backup: %w", err)
		}
	}
	fresh := filepath.Join(dir, fmt.Sprintf(".%s.%d.tmp", filepath.Base(f.path), os.Getpid()))
	if err := f.create(fresh, text, perm); err != nil {
		return "", err
	}
	err = f.unchanged()
	if err == nil {
		err = os.Rename(fresh, f.path)
	}
	if err != nil {
		return backup, errors.Join(err, os.Remove(fresh))
	}
	return backup, nil
}

// create makes a new file, with the mode and owner that the old one has.
func (f configFile) create(path string, text []byte, perm fs.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if f.info != nil {
		if err := file.Chmod(perm); err != nil { // the umask does not matter then
			return err
		}
		if err := keepOwner(file, f.info); err != nil {
			return err
		}
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Sync()
}

// unchanged makes sure that the file is still as it was read: clients write theirs whenever they like.
func (f configFile) unchanged() error {
	text, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.info == nil:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil || f.info == nil || !bytes.Equal(text, f.text):
		return fmt.Errorf("%s was changed at the same moment by another program: try again", f.path)
	}
	return nil
}
