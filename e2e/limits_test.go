package e2e

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxResult is how long a tool's answer may be, in bytes; design.md, "A tool".
const maxResult = 40 << 10

// table makes a table of the test's own on the shared project and returns its name.
func table(t *testing.T, columns string) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text()[:12])
	if err := adminSQL("create table " + name + " (" + columns + ")"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := adminSQL("drop table " + name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func fill(t *testing.T, sql string) {
	t.Helper()
	if err := adminSQL(sql); err != nil {
		t.Fatal(err)
	}
}

// However long the rows are, whoever follows next_offset sees each of them once.
func TestPagingSeesEachRowOnce(t *testing.T) {
	t.Parallel()
	name := table(t, "id int primary key, text text not null")
	fill(t, "insert into "+name+" select n, repeat('x', n) from generate_series(1, 1000) n")
	a := shared.agent(t)
	for _, limit := range []int{0, 37, 200} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			var ids []string
			arguments, cut := args{"table": name, "order": "id", "count": true}, 0
			if limit > 0 {
				arguments["limit"] = limit
			}
			for more := true; more; {
				page := a.call(t, "admin_query_table", arguments)
				if len(page.Text) > maxResult {
					t.Fatalf("a page has %d bytes", len(page.Text))
				}
				if page.Count == nil || *page.Count != 1000 {
					t.Fatalf("the count is %s", page.Text[len(page.Text)-100:])
				}
				if len(page.Rows) == 0 || len(page.Rows) > max(limit, 25) {
					t.Fatalf("a page of %d has %d rows", limit, len(page.Rows))
				}
				if page.Truncated {
					cut++
				}
				ids = append(ids, page.column("id")...)
				more = page.HasMore
				arguments["offset"] = page.NextOffset
			}
			if limit == 200 && cut == 0 {
				t.Error("no page was cut: the rows are too short to show anything")
			}
			for i, id := range ids {
				if id != strconv.Itoa(i+1) {
					t.Fatalf("row %d came as number %d", i+1, i)
				}
			}
			if len(ids) != 1000 {
				t.Errorf("%d rows came", len(ids))
			}
		})
	}
}

// Not one answer is longer than what an agent reads without trouble, and each that was cut says so and how to go on.
func TestAnswersAreCutToWhatAgentsRead(t *testing.T) {
	t.Parallel()
	name := table(t, "id int primary key, text text not null")
	fill(t, "insert into "+name+" select n, repeat('é', 30000) from generate_series(1, 3) n")
	a := shared.agent(t)
	first, second := []args{{"column": "id", "value": 1}}, []args{{"column": "id", "value": 2}}
	for _, c := range []struct {
		tool string
		args args
	}{
		{"admin_query_table", args{"table": name}},
		{"admin_query_table", args{"table": name, "filters": first}},
		{"admin_sql", args{"sql": "select * from " + name}},
		{"admin_update_rows", args{"table": name, "set": args{"id": 1}, "filters": first}},
		{"admin_insert_rows", args{"table": name, "rows": []args{{"id": 9, "text": strings.Repeat("\"\n", 30000)}}}},
		{"admin_delete_rows", args{"table": name, "filters": second}},
	} {
		out := a.call(t, c.tool, c.args)
		if len(out.Text) > maxResult || !out.Truncated || !strings.Contains(out.Notice, "select") {
			t.Errorf("%s: %d bytes, truncated %v, notice %q", c.tool, len(out.Text), out.Truncated, out.Notice)
		}
	}
	wrong := args{"sql": "select * from " + strings.Repeat("x", 100_000)}
	if out := a.try(t, "admin_sql", wrong); len(out.Text) > maxResult {
		t.Errorf("an error has %d bytes", len(out.Text))
	}
}

// A write that would touch more rows than it was allowed to touches none.
func TestMaxRowsUndoesTheWholeWrite(t *testing.T) {
	t.Parallel()
	name := table(t, "id int primary key, text text not null")
	fill(t, "alter table "+name+" enable row level security; create policy all_rows on "+name+" using (true); "+
		"insert into "+name+" select n, 'as it was' from generate_series(1, 5) n")
	as := shared.as(t, "max@example.com")
	asks, a := shared.agent(t, as), shared.agent(t, as, unasked)
	every := []args{{"column": "id", "op": "gt", "value": "0"}}
	set := args{"text": "changed"}
	for _, c := range []struct {
		tool string
		args args
	}{
		{"update_rows", args{"table": name, "set": set, "filters": every, "max_rows": 4}},
		{"delete_rows", args{"table": name, "filters": every, "max_rows": 4}},
		{"admin_update_rows", args{"table": name, "set": set, "all_rows": true, "max_rows": 4}},
		{"admin_delete_rows", args{"table": name, "all_rows": true, "max_rows": 4}},
		{"admin_sql", args{"sql": "update " + name + " set text = 'changed'", "read_only": false, "max_rows": 4}},
		{"admin_sql", args{
			"sql": "with d as (delete from " + name + " returning 1) select count(*) from d", "read_only": false, "max_rows": 4,
		}},
	} {
		asks.refused(t, c.tool, c.args, "CONFIRMATION_REQUIRED")
		out := a.try(t, c.tool, c.args)
		if !out.IsError || !strings.Contains(out.Text, "max_rows") {
			t.Errorf("%s %v answered %s", c.tool, c.args, out.Text)
		}
		got := a.call(t, "query_table", args{"table": name, "order": "id"})
		if diff := cmp.Diff(slices.Repeat([]string{"as it was"}, 5), got.column("text")); diff != "" {
			t.Fatalf("%s %v: %s", c.tool, c.args, diff)
		}
	}
	out := a.call(t, "update_rows", args{"table": name, "set": set, "filters": every, "max_rows": 5})
	if *out.Affected != 5 {
		t.Errorf("a limit that is just enough: %s", out.Text)
	}
}
