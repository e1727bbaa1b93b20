//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestAKilledProgramLeavesItUsable(t *testing.T) {
	dir := pgtest.Dir(t)
	killed := startProgram(t, os.Args[0], dir, nil)
	if said := killed.answer(); said != "open" {
		t.Fatal(said)
	}
	pid := assertRuns(t, dir)
	killed.kill()
	if now := assertRuns(t, dir); now != pid {
		t.Fatalf("PostgreSQL was %d and is %d", pid, now)
	}

	server := pgtest.Open(t, dir)
	exec1(t, connect(t, server, postgres.Superuser), "create table kept as select 42 as x")
	if now := assertRuns(t, dir); now != pid {
		t.Errorf("did not join %d but started %d", pid, now)
	}
	closeServer(t, server) // stops a PostgreSQL that it did not start
	eventually(t, "PostgreSQL stopped", func() bool { return postmaster(t, dir) == 0 })
}

func TestAKilledPostgreSQLIsStartedByTheNextConnection(t *testing.T) {
	dir := pgtest.Dir(t)
	servers := []*postgres.Server{pgtest.Open(t, dir), pgtest.Open(t, dir)}
	conn := connect(t, servers[0], postgres.Superuser)
	exec1(t, conn, "create table kept (x int)", "insert into kept values (42)")
	for range 3 {
		pid := assertRuns(t, dir)
		killPostgreSQL(t, pid)
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				if _, err := tryConnect(t, servers[i%2], postgres.Superuser); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if now := assertRuns(t, dir); now == pid {
			t.Fatalf("%d was not killed", pid)
		}
		if got := query1(t, connect(t, servers[1], postgres.Superuser), "select x from kept"); got != "42" {
			t.Fatalf("got %s", got)
		}
	}
	pid := assertRuns(t, dir)
	closeServer(t, servers[0])
	closeServer(t, servers[1])
	assertStopped(t, dir, pid)
}

func TestProgramAndPostgreSQLBothKilled(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	exec1(t, connect(t, server, postgres.Superuser), "create table kept as select 42 as x")
	killed := startProgram(t, os.Args[0], dir, nil)
	if said := killed.answer(); said != "open" {
		t.Fatal(said)
	}
	closeServer(t, server)
	killed.kill()
	killPostgreSQL(t, assertRuns(t, dir))
	server = pgtest.Open(t, dir)
	if got := query1(t, connect(t, server, postgres.Superuser), "select x from kept"); got != "42" {
		t.Errorf("got %s", got)
	}
}

// A process that computes does not notice that its postmaster died, and PostgreSQL refuses to start beside it.
func TestARestartWaitsForABusyProcessOfTheDeadPostgreSQL(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	busy := connect(t, server, postgres.Superuser)
	exec1(t, busy, "set statement_timeout = '500ms'")
	ended := make(chan error, 1)
	started := connect(t, server, postgres.Superuser)
	go func() {
		_, err := busy.Exec(context.Background(), "do $$ begin loop end loop; end $$")
		ended <- err
	}()
	eventually(t, "it computes", func() bool {
		return query1(t, started, "select count(*) from pg_stat_activity where state = 'active' and query like 'do %'") == "1"
	})
	killPostgreSQL(t, assertRuns(t, dir))
	exec1(t, connect(t, server, postgres.Superuser), "select 1")
	if err := <-ended; err == nil {
		t.Error("an endless loop ended well")
	}
}

func TestCloseDuringARestartEndsBoth(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	killPostgreSQL(t, assertRuns(t, dir))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := tryConnect(t, server, postgres.Superuser); err == nil {
				return // it was faster
			}
		})
	}
	closeServer(t, server)
	group.Wait()
	if _, err := tryConnect(t, server, postgres.Superuser); !errors.Is(err, postgres.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	eventually(t, "PostgreSQL stopped", func() bool {
		pid := postmaster(t, dir)
		return pid == 0 || syscall.Kill(pid, 0) == syscall.ESRCH // killed before it could clean up
	})
	pgtest.Open(t, dir)
}

func TestAProgramKilledWhileItMakesTheDatabase(t *testing.T) {
	dir := pgtest.Dir(t)
	killed := startProgram(t, os.Args[0], dir, nil)
	eventually(t, "initdb began", func() bool { return len(unfinished(t, dir)) > 0 })
	killed.kill()

	server := pgtest.Open(t, dir)
	exec1(t, connect(t, server, postgres.Superuser), "select 1")
	closeServer(t, server)
}

func TestAnUnfinishedDatabaseIsRemoved(t *testing.T) {
	dir := pgtest.Dir(t)
	if err := os.MkdirAll(filepath.Join(dir, "initdb-123", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	pgtest.Open(t, dir)
	if left := unfinished(t, dir); len(left) > 0 {
		t.Errorf("%v is still there", left)
	}
}

func TestAStalePostmasterPid(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	closeServer(t, server)
	_, rest, _ := strings.Cut(string(text), "\n")

	stranger := exec.Command("sleep", "600")
	info, err := os.Stat(filepath.Join(dir, "pg"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()

	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string]string{
		"that is empty":             "",
		"of a process that is gone": fmt.Sprint(dead.Process.Pid),
		"of a process of the same user that is not PostgreSQL": fmt.Sprint(stranger.Process.Pid),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "pg", "postmaster.pid")
			if first != "" {
				first += "\n" + rest
			}
			if err := os.WriteFile(path, []byte(first), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, int(info.Sys().(*syscall.Stat_t).Uid), -1); err != nil {
				t.Fatal(err)
			}
			server := pgtest.Open(t, dir)
			exec1(t, connect(t, server, postgres.Superuser), "select 1")
			closeServer(t, server)
			if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
				t.Fatalf("the stranger was ended: %v", err)
			}
		})
	}
}

func TestOpenWaitsForTheEndOfAnother(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	pid := assertRuns(t, dir)
	// A smart shutdown ends when the last client leaves: until then PostgreSQL listens and refuses.
	conn := connect(t, server, postgres.Superuser)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopping", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
		return err == nil && strings.Contains(string(text), "stopping")
	})
	opened := make(chan error, 1)
	go func() {
		second, err := postgres.Open(t.Context(), pgtest.Config(dir))
		if err == nil {
			err = second.Close(context.Background())
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if now := assertRuns(t, dir); now == pid {
		t.Error("it was not started again")
	}
}
