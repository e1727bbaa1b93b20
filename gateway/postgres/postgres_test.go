//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestOpenMakesADatabaseAndCloseStopsIt(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	conn := connect(t, server, postgres.Superuser)
	for setting, want := range map[string]string{
		"server_encoding":         "UTF8",
		"timezone":                "UTC",
		"fsync":                   "on",
		"synchronous_commit":      "on",
		"listen_addresses":        "",
		"unix_socket_permissions": "0700",
	} {
		if got := query1(t, conn, "current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := query1(t, conn, "select string_agg(x, '' order by x) from unnest(array['b','a','B','é','Z']) x"); got != "BZabé" {
		t.Errorf("sorts as %q, not by code point", got)
	}
	pid := assertRuns(t, dir)
	closeServer(t, server)
	assertStopped(t, dir, pid)
	closeServer(t, server) // again, which does nothing
}

func TestOpenFindsWhatWasCommittedBefore(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	exec1(t, connect(t, server, postgres.Superuser), "create table kept as select 42 as x")
	closeServer(t, server)

	server = pgtest.Open(t, dir)
	if got := query1(t, connect(t, server, postgres.Superuser), "select x from kept"); got != "42" {
		t.Errorf("got %s", got)
	}
}

func TestDirectoriesWithOddNames(t *testing.T) {
	base := pgtest.Dir(t)
	for _, name := range []string{"with blanks", `it's "quoted", [and] listed=é`} {
		dir := filepath.Join(base, name)
		server := pgtest.Open(t, dir)
		exec1(t, connect(t, server, postgres.Superuser), "select 1")
		closeServer(t, server)
	}
}

func TestTheLastOneOutStopsIt(t *testing.T) {
	dir := pgtest.Dir(t)
	first := pgtest.Open(t, dir)
	pid := assertRuns(t, dir)
	link := filepath.Join(t.TempDir(), "link") // the same project by another name
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	second := pgtest.Open(t, link)
	other := startProgram(t, os.Args[0], dir, nil)
	if said := other.answer(); said != "open" {
		t.Fatal(said)
	}
	if now := assertRuns(t, dir); now != pid {
		t.Fatalf("PostgreSQL was started again: %d, then %d", pid, now)
	}

	closeServer(t, first) // the one that started it
	exec1(t, connect(t, second, postgres.Superuser), "select 1")
	closeServer(t, second)
	assertRuns(t, dir)
	other.leave()
	eventually(t, "PostgreSQL stopped", func() bool { return postmaster(t, dir) == 0 })
}

func TestManyOpenAFreshDirectoryAtOnce(t *testing.T) {
	dir := pgtest.Dir(t)
	programs := make([]*program, 4)
	for i := range programs {
		programs[i] = startProgram(t, os.Args[0], dir, nil)
	}
	servers := make([]*postgres.Server, 4)
	var group sync.WaitGroup
	for i := range servers {
		group.Go(func() {
			var err error
			if servers[i], err = postgres.Open(t.Context(), pgtest.Config(dir)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, program := range programs {
		if said := program.answer(); said != "open" {
			t.Error(said)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	pid := assertRuns(t, dir)
	for _, server := range servers {
		exec1(t, connect(t, server, postgres.Superuser), "select 1")
	}

	for _, server := range servers {
		group.Go(func() {
			if err := server.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for _, program := range programs {
		group.Go(func() { program.leave() })
	}
	group.Wait()
	assertStopped(t, dir, pid)
}

func TestOpenAndCloseTakeTurns(t *testing.T) {
	dir := pgtest.Dir(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				server, err := postgres.Open(t.Context(), pgtest.Config(dir))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := tryConnect(t, server, postgres.Superuser); err != nil {
					t.Error(err)
				}
				if err := server.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	eventually(t, "PostgreSQL stopped", func() bool { return postmaster(t, dir) == 0 })
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	t.Run("while it makes the database", func(t *testing.T) {
		dir := pgtest.Dir(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			await(func() bool { return len(unfinished(t, dir)) > 0 })
		}()
		_, err := postgres.Open(ctx, pgtest.Config(dir))
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if left := unfinished(t, dir); len(left) > 0 {
			t.Errorf("left %v behind", left)
		}
	})
	t.Run("while it starts", func(t *testing.T) {
		dir := pgtest.Dir(t)
		closeServer(t, pgtest.Open(t, dir))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			await(func() bool { return postmaster(t, dir) != 0 })
		}()
		server, err := postgres.Open(ctx, pgtest.Config(dir))
		if err == nil { // it was faster
			closeServer(t, server)
		} else if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		eventually(t, "PostgreSQL stopped", func() bool { return postmaster(t, dir) == 0 })
	})
}

func TestCloseStopsItEvenWhenThereIsNoTimeToWait(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	pid := assertRuns(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Close(ctx); err != nil {
		t.Fatal(err)
	}
	assertStopped(t, dir, pid)
}

func TestCloseDoesNotWaitForAPostgreSQLThatHangs(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	pid := assertRuns(t, dir)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	closeServer(t, server) // returns
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	assertStopped(t, dir, pid) // it was told to
}

func TestAClosedServerStartsNothing(t *testing.T) {
	dir := pgtest.Dir(t)
	server := pgtest.Open(t, dir)
	pid := assertRuns(t, dir)
	closeServer(t, server)
	assertStopped(t, dir, pid)
	if _, err := tryConnect(t, server, postgres.Superuser); !errors.Is(err, postgres.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if pid := postmaster(t, dir); pid != 0 {
		t.Errorf("started %d", pid)
	}
}

func TestACancelledStatementKeepsItsConnection(t *testing.T) {
	conn := connect(t, pgtest.Start(t), postgres.Superuser)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "select pg_sleep(60)"); err == nil {
		t.Fatal("slept for a minute")
	}
	exec1(t, conn, "select 1")
}

// unfinished returns the directories that an initdb is working in.
func unfinished(t *testing.T, dir string) (found []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "initdb-") {
			found = append(found, entry.Name())
		}
	}
	return found
}
