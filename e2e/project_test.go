package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// project is a local project: its data directory and what `functions-mcp env` says of it.
type project struct {
	dir  string // RUN402_DATA_DIR
	keys map[string]string
}

// emptyProject makes a data directory. As root, PostgreSQL runs as another user, who may not enter what t.TempDir
// makes.
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
		if err := p.remove(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// remove removes a project that no process of ours uses any more. It is an error when PostgreSQL still runs: the last
// one out was to stop it.
func (p *project) remove() error {
	var left error
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		pid, _, err := p.postmaster()
		if err != nil || pid == 0 || !alive(pid) {
			left = err
			break
		}
		if time.Since(began) > 5*time.Second {
			left = errors.Join(errors.New("nobody stopped PostgreSQL"), syscall.Kill(pid, syscall.SIGQUIT))
			break
		}
	}
	return errors.Join(left, os.RemoveAll(p.dir))
}

// environ is the environment that the program gets: ours without what would configure it, then the project's, and more.
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
func (p *project) postmaster() (pid int, sockets string, err error) {
	text, err := os.ReadFile(filepath.Join(p.dir, "default", "pg", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 5 {
		return 0, "", nil // not yet wholly written
	}
	pid, err = strconv.Atoi(lines[0])
	return pid, lines[4], err
}

// running returns the process id of the project's PostgreSQL, 0 when there is none.
func (p *project) running(t *testing.T) int {
	t.Helper()
	pid, _, err := p.postmaster()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// stopped waits for PostgreSQL's end, with nothing left to recover.
func (p *project) stopped(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "PostgreSQL ends", func() bool { return p.running(t) == 0 && !alive(pid) })
}

// watch connects to the project's PostgreSQL as its superuser, whom no policy and no bug of ours hides anything from.
func (p *project) watch(t *testing.T) *pgx.Conn {
	t.Helper()
	_, sockets, err := p.postmaster()
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, "user=postgres database=postgres sslmode=disable port=5432 host="+sockets)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
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
