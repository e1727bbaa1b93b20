package acceptance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// world is four tables: chairs are in a hall (to one), and guests have passes to halls (many to many).
type world struct {
	*rand.Rand
	conn     *pgx.Conn // the superuser's
	ddl      string
	full     bool // every role may read every column
	outcomes map[string]int
}

const worldTables = `
drop table if exists passes, chairs, halls, guests cascade;
create table halls (id int primary key, n int, s text, b boolean, o text, tags text[], j jsonb, d date);
create table chairs (id int primary key, hall int references halls (id), n int, s text, b boolean, o text, tags text[], j jsonb, d date);
create table guests (id int primary key, n int, s text, b boolean, o text, tags text[], j jsonb, d date);
create table passes (hall int references halls (id), guest int references guests (id), n int, b boolean, o text, primary key (hall, guest));
`

// columns that the tables share. passes has fewer: see shared.
var columns = []string{"id", "n", "s", "b", "o", "tags", "j", "d"}

func (w *world) create(t *testing.T) {
	t.Helper()
	w.full = w.IntN(3) > 0
	partly := pickOf(w.Rand, "halls", "chairs", "guests")
	b := &strings.Builder{}
	b.WriteString(worldTables)
	for _, table := range []string{"halls", "chairs", "guests", "passes"} {
		fmt.Fprintf(b, "alter table %s enable row level security;\n", table)
		for i := range 1 + w.IntN(3) {
			b.WriteString(w.policy(table, fmt.Sprintf("p%d", i)))
		}
		if !w.full && table == partly {
			role := pickOf(w.Rand, "anon", "authenticated")
			fmt.Fprintf(b, "revoke select on %s from %s; grant select (id, n, s%s) on %s to %s;\n",
				table, role, pickOf(w.Rand, "", ", b", ", o, tags"), table, role)
		}
	}
	for _, table := range []string{"halls", "chairs", "guests"} {
		fmt.Fprintf(b, "create function some_%[1]s(above int) returns setof %[1]s language sql stable as $$ select * from %[1]s where id > above $$;\n"+
			"grant execute on function some_%[1]s to anon, authenticated;\n", table)
	}
	w.ddl = b.String()
	for id := range 12 {
		for _, table := range []string{"halls", "guests"} {
			fmt.Fprintf(b, "insert into %s values (%d, %s);\n", table, id, w.values())
		}
		hall := "null"
		if w.IntN(5) > 0 {
			hall = fmt.Sprint(w.IntN(12))
		}
		fmt.Fprintf(b, "insert into chairs select %d, h.id, %s from (select %s::int) x (hall) left join halls h on h.id = x.hall;\n",
			id, w.values(), hall)
	}
	for range 20 {
		fmt.Fprintf(b, "insert into passes select h.id, g.id, %s, %s, %s from halls h, guests g where h.id = %d and g.id = %d on conflict do nothing;\n",
			w.literal("n"), w.literal("b"), w.literal("o"), w.IntN(12), w.IntN(12))
	}
	raw, err := json.Marshal(map[string]string{"sql": b.String()})
	if err != nil {
		t.Fatal(err)
	}
	w.sql(t, string(raw))
}

// sql runs statements through the gateway, which tells itself that the schema has changed.
func (w *world) sql(t *testing.T, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		library.server.URL+"/projects/v1/admin/"+library.project.ID+"/sql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+library.project.ServiceKey)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the world's SQL answered %s:\n%s", res.Status, body)
	}
}

// policy is one that a project might have.
func (w *world) policy(table, name string) string {
	kind := "permissive"
	if w.IntN(5) == 0 {
		kind = "restrictive"
	}
	command := pickOf(w.Rand, "all", "all", "select", "select", "insert", "update", "delete")
	role := pickOf(w.Rand, "public", "public", "anon", "authenticated")
	clause := " using (" + w.condition(table, 2) + ")"
	switch command {
	case "insert":
		clause = " with check (" + w.condition(table, 2) + ")"
	case "all", "update":
		if w.IntN(2) == 0 {
			clause += " with check (" + w.condition(table, 1) + ")"
		}
	}
	return fmt.Sprintf("create policy %s on %s as %s for %s to %s%s;\n", name, table, kind, command, role, clause)
}

// condition is what a policy may ask of a row and of who is calling.
func (w *world) condition(table string, depth int) string {
	if depth > 0 && w.IntN(2) == 0 {
		return "(" + w.condition(table, depth-1) + pickOf(w.Rand, " or ", " or ", " and ") + w.condition(table, depth-1) + ")"
	}
	options := []string{
		"true", "true", "true", "o = auth.uid()", "o = (select auth.uid())", "b", "not b", "n is null",
		"n > " + fmt.Sprint(w.IntN(6)), "auth.role() = 'authenticated'", "auth.uid() is not null",
	}
	if table != "passes" {
		options = append(options, "s like 'a%'", "tags && '{x,y}'", "j ->> 'k' = 'v'", "d < '2024-06-01'")
	}
	if table == "chairs" {
		options = append(options, "exists (select from halls where halls.id = chairs.hall)")
	}
	return pickOf(w.Rand, options...)
}

func pickOf[T any](r *rand.Rand, options ...T) T { return options[r.IntN(len(options))] }

// value is a random value of a column as its text; ok is false for null.
func (w *world) value(column string) (text string, ok bool) {
	if column != "id" && w.IntN(6) == 0 {
		return "", false
	}
	switch column {
	case "id", "hall", "guest":
		return fmt.Sprint(w.IntN(14)), true
	case "n":
		return fmt.Sprint(w.IntN(9) - 1), true
	case "b":
		return pickOf(w.Rand, "true", "false"), true
	case "o":
		return pickOf(w.Rand, "ana", "ben", "service", "nobody"), true
	case "tags":
		return pickOf(w.Rand, "{}", "{x}", "{x,y}", `{"a, b",z}`, "{z,NULL}"), true
	case "j":
		return pickOf(w.Rand, `{"k": "v"}`, `{"k": "w", "n": 3}`, `{"n": 5, "a": [1, {"k": "deep"}]}`, `[1, 2]`, `"text"`), true
	case "d":
		return pickOf(w.Rand, "2023-12-31", "2024-06-01", "2025-01-01"), true
	}
	return pickOf(w.Rand, "abc", "ab", "ABC", "", "x,y", "(z)", `say "hi"`, `back\slash`, "100%", "a_c", "żółć", "null", "a.b:c"), true
}

// literal is a random value of a column in SQL.
func (w *world) literal(column string) string {
	text, ok := w.value(column)
	if !ok {
		return "null"
	}
	return quote(text)
}

func (w *world) values() string {
	var out []string
	for _, c := range columns[1:] {
		out = append(out, w.literal(c))
	}
	return strings.Join(out, ", ")
}

// quote writes a literal; standard_conforming_strings is on.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
