//go:build unix

package postgres_test

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestOnlyTheLoginsMayLogIn(t *testing.T) {
	dir := pgtest.Dir(t)
	first := pgtest.Open(t, dir, "ana", `od"d`)
	exec1(t, connect(t, first, postgres.Superuser),
		"create role ana login", "create role ben login", "create role eve login", `create role "od""d" login`)
	for _, login := range []string{"ana", `od"d`} {
		if got := query1(t, connect(t, first, login), "select current_user"); got != login {
			t.Errorf("%s logged in as %s", login, got)
		}
	}
	refused := func(s *postgres.Server, login string) {
		t.Helper()
		_, err := tryConnect(t, s, login)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "28000" {
			t.Errorf("%s: got %v, want SQLSTATE 28000", login, err)
		}
	}
	refused(first, "ben")
	refused(first, "eve")

	second := pgtest.Open(t, dir, "ben") // joins, with a login more
	connect(t, second, "ben")
	connect(t, second, "ana")
	refused(second, "eve")

	killPostgreSQL(t, assertRuns(t, dir))
	connect(t, first, "ana") // restarts it
	connect(t, second, "ben")

	closeServer(t, first)
	closeServer(t, second)
	third := pgtest.Open(t, dir, "ben") // starts afresh
	connect(t, third, "ben")
	refused(third, "ana")
}

func TestALoginThatWouldBeAPatternIsRefused(t *testing.T) {
	for _, login := range []string{"", "/.*", "a\nb"} {
		if _, err := postgres.Open(t.Context(), pgtest.Config(pgtest.Dir(t), login)); err == nil {
			t.Errorf("%q was accepted", login)
		}
	}
}

func TestNobodyElseReachesTheSocket(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	config := server.ConnConfig(postgres.Superuser, "postgres")
	info, err := os.Stat(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the socket's directory has mode %o", mode)
	}
	t.Run("and if they did, would not be let in", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("coming as another user takes root")
		}
		for path, mode := range map[string]os.FileMode{
			dir: 0o711, config.Host: 0o711, filepath.Join(config.Host, ".s.PGSQL.5432"): 0o777,
		} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		attr, binary := ordinary(t)
		said := startAs(t, binary, programSocket+"="+config.Host, attr).answer()
		if !strings.Contains(said, "SQLSTATE 28000") {
			t.Errorf("another user's connection: %s", said)
		}
	})
	// One port would be one line here; PostgreSQL's sockets belong to its user.
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Skipf("no list of listeners here: %v", err)
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 3 && strings.HasSuffix(fields[1], ":1538") && fields[3] == "0A" {
				t.Errorf("somebody listens on port 5432: %s", line)
			}
		}
	}
}

func TestTheSocketOfALongPath(t *testing.T) {
	temp := pgtest.Dir(t)
	if err := os.Chmod(temp, 0o711); err != nil {
		t.Fatal(err)
	}
	config := pgtest.Config(filepath.Join(pgtest.Dir(t), strings.Repeat("long", 25)))
	config.Getenv = func(name string) string {
		switch name {
		case "TMPDIR":
			return temp
		case "XDG_RUNTIME_DIR":
			return ""
		}
		return os.Getenv(name)
	}
	server, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeServer(t, server)
	socket := server.ConnConfig(postgres.Superuser, "postgres").Host
	if filepath.Dir(socket) != temp {
		t.Errorf("it is in %s, not in TMPDIR", socket)
	}

	// A program with another TMPDIR, which an MCP client may well have given it, finds it all the same.
	elsewhere := config
	elsewhere.Getenv = func(name string) string {
		if name == "TMPDIR" {
			return "/tmp"
		}
		return config.Getenv(name)
	}
	second, err := postgres.Open(t.Context(), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer closeServer(t, second)
	killPostgreSQL(t, assertRuns(t, config.Dir))
	exec1(t, connect(t, second, postgres.Superuser), "select 1") // restarts it in its own /tmp
	exec1(t, connect(t, server, postgres.Superuser), "select 1") // follows
	closeServer(t, second)
	closeServer(t, server)

	if os.Geteuid() != 0 {
		t.Skip("planting a directory as another user takes root")
	}
	if err := os.RemoveAll(socket); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(socket, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), config); !errors.Is(err, postgres.ErrDirectory) || !strings.Contains(err.Error(), socket) {
		t.Errorf("a directory that somebody else planted: got %v", err)
	}
}

func TestLibpqsEnvironmentChangesNothing(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGAPPNAME", "PGOPTIONS", "PGTZ", "PGDATA",
		"PGPORT", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGREQUIREAUTH", "PGCONNECT_TIMEOUT", "PGMINPROTOCOLVERSION"} {
		t.Setenv(name, "7")
	}
	conn := connect(t, pgtest.Start(t), postgres.Superuser)
	if got := query1(t, conn, "current_setting('application_name')"); got != "functions-mcp" {
		t.Errorf("application_name is %q", got)
	}
}

func TestPostgreSQLGetsNoKeys(t *testing.T) {
	t.Setenv("RUN402_SERVICE_KEY", "sk-123")
	dir := pgtest.Dir(t)
	pgtest.Open(t, dir)
	text, err := os.ReadFile("/proc/" + strconv.Itoa(assertRuns(t, dir)) + "/environ")
	if err != nil {
		t.Skipf("no environment to read here: %v", err)
	}
	if !strings.Contains(string(text), "LC_ALL=C") || strings.Contains(string(text), "sk-123") {
		t.Errorf("its environment is %q", text)
	}
}

func TestTheLogHoldsNoValues(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	conn := connect(t, server, postgres.Superuser)
	exec1(t, conn, "create table people (email text primary key, n int)", "insert into people values ('secret@x', 1)")
	for _, statement := range []string{
		"insert into people values ('secret@x', 2)",
		"insert into people values ('other', 'secret@x')",
		"select * from secret_table",
		"do $$ begin raise exception 'secret@x'; end $$",
		"do $$ begin raise warning 'secret@x'; end $$",
		"select pg_terminate_backend(pg_backend_pid()), 'secret@x'", // ends the connection
	} {
		_, _ = conn.Exec(t.Context(), statement) // fails, or warns
	}
	closeServer(t, server)
	log, err := os.ReadFile(filepath.Join(dir, "pg.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "FATAL:  terminating connection") {
		t.Errorf("the log misses what it should hold: %s", log)
	}
	if strings.Contains(string(log), "secret") {
		t.Errorf("the log holds a value or a statement: %s", log)
	}
}

func TestALongLogIsTrimmed(t *testing.T) {
	dir := pgtest.Dir(t)
	path := filepath.Join(dir, "pg.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 2<<20)+"the end"), 0o600); err != nil {
		t.Fatal(err)
	}
	pgtest.Open(t, dir)
	eventually(t, "it is trimmed", func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() < 1<<20
	})
	kept, err := os.ReadFile(path + ".1")
	if err != nil || len(kept) > 1<<20 || !strings.Contains(string(kept), "the end") {
		t.Errorf("kept %d bytes, %v", len(kept), err)
	}
}

// ordinary returns how to run a program as a user who is not root, and a copy of this program that they may run.
func ordinary(t *testing.T) (*syscall.SysProcAttr, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil, os.Args[0]
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("no ordinary user at hand: %v", err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	dir := pgtest.Dir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "program")
	if err := os.WriteFile(binary, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, binary
}
