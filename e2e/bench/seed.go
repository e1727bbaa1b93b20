package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
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
	timestamptz '2026-01-01' + n * interval '1 hour' from generate_series($2::int, $2::int + 99) n`
)

func (b *bench) seed(ctx context.Context) (err error) {
	s, err := b.open(ctx)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	run := func(sql string, params ...string) error {
		arguments, err := json.Marshal(map[string]any{"sql": sql, "params": params, "read_only": false})
		if err == nil {
			_, err = s.call(call{"admin_sql", string(arguments)})
		}
		return err
	}
	if err := run(tablesSQL); err != nil {
		return err
	}
	for n := 0; n < 1000; n += 100 { // what a call may write without being asked whether it means it
		if err := run(rowsSQL, b.user, strconv.Itoa(n)); err != nil {
			return err
		}
	}
	return run("analyze items") // as autovacuum would within a minute
}
