//go:build unix

package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// Environment variables that make the test binary another program.
const (
	programDir    = "POSTGRES_TEST_PROGRAM_DIR"    // one with a share in that directory
	programSocket = "POSTGRES_TEST_PROGRAM_SOCKET" // one that connects as superuser to the socket in that directory
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(programDir); dir != "" {
		os.Exit(runProgram(dir))
	}
	if dir := os.Getenv(programSocket); dir != "" {
		_, err := pgx.Connect(context.Background(), "host="+dir+" user=postgres dbname=postgres sslmode=disable")
		fmt.Println(strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runProgram opens a share, says "open" or the error, and closes it when its standard input ends.
func runProgram(dir string) int {
	server, err := postgres.Open(context.Background(), pgtest.Config(dir))
	if err != nil {
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
		return 1
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	if err := server.Close(context.Background()); err != nil {
		return 1
	}
	return 0
}

// program is another process with a share, or on its way to one.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	says  *bufio.Scanner
}

// startProgram starts a program with a share in dir, as another OS user when attr says so.
func startProgram(t *testing.T, binary, dir string, attr *syscall.SysProcAttr) *program {
	t.Helper()
	return startAs(t, binary, programDir+"="+dir, attr)
}

func startAs(t *testing.T, binary, variable string, attr *syscall.SysProcAttr) *program {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &program{t: t, cmd: cmd, stdin: stdin, says: bufio.NewScanner(stdout)}
}

// answer waits for "open" or for the error's text.
func (p *program) answer() string {
	p.t.Helper()
	if !p.says.Scan() {
		p.t.Fatal("the program said nothing")
	}
	return p.says.Text()
}

func (p *program) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // says that it was killed
}

func (p *program) leave() {
	p.t.Helper()
	if err := p.stdin.Close(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

// connect connects to a Server as a database role.
func connect(t *testing.T, s *postgres.Server, user string) *pgx.Conn {
	t.Helper()
	conn, err := tryConnect(t, s, user)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func tryConnect(t *testing.T, s *postgres.Server, user string) (*pgx.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.ConnConfig(user, "postgres"))
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.Background()) }) // PostgreSQL may be gone
	}
	return conn, err
}

func exec1(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func query1(t *testing.T, conn *pgx.Conn, statement string) (value string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select ("+statement+")::text").Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

// postmaster returns the process id of the PostgreSQL of a directory, 0 when postmaster.pid is gone.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first) // being written when it is not a number
	return pid
}

func assertRuns(t *testing.T, dir string) (pid int) {
	t.Helper()
	pid = postmaster(t, dir)
	if pid == 0 || syscall.Kill(pid, 0) != nil {
		t.Fatalf("PostgreSQL (process %d) does not run", pid)
	}
	return pid
}

// killPostgreSQL kills the postmaster and waits until it is gone: until then the system may accept a connection for it.
func killPostgreSQL(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// assertStopped waits for PostgreSQL's end, which on a busy machine takes longer than Close waits, and for its zombie's.
func assertStopped(t *testing.T, dir string, pid int) {
	t.Helper()
	eventually(t, "PostgreSQL stopped", func() bool { return postmaster(t, dir) == 0 })
	eventually(t, "its process is reaped", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// eventually waits for something that tells nobody when it happens.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	if !await(happened) {
		t.Fatal("never happened: " + what)
	}
}

func await(happened func() bool) bool {
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func closeServer(t *testing.T, s *postgres.Server) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
