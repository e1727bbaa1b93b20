package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// How often each thing is done. Programs take turns, so that whatever else the machine does meets all of them.
const (
	starts      = 25
	newProjects = 7
	queryTurns  = 40 // of queryTurn calls each
	queryTurn   = 50
	inFlight    = 16
	floodTurns  = 3
	floodTime   = 1500 * time.Millisecond
	writes      = 300
	idleTime    = time.Second // after a session, before its memory is looked at
)

// queryRows is how many of the table's rows a query asks for.
const queryRows = 10

// queryItems is the call that is measured.
func queryItems() call {
	return call{"query_table", `{"table":"items","order":"id","limit":` + strconv.Itoa(queryRows) + `}`}
}

// The table has 1000 rows, of which the signed-in user sees the half.
const (
	tablesSQL = `create table items (id bigint generated always as identity primary key, owner_id text not null,
	title text not null, done boolean not null default false, priority int not null, created_at timestamptz not null);
alter table items enable row level security;
create policy own on items to authenticated using (owner_id = auth.uid());
create table notes (id bigint generated always as identity primary key, owner_id text not null, body text not null);
alter table notes enable row level security;
create policy own on notes to authenticated using (owner_id = auth.uid())`
	rowsSQL = `insert into items (owner_id, title, priority, created_at)
	select case n % 2 when 0 then $1 else 'somebody-else' end, 'Item number ' || n, n % 5,
	timestamptz '2026-01-01' + n * interval '1 hour' from generate_series(1, 1000) n`
)

func (b *bench) seed(ctx context.Context) (err error) {
	s, err := b.serve(ctx, project)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.initialize(); err != nil {
		return err
	}
	for _, arguments := range []map[string]any{
		{"sql": tablesSQL, "read_only": false},
		{"sql": rowsSQL, "params": []string{b.user}, "read_only": false, "max_rows": 1000},
		{"sql": "analyze items", "read_only": false}, // as autovacuum would within a minute
	} {
		text, err := json.Marshal(arguments)
		if err == nil {
			_, err = s.call(call{"admin_sql", string(text)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start compares what a client waits for until the server says hello, on a project that is there but not running. The
// program begins to start PostgreSQL meanwhile.
func (b *bench) start(ctx context.Context) error {
	var ours, floors, first samples
	for range starts {
		began := time.Now()
		s, err := start(ctx, b.log, b.env(project), b.floor)
		if err == nil {
			err = s.initialize()
		}
		if err != nil {
			return err
		}
		floors.since(began)
		if err := s.stop(); err != nil {
			return err
		}

		began = time.Now()
		if s, err = b.serve(ctx, project); err == nil {
			err = s.initialize()
		}
		if err != nil {
			return err
		}
		ours.since(began)
		if err = s.initialized(); err == nil {
			_, err = s.call(queryItems())
		}
		if err != nil {
			return err
		}
		first.since(began)
		if err := s.stop(); err != nil {
			return err
		}
	}
	b.report.add(line{
		what: "start to initialize", program: ms(ours.median()), floor: ms(floors.median()),
		ratio: times(ours.median(), floors.median()), target: "2x",
	})
	b.report.add(line{what: "start to first answer", program: ms(first.median()), target: "250 ms"})
	return nil
}

// first measures the first answer of a project that does not exist yet.
func (b *bench) first(ctx context.Context) error {
	var all samples
	for i := range newProjects {
		name := "new-" + strconv.Itoa(i)
		began := time.Now()
		s, err := start(ctx, b.log, b.env(name), b.program)
		if err == nil {
			err = s.initialize()
		}
		if err == nil {
			err = s.initialized()
		}
		if err == nil {
			_, err = s.call(call{"admin_sql", `{"sql":"select 1"}`})
		}
		if err != nil {
			return err
		}
		all.since(began)
		if err := errors.Join(s.stop(), os.RemoveAll(filepath.Join(b.dir, name))); err != nil {
			return err
		}
	}
	b.report.add(line{what: "the same on a new project", program: ms(all.median()), target: "1 s"})
	return nil
}

// three are the programs that answer the same query.
type three struct {
	program, floor *server
	pgx            *peer
}

// three starts all of them and lets each answer once. The floor answers with what the program did.
func (b *bench) three(ctx context.Context) (t three, err error) {
	if t.program, err = b.session(ctx); err != nil {
		return t, err
	}
	line, err := t.program.call(queryItems())
	if err != nil {
		return t, err
	}
	text, err := structured(line)
	if err != nil {
		return t, err
	}
	if t.floor, err = start(ctx, b.log, b.env(project), b.floor, string(text)); err != nil {
		return t, err
	}
	if err := t.floor.initialize(); err != nil {
		return t, err
	}
	if t.pgx, err = newPeer(ctx, filepath.Join(b.dir, project), b.claims); err != nil {
		return t, err
	}
	rows, err := t.pgx.query(ctx)
	if err != nil {
		return t, err
	}
	return t, sameRows(text, rows)
}

func (t three) close() error {
	if t.pgx != nil {
		t.pgx.pool.Close()
	}
	return errors.Join(t.floor.stop(), t.program.stop())
}

// sameRows makes sure that the program and pgx do the same work.
func sameRows(answer json.RawMessage, peer []json.RawMessage) error {
	var mine struct {
		Rows []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(answer, &mine); err != nil {
		return err
	}
	if len(mine.Rows) != queryRows || len(peer) != queryRows+1 {
		return fmt.Errorf("the program answered %d rows and pgx %d", len(mine.Rows), len(peer))
	}
	for i, row := range mine.Rows {
		if string(row) != string(peer[i]) {
			return fmt.Errorf("row %d is %s for the program and %s for pgx", i, row, peer[i])
		}
	}
	return nil
}

// query compares one call at a time.
func (b *bench) query(ctx context.Context) (err error) {
	t, err := b.three(ctx)
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return err
	}
	mcp := func(s *server) func() error {
		return func() error { _, err := s.call(queryItems()); return err }
	}
	var ours, floor, pgx samples
	peers := []struct {
		all  *samples
		once func() error
	}{
		{&ours, mcp(t.program)},
		{&floor, mcp(t.floor)},
		{&pgx, func() error { _, err := t.pgx.query(ctx); return err }},
	}
	for range queryTurns {
		for _, p := range peers {
			for range queryTurn {
				began := time.Now()
				if err := p.once(); err != nil {
					return err
				}
				p.all.since(began)
			}
		}
	}
	for _, percent := range []int{50, 95, 99} {
		l := line{
			what:    "query_table p" + strconv.Itoa(percent),
			program: ms(ours.at(percent)), floor: ms(floor.at(percent)), pgx: ms(pgx.at(percent)),
			ratio: times(ours.at(percent), pgx.at(percent)),
		}
		if percent == 50 {
			l.target = "2.5x pgx"
		}
		b.report.add(l)
	}
	return nil
}

// flood compares how many calls a second are answered when many are in flight.
func (b *bench) flood(ctx context.Context) (err error) {
	t, err := b.three(ctx)
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return err
	}
	var ours, floor, pgx []float64
	for range floodTurns {
		v, err := t.program.flood(queryItems(), inFlight, floodTime)
		if err != nil {
			return err
		}
		ours = append(ours, v)
		if v, err = t.floor.flood(queryItems(), inFlight, floodTime); err != nil {
			return err
		}
		floor = append(floor, v)
		if v, err = t.pgx.flood(ctx, inFlight, floodTime); err != nil {
			return err
		}
		pgx = append(pgx, v)
	}
	b.report.add(line{
		what:    "query_table, 16 in flight",
		program: perSecond(median(ours)), floor: perSecond(median(floor)), pgx: perSecond(median(pgx)),
		ratio: times(median(ours), median(pgx)), target: "5600/s",
	})
	used, err := memory(t.program.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report.add(line{what: "memory after that", program: used})
	return nil
}

// write compares an insert that succeeds with one that a policy refuses.
func (b *bench) write(ctx context.Context) (err error) {
	s, err := b.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	insert := func(owner string) call {
		return call{"insert_rows", `{"table":"notes","rows":[{"owner_id":"` + owner + `","body":"A note"}]}`}
	}
	mine, foreign := insert(b.user), insert("somebody-else")
	var written, refused samples
	for range writes {
		began := time.Now()
		if _, err := s.call(mine); err != nil {
			return err
		}
		written.since(began)
		began = time.Now()
		line, err := s.request("tools/call", foreign.params())
		if err != nil {
			return err
		}
		refused.since(began)
		if !isToolError(line) {
			return fmt.Errorf("the policy let %s pass", line)
		}
	}
	b.report.add(line{what: "insert_rows p50", program: ms(written.median())})
	b.report.add(line{
		what: "the same, refused by a policy", program: ms(refused.median()),
		ratio: times(refused.median(), written.median()),
	})
	return nil
}

// size says how much a client gets to read, and how much memory a session leaves in use.
func (b *bench) size(ctx context.Context) (err error) {
	s, err := b.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	list, err := s.request("tools/list", "{}")
	if err != nil {
		return err
	}
	bytes := len(list) - len(`{"jsonrpc":"2.0","id":3,"result":}`) - 1 // without what is every answer's
	if err := sleep(ctx, idleTime); err != nil {
		return err
	}
	used, err := memory(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report.add(line{what: "tools/list", program: fmt.Sprintf("%.1f KB", float64(bytes)/1024), target: "20 KB"})
	b.report.add(line{what: "memory when idle", program: used, target: "35 MB"})
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// memory is what a process has in RAM, on systems that tell it in /proc.
func memory(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return "", fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return fmt.Sprintf("%.1f MB", kb/1024), nil
}
