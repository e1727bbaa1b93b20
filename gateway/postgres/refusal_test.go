//go:build unix

package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestAnOrdinaryUser(t *testing.T) {
	attr, binary := ordinary(t)
	dir := pgtest.Dir(t)
	if attr != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	program := startProgram(t, binary, filepath.Join(dir, "a", "b"), attr)
	if said := program.answer(); said != "open" {
		t.Fatal(said)
	}
	program.leave()
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	base := pgtest.Dir(t)
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	notPostgres := filepath.Join(base, "other")
	if err := os.MkdirAll(filepath.Join(notPostgres, "pg", "something"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ dir, want string }{
		"none":              {"", "--data-dir"},
		"a file":            {file, "is a file"},
		"below a file":      {filepath.Join(file, "x"), "a file is where a directory should be"},
		"of something else": {notPostgres, "it is not a PostgreSQL data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), pgtest.Config(test.dir))
			if !errors.Is(err, postgres.ErrDirectory) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrDirectory with %q", err, test.want)
			}
		})
	}

	t.Run("not ours to write", func(t *testing.T) {
		attr, binary := ordinary(t)
		program := startProgram(t, binary, "/etc/functions-mcp-test", attr)
		if said := program.answer(); !strings.Contains(said, "not allowed; run as the user who owns the directory") {
			t.Errorf("it says %q", said)
		}
	})
	t.Run("closed to the user postgres", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root runs PostgreSQL as somebody else")
		}
		closed := filepath.Join(base, "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := postgres.Open(t.Context(), pgtest.Config(filepath.Join(closed, "project")))
		if !errors.Is(err, postgres.ErrDirectory) || !strings.Contains(err.Error(), "chmod o+x "+closed+"`") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of another user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("takes root")
		}
		dir := pgtest.Dir(t)
		closeServer(t, pgtest.Open(t, dir))
		if err := os.Chown(filepath.Join(dir, "pg"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		_, err := postgres.Open(t.Context(), pgtest.Config(dir))
		if !errors.Is(err, postgres.ErrDirectory) || !strings.Contains(err.Error(), "belongs to user id 65534") {
			t.Errorf("got %v", err)
		}
	})
}

func TestADatabaseOfAnotherVersion(t *testing.T) {
	dir := pgtest.Dir(t)
	closeServer(t, pgtest.Open(t, dir))
	found, err := postgres.Find(t.Context(), pgtest.Config(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pg", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Open(t.Context(), pgtest.Config(dir))
	if !errors.Is(err, postgres.ErrVersion) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"made by PostgreSQL 9,", "(version " + found.Version + ")", "pg_dumpall", "pg_upgrade", "RUN402_PG_BIN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestFind(t *testing.T) {
	installed := func(versions ...string) (dirs []string) {
		base := pgtest.Dir(t)
		if err := os.Chmod(base, 0o755); err != nil {
			t.Fatal(err)
		}
		for i, version := range versions {
			dir := filepath.Join(base, strconv.Itoa(i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + " (a test)'\n"
			for _, program := range []string{"postgres", "initdb"} {
				if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			dirs = append(dirs, dir)
		}
		return dirs
	}
	for name, test := range map[string]struct {
		path, extra []string
		binDir      string
		need        string // the version of the database that is there
		want        string
		err         error
	}{
		"the newest of one place":           {path: installed("15.2", "19beta1", "18.1"), want: "19beta1"},
		"PATH before what doctor installed": {path: installed("15.2"), extra: installed("18.4"), want: "15.2"},
		"a database needs its own version":  {path: installed("18.4", "17.1"), extra: installed("16.9"), need: "16", want: "16.9"},
		"no place has its version":          {path: installed("98.4"), extra: installed("96.9"), need: "97", err: postgres.ErrVersion},
		"RUN402_PG_BIN alone":               {path: installed("18.4"), binDir: installed("16.1")[0], want: "16.1"},
		"RUN402_PG_BIN is too old":          {path: installed("18.4"), binDir: installed("14.9")[0], err: postgres.ErrVersion},
		"RUN402_PG_BIN is not PostgreSQL":   {binDir: installed("unknown")[0], err: postgres.ErrVersion},
		"RUN402_PG_BIN is empty":            {binDir: pgtest.Dir(t), err: postgres.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			dir := pgtest.Dir(t)
			if test.need != "" {
				if err := os.Mkdir(filepath.Join(dir, "pg"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "pg", "PG_VERSION"), []byte(test.need+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := postgres.Find(t.Context(), postgres.Config{
				Dir: dir, BinDir: test.binDir, ExtraBinDirs: test.extra,
				Getenv: func(name string) string {
					if name == "PATH" {
						return strings.Join(test.path, string(filepath.ListSeparator))
					}
					return ""
				},
			})
			if !errors.Is(err, test.err) || got.Version != test.want {
				t.Errorf("got version %q and %v, want %q and %v", got.Version, err, test.want, test.err)
			}
			if err != nil && !strings.Contains(err.Error(), "RUN402_PG_BIN") {
				t.Errorf("does not say what to do: %v", err)
			}
		})
	}
}

func TestInstallEmbedded(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads 23 MB")
	}
	base := pgtest.Dir(t)
	bin, err := postgres.InstallEmbedded(t.Context(), filepath.Join(base, "postgresql"))
	if errors.Is(err, postgres.ErrUnsupported) || errors.Is(err, postgres.ErrNotFound) && runtime.GOOS != "linux" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	config := pgtest.Config(pgtest.Dir(t))
	config.BinDir = bin.Dir
	server, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeServer(t, server)
	got := query1(t, connect(t, server, postgres.Superuser), "current_setting('server_version')")
	if !strings.HasPrefix(got, bin.Version) {
		t.Errorf("runs version %s, not %s", got, bin.Version)
	}
}
