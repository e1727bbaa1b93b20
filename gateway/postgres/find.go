package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// OldestMajor is the oldest PostgreSQL that will do: security_invoker views came with it.
const OldestMajor = 15

// Where Binaries were found.
const (
	FoundBinDir    = "RUN402_PG_BIN"
	FoundPath      = "PATH"
	FoundSystem    = "system"
	FoundInstalled = "installed"
)

// Binaries are PostgreSQL's programs.
type Binaries struct {
	Dir     string // the directory that holds postgres and initdb
	Version string // "15.18"
	Major   int    // 15
	Found   string // one of the Found values
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// systemDirs are where packages put PostgreSQL without putting it on PATH.
var systemDirs = [...]string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // the PostgreSQL project's RPMs
	"/usr/libexec/postgresql*",                           // Alpine
	"/usr/local/pgsql/bin",                               // built from source
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
}

// Find returns the PostgreSQL programs that Open would start for cfg.Dir: those of cfg.BinDir, or else the first that
// fit on PATH, in the usual places of the system, and in cfg.ExtraBinDirs. A database that exists needs its own major
// version; a new one gets the newest of the first place that has any. They are run with --version to be sure.
//
// Errors are ErrNotFound and ErrVersion.
func Find(ctx context.Context, cfg Config) (Binaries, error) {
	if err := supported(); err != nil {
		return Binaries{}, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Binaries{}, err
	}
	account, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	need, err := dataMajor(filepath.Join(cfg.Dir, "pg"))
	if err != nil {
		return Binaries{}, err
	}
	return find(ctx, cfg, account, need)
}

// place is a group of directories that may hold the programs.
type place struct {
	found string
	dirs  []string
}

func places(cfg Config) []place {
	if cfg.BinDir != "" {
		return []place{{FoundBinDir, []string{cfg.BinDir}}}
	}
	var system []string
	for _, pattern := range systemDirs {
		dirs, _ := filepath.Glob(pattern) // fails only for a bad pattern
		system = append(system, dirs...)
	}
	return []place{
		{FoundPath, filepath.SplitList(cfg.Getenv("PATH"))},
		{FoundSystem, system},
		{FoundInstalled, cfg.ExtraBinDirs},
	}
}

// find looks for programs of major version need, or of any that will do when need is 0.
func find(ctx context.Context, cfg Config, account account, need int) (Binaries, error) {
	var best Binaries
	var others []string // what was found and did not fit, for the error
	for _, place := range places(cfg) {
		for _, dir := range place.dirs {
			if !isProgram(filepath.Join(dir, "postgres")) || !isProgram(filepath.Join(dir, "initdb")) {
				continue
			}
			b, err := askVersion(ctx, cfg, account, dir)
			b.Found = place.found
			switch {
			case ctx.Err() != nil:
				return Binaries{}, explain("find PostgreSQL", ctx.Err())
			case err != nil:
				others = append(others, fmt.Sprintf("%s (does not run: %v)", dir, err))
			case need != 0 && b.Major == need:
				return b, nil
			case need != 0 || b.Major < OldestMajor:
				others = append(others, fmt.Sprintf("%s (version %s)", dir, b.Version))
			case b.Major > best.Major:
				best = b
			}
		}
		if best.Major != 0 {
			return best, nil
		}
	}
	return Binaries{}, notFound(cfg, need, others)
}

func notFound(cfg Config, need int, others []string) error {
	found := strings.Join(others, ", ")
	switch {
	case need != 0 && found != "":
		return errorf("find PostgreSQL", ErrVersion, "the database in %s was made by PostgreSQL %d, but only this was "+
			"found: %s. Install PostgreSQL %d or point RUN402_PG_BIN at its programs; or move the data: start it with the "+
			"old programs, save it with pg_dumpall and load it into a new project, or use pg_upgrade", cfg.Dir, need, found,
			need)
	case need != 0 && cfg.BinDir == "":
		found = fmt.Sprintf("nothing was found, and the database in %s needs version %d", cfg.Dir, need)
	case found != "":
		return errorf("find PostgreSQL", ErrVersion, "version %d or newer is needed, but only this was found: %s. "+
			installAdvice, OldestMajor, found)
	case cfg.BinDir != "":
		found = fmt.Sprintf("RUN402_PG_BIN is %s, which does not hold the programs postgres and initdb", cfg.BinDir)
	default:
		found = "neither PATH nor the usual places hold the programs postgres and initdb"
	}
	return errorf("find PostgreSQL", ErrNotFound, "%s. "+installAdvice, found)
}

const installAdvice = "Install it with `apt install postgresql`, `dnf install postgresql-server`, `brew install " +
	"postgresql` or `functions-mcp doctor --fix`, or point RUN402_PG_BIN at its programs; or use a project " +
	"that is not local"

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// askVersion runs `postgres --version`, about 5 ms.
func askVersion(ctx context.Context, cfg Config, account account, dir string) (Binaries, error) {
	cmd := command(ctx, cfg.Getenv, account, filepath.Join(dir, "postgres"), "--version")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			err = errors.New(lastLines(string(exit.Stderr)))
		}
		return Binaries{}, err
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 19beta1"
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	major := leadingNumber(version)
	if major == 0 {
		return Binaries{}, fmt.Errorf("not PostgreSQL: it calls itself %q", strings.TrimSpace(string(out)))
	}
	return Binaries{Dir: dir, Version: version, Major: major}, nil
}

// dataMajor returns the major version of the database in a directory, 0 when there is none.
func dataMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, explain("read the database's version", err)
	}
	major := leadingNumber(string(text))
	if major == 0 {
		return 0, errorf("read the database's version", ErrVersion, "%s does not start with a number; restore the "+
			"directory from a backup, or move it away to begin with an empty database", filepath.Join(data, "PG_VERSION"))
	}
	return major, nil
}

func leadingNumber(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return 0
	}
	return n
}

// command prepares one of PostgreSQL's programs: as its account, in its own session, in the C locale so that its
// messages are English, and with nothing else of our environment, which may hold keys.
func command(
	ctx context.Context, getenv func(string) string, account account, program string, args ...string,
) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/" // ours may be closed to the account
	cmd.SysProcAttr = account.procAttr()
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value := getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}
