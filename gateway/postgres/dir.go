package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MakeDir makes a project's directory, and those above it, so that both this program and PostgreSQL can enter it: mode
// 0700, or for root 0710 with the group of user postgres, since PostgreSQL does not run as root. One that exists is
// opened to PostgreSQL in the same way if it has to be; one above it that shuts PostgreSQL out is an ErrDirectory.
func MakeDir(dir string) error {
	if err := supported(); err != nil {
		return err
	}
	account, err := serverAccount()
	if err != nil {
		return err
	}
	return makeDir(account, dir)
}

func makeDir(account account, dir string) error {
	const op = "make the data directory"
	dir, err := filepath.Abs(dir)
	if err != nil {
		return explain(op, err)
	}
	private, above := fs.FileMode(0o700), fs.FileMode(0o700)
	if account.switched() {
		private, above = 0o710, 0o755
	}
	if err := os.MkdirAll(filepath.Dir(dir), above); err != nil {
		return explain(op, err)
	}
	made := os.Mkdir(dir, private)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return explain(op, made)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return explain(op, err)
	}
	if !info.IsDir() {
		return errorf(op, ErrDirectory, "%s is a file; move it away or choose another directory with --data-dir", dir)
	}
	if !account.switched() {
		return nil
	}
	if !account.mayEnter(info) {
		if err := os.Chown(dir, -1, account.gid); err != nil {
			return explain(op, err)
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o010); err != nil {
			return explain(op, err)
		}
	}
	return checkEnterable(account, dir)
}

// checkEnterable names the first directory on the way to dir that the account may not enter.
func checkEnterable(account account, dir string) error {
	const op = "check the data directory"
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return explain(op, err)
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return explain(op, err)
		}
		if !account.mayEnter(info) {
			return errorf(op, ErrDirectory, "as root, PostgreSQL runs as user postgres, who may not enter %s; choose a "+
				"directory elsewhere with --data-dir, or allow it with `chmod o+x %s`", dir, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// maxSocketPath is what fits, with its final zero, into the smallest sockaddr_un, that of macOS and the BSDs.
const maxSocketPath = 103

func socketPath(dir string) string { return filepath.Join(dir, ".s.PGSQL.5432") }

// socketDir chooses where PostgreSQL's socket goes: inside the data directory if the path is short enough and has no
// sign that PostgreSQL's list of directories gives a meaning, else in the user's run-time directory or the one for
// temporary files, under a name that only this data directory has.
func socketDir(account account, dir string, getenv func(string) string) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	name := "functions-mcp-" + hex.EncodeToString(sum[:8])
	candidates := []string{filepath.Join(dir, "run")}
	if runtimeDir := getenv("XDG_RUNTIME_DIR"); runtimeDir != "" && !account.switched() {
		candidates = append(candidates, filepath.Join(runtimeDir, name))
	}
	candidates = append(candidates, filepath.Join(tempDir(getenv), name), filepath.Join("/tmp", name))
	for _, dir := range candidates {
		if len(socketPath(dir)) <= maxSocketPath && filepath.IsAbs(dir) && !strings.ContainsAny(dir, ",\"\r\n") {
			return dir, nil
		}
	}
	return "", errorf("choose a directory for the socket", ErrDirectory, "no path is short enough for a unix socket; "+
		"choose a shorter one with --data-dir")
}

func tempDir(getenv func(string) string) string {
	if dir := getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/tmp"
}

// makeSocketDir makes a directory that the account alone may use, or takes one that already is so.
func makeSocketDir(account account, dir string) error {
	const op = "make the directory for the socket"
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return explain(op, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return explain(op, err)
	}
	if owner := ownerOf(info); !info.IsDir() || owner != account.uid && owner != os.Geteuid() {
		return errorf(op, ErrDirectory, "%s was made by somebody else (user id %d); remove it, or choose another directory "+
			"with --data-dir", dir, owner)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory has to be entered
		return explain(op, err)
	}
	return explain(op, account.give(dir))
}

// isPrivate reports whether a directory is one that makeSocketDir made, so that whoever listens in it is ours.
func isPrivate(account account, dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && ownerOf(info) == account.uid && info.Mode().Perm()&0o077 == 0
}

// writeFile puts a file in place at once, owned by the account and closed to others. One writer at a time.
func writeFile(account account, path, text string) error {
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, []byte(text), 0o600); err != nil {
		return err
	}
	if err := account.give(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

// syncDir makes the names in a directory survive a power failure.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
