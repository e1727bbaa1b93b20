package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The ways in which a server is asked to end: by its client, which closes its standard input, and by the system.
var endings = map[string]func(*testing.T, *process){
	"stdin EOF": func(t *testing.T, c *process) {
		t.Helper()
		if err := c.stdin.Close(); err != nil {
			t.Fatal(err)
		}
	},
	"SIGTERM": func(t *testing.T, c *process) {
		t.Helper()
		c.signal(t, syscall.SIGTERM)
	},
}

// The last one out stops PostgreSQL.
func TestEndsAtOnceAndStopsPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			a := p.agent(t)
			a.call(t, "admin_sql", args{"sql": "select 1 as one"})
			pid := p.running(t)
			if pid == 0 || !alive(pid) {
				t.Fatal("PostgreSQL does not run")
			}
			end(t, a.server)
			a.server.exits(t)
			p.stopped(t, pid)
		})
	}
}

func TestEndsAtOnceWhilePostgreSQLStarts(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			l := newLine(p.serve(t))
			l.hello(t, "2025-11-25")
			l.begin(t, "tools/call", callTool("admin_sql", args{"sql": "select 1"})) // which waits for the database
			end(t, l.server)
			l.server.exits(t)
			eventually(t, "PostgreSQL ends", func() bool {
				pid := p.running(t)
				return pid == 0 || !alive(pid)
			})
			p.agent(t).call(t, "admin_sql", args{"sql": "select 1 as one"}) // and nothing is in the way of the next start
		})
	}
}

func TestEndsAtOnceWithACallInFlight(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			l := newLine(p.serve(t))
			l.hello(t, "2025-11-25")
			l.request(t, "tools/call", callTool("admin_sql", args{"sql": "select 1"}))
			pid := p.running(t)
			sleep := sleeper(t, p)
			l.begin(t, "tools/call", callTool("admin_sql", args{"sql": sleep.sql}))
			eventually(t, "the statement runs", sleep.runs)
			sleep.disconnect(t)
			end(t, l.server)
			l.server.exits(t)
			p.stopped(t, pid)
		})
	}
}

// As long as another server works on the project, PostgreSQL stays, and no call of that one fails.
func TestLeavesPostgreSQLToTheOthers(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	first, second := p.agent(t), p.agent(t)
	first.call(t, "admin_sql", args{"sql": "select 1 as one"})
	second.call(t, "admin_sql", args{"sql": "select 1 as one"})
	pid := p.running(t)

	endings["stdin EOF"](t, first.server) // the one that started it
	for running := true; running; {
		select {
		case <-first.server.ended:
			running = false
		default:
		}
		second.call(t, "admin_sql", args{"sql": "select 1 as one"})
	}
	if now := p.running(t); now != pid || !alive(pid) {
		t.Errorf("PostgreSQL was process %d and is %d now", pid, now)
	}
	endings["stdin EOF"](t, second.server)
	second.server.exits(t)
	p.stopped(t, pid)
}

// Clients wait for the answer to initialize before they show anything, and making a database takes a moment.
func TestInitializeIsAnsweredBeforeTheDatabaseIsUp(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	l := newLine(p.serve(t))
	early := l.begin(t, "tools/call", callTool("admin_sql", args{"sql": "select 1 as one"}))
	l.lastID = 100
	var order []string
	hello := l.begin(t, "initialize", map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": args{}, "clientInfo": args{"name": "e2e", "version": "1"},
	})
	list := l.begin(t, "tools/list", args{})
	for range 3 {
		m := l.next(t)
		order = append(order, string(m.ID))
		if m.Error != nil {
			t.Errorf("request %s: %s", m.ID, m.Error.Message)
		}
		if string(m.ID) == early && !strings.Contains(string(m.Result), `{"one":1}`) {
			t.Errorf("the call that waited was answered %s", m.Result)
		}
	}
	if order[2] != early {
		t.Errorf("answers came as %v: %s (initialize) and %s (tools/list) waited for the database", order, hello, list)
	}
}

func TestTwoServersSeeEachOthersRows(t *testing.T) {
	t.Parallel()
	as := shared.as(t, "two@example.com")
	one, two := shared.agent(t, as), shared.agent(t, as)
	for i := range 3 {
		for from, to := range map[*agent]*agent{one: two, two: one} {
			text := fmt.Sprintf("%s %d %d", marker, i, from.server.cmd.Process.Pid)
			id := from.call(t, "insert_rows", args{"table": "notes", "rows": []args{{"text": text}}}).column("id")[0]
			got := to.call(t, "query_table", args{"table": "notes", "filters": []args{{"column": "id", "value": id}}})
			if diff := cmp.Diff([]string{text}, got.column("text")); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// Whoever is killed, what was answered is there afterwards.
func TestNoCommittedRowIsLost(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	one, two := p.agent(t), p.agent(t)
	one.call(t, "admin_sql", args{"sql": "create table kept (n int primary key)", "read_only": false})
	var want []string
	add := func(a *agent) {
		t.Helper()
		n := len(want) + 1
		a.call(t, "admin_insert_rows", args{"table": "kept", "rows": []args{{"n": n}}})
		want = append(want, fmt.Sprint(n))
	}
	kept := func(a *agent) {
		t.Helper()
		got := a.call(t, "admin_query_table", args{"table": "kept", "order": "n"})
		if diff := cmp.Diff(want, got.column("n")); diff != "" {
			t.Fatalf("rows were lost: %s", diff)
		}
	}
	add(one)
	add(two)

	first := p.running(t)
	one.server.signal(t, syscall.SIGKILL)
	<-one.server.ended
	kept(two)
	add(two)

	kill(t, first)
	began := time.Now()
	two.recovers(t, "admin_sql", args{"sql": "select 1 as one"})
	t.Logf("the live server recovered in %v", time.Since(began).Round(time.Millisecond))
	kept(two)
	add(two)
	second := p.running(t)
	if second == first {
		t.Fatal("PostgreSQL was not killed")
	}

	two.server.signal(t, syscall.SIGKILL)
	<-two.server.ended
	kill(t, second)
	three := p.agent(t)
	kept(three)
	add(three)
	kept(three)
}

// kill kills PostgreSQL, and waits until it is gone. Its other processes notice by themselves.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL is gone", func() bool { return !alive(pid) })
}

// recovers calls until the database answers again; until then each error must say that a retry may help.
func (a *agent) recovers(t *testing.T, tool string, arguments args) {
	t.Helper()
	eventually(t, "the database answers again", func() bool {
		out := a.try(t, tool, arguments)
		if out.IsError && !out.Error.Retryable {
			t.Fatalf("an error on the way to recovery does not say that it may be retried: %s", out.Text)
		}
		return !out.IsError
	})
}

// Whatever is called first after PostgreSQL was killed, on connections that were open and on new ones, it recovers.
func TestEveryPlaneRecoversFromAKilledPostgreSQL(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.agent(t, p.as(t, "ana@example.com"))
	create := "create table kept (n int); alter table kept enable row level security"
	a.call(t, "admin_sql", args{"sql": create, "read_only": false})
	calls := []struct {
		tool string
		args args
	}{
		{"admin_sql", args{"sql": "insert into kept values (1)", "read_only": false}},
		{"admin_query_table", args{"table": "kept"}},
		{"query_table", args{"table": "kept"}},
		{"admin_sql", args{"sql": "select 1 as one"}},
		{"describe_tables", args{}},
		{"admin_describe_tables", args{}},
	}
	for _, first := range calls[:3] {
		kill(t, p.running(t))
		a.recovers(t, first.tool, first.args)
		for _, c := range calls {
			a.recovers(t, c.tool, c.args)
		}
	}
}

// Cancelling a call ends its statement in PostgreSQL, not only the waiting for it.
func TestCancelledCallEndsItsStatement(t *testing.T) {
	t.Parallel()
	l := newLine(shared.serve(t))
	l.hello(t, "2025-11-25")
	sleep := sleeper(t, shared.project)
	id := l.begin(t, "tools/call", callTool("admin_sql", args{"sql": sleep.sql}))
	eventually(t, "the statement runs", sleep.runs)
	text, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "method": "notifications/cancelled",
		"params": map[string]any{"requestId": json.Number(id), "reason": "enough"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.send(t, string(text))
	began := time.Now()
	eventually(t, "the statement ends", func() bool { return !sleep.runs() })
	t.Logf("the statement ended after %v", time.Since(began).Round(time.Millisecond))
	if m := l.request(t, "tools/call", callTool("admin_sql", args{"sql": "select 1 as one"})); m.Error != nil ||
		!strings.Contains(string(m.Result), `{"one":1}`) {
		t.Errorf("the next call was answered %s", m.Result)
	}
}

// statement is a long one that can be found in pg_stat_activity.
type statement struct {
	sql        string
	runs       func() bool
	disconnect func(*testing.T)
}

func sleeper(t *testing.T, p *project) statement {
	t.Helper()
	conn := p.watch(t)
	sql := fmt.Sprintf("select pg_sleep(30) /* %s */", strings.ReplaceAll(t.Name(), "/", " "))
	return statement{
		sql: sql,
		runs: func() bool {
			return ask[bool](t, conn, `select exists (select from pg_stat_activity
				where state = 'active' and pid <> pg_backend_pid() and position($1 in query) > 0)`, sql)
		},
		disconnect: func(t *testing.T) {
			t.Helper()
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
}
