package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// project is a local project: its data directory and what `functions-mcp env` says of it.
type project struct {
	dir  string // RUN402_DATA_DIR
	keys map[string]string
}

// emptyProject makes a data directory. As root, PostgreSQL runs as another user, who may not enter what t.TempDir makes.
func emptyProject() (*project, error) {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return nil, err
	}
	return &project{dir: dir, keys: map[string]string{}}, os.Chmod(dir, 0o755)
}

// makeProject makes a project without touching its database.
func makeProject() (*project, error) {
	p, err := emptyProject()
	if err != nil {
		return nil, err
	}
	dotenv, err := p.output("env")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(dotenv) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		p.keys[name] = value
	}
	return p, nil
}

// newProject makes a project of the test's own.
func newProject(t *testing.T) *project {
	t.Helper()
	p, err := makeProject()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(p.dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

// environ is the environment that the program gets: ours without what would configure it, then the project's, then more.
func (p *project) environ(more ...string) []string {
	env := []string{"GORACE=atexit_sleep_ms=0"} // else the race detector sleeps for a second at each end
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "RUN402_") || strings.HasPrefix(variable, "RUN402_PG_BIN=") {
			env = append(env, variable)
		}
	}
	return append(append(env, "RUN402_DATA_DIR="+p.dir), more...)
}

// output runs a command of the program to its end and returns what it printed.
func (p *project) output(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = p.environ()
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("functions-mcp %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// token is a user's token, as a person gets one.
func (p *project) token(t *testing.T, email string) string {
	t.Helper()
	out, err := p.output("token", "--email", email)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// as is the environment of a server that acts for a user.
func (p *project) as(t *testing.T, email string) string {
	t.Helper()
	return "RUN402_USER_TOKEN=" + p.token(t, email)
}

// postmaster is what postmaster.pid says: the process id and the directory of the socket. It is zero when nobody runs.
func (p *project) postmaster(t *testing.T) (pid int, sockets string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "default", "pg", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(text, []byte("\n"))
	if len(lines) < 5 {
		return 0, ""
	}
	pid, err = strconv.Atoi(string(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	return pid, string(lines[4])
}

// stopped fails the test unless PostgreSQL is gone, or goes while we wait, and has left nothing to recover.
func (p *project) stopped(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "PostgreSQL ends", func() bool {
		left, _ := p.postmaster(t)
		return left == 0 && !alive(pid)
	})
}

// watch connects to the project's PostgreSQL as its superuser, whom no policy and no bug of ours hides anything from.
func (p *project) watch(t *testing.T) *pgx.Conn {
	t.Helper()
	_, sockets := p.postmaster(t)
	conn, err := pgx.Connect(t.Context(), "user=postgres database=postgres sslmode=disable port=5432 host="+sockets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// ask returns the one value that a statement selects.
func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%v: %s", err, sql)
	}
	return value
}
