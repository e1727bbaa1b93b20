package catalog

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// library returns a connection to a PostgreSQL that holds testdata/schema.sql, and the settings for more of them.
func library(t testing.TB) (*pgx.Conn, *pgx.ConnConfig) {
	t.Helper()
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	config := pgtest.Start(t).ConnConfig(postgres.Superuser, "postgres")
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the test's own has ended
	if _, err := conn.Exec(t.Context(), string(sql)); err != nil {
		t.Fatal(err)
	}
	return conn, config
}

func load(t testing.TB, conn *pgx.Conn, old *Catalog) *Catalog {
	t.Helper()
	c, err := Load(t.Context(), conn, []string{"api"}, nil, old)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	conn, _ := library(t)
	c := load(t, conn, nil)
	t.Run("tables", func(t *testing.T) { checkTables(t, c) })
	t.Run("columns", func(t *testing.T) { checkColumns(t, c) })
	t.Run("relations", func(t *testing.T) { checkRelations(t, c) })
	t.Run("functions", func(t *testing.T) { checkFunctions(t, c) })
	t.Run("what is not there", func(t *testing.T) {
		if c.Table("private", "ledger") != nil || c.Table("api", "nothing") != nil || c.Functions("none", "add") != nil ||
			c.Tables("none") != nil || c.FunctionNames("none") != nil {
			t.Error("the catalog has what is not served")
		}
	})
	t.Run("changes", func(t *testing.T) { checkChanges(t, conn, c) })
}

func checkTables(t *testing.T, c *Catalog) {
	var got []string
	for _, table := range c.Tables("api") {
		line := table.Name + " (" + strings.Join(table.Key, ", ") + ")"
		for _, is := range []struct {
			word string
			so   bool
		}{{"view", table.View}, {"partitioned", table.Partitioned}, {"insert", table.Insertable},
			{"update", table.Updatable}, {"delete", table.Deletable}} {
			if is.so {
				line += " " + is.word
			}
		}
		got = append(got, line)
	}
	want := []string{
		"authors (id) insert update delete",
		"authors_twice (id) view insert update delete",
		"authors_view (key) view insert update delete",
		"books (number, shelf) insert update delete",
		"covers () insert update delete",
		"days (day, n) partitioned insert update delete",
		"fines (id) insert update delete",
		"ledger (entry) view insert update delete",
		"loans (number, reader, shelf) insert update delete",
		"loans_list (reader, shelf, number) view",
		"notes () view",
		"readers (id) insert update delete",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c.SchemaComment("api") != "A library" || c.Table("api", "authors").Comment != "Who writes" {
		t.Error("comments are lost")
	}
}

func checkColumns(t *testing.T, c *Catalog) {
	authors := c.Table("api", "authors")
	want := []*Column{
		{Name: "id", Type: "integer", Base: "integer", Identity: "always"},
		{Name: "name", Type: "character varying(40)", Base: "character varying", MaxLength: 40, Comment: "as on the cover"},
		{Name: "mail", Type: "api.email", Base: "character varying", MaxLength: 60, Nullable: true,
			Default: "'nobody@nowhere'::character varying"},
		{Name: "work", Type: "api.work_email", Base: "character varying", Default: "'nobody@nowhere'::character varying"},
		{Name: "mentor", Type: "integer", Base: "integer", Nullable: true},
		{Name: "feels", Type: "api.mood", Base: "api.mood", Nullable: true, Default: "'fair'::api.mood",
			Enum: []string{"dull", "fair", "grand"}},
		{Name: "loud", Type: "text", Base: "text", Nullable: true, Generated: true},
	}
	if diff := cmp.Diff(want, authors.Columns); diff != "" {
		t.Error(diff)
	}
	id := c.Table("api", "readers").Column("id")
	if id.Identity != "by default" || id.Default != "nextval('api.readers_id_seq')" {
		t.Errorf("the identity is %+v", id)
	}
	books := c.Table("api", "books")
	if price := books.Column("price"); price == nil || price.Type != "numeric(8,2)" || price.Base != "numeric" {
		t.Errorf("the column after a dropped one is %+v", price)
	}
	if books.Column("gone") != nil {
		t.Error("a dropped column is there")
	}
}

// describe writes a relation as text: "-o" leads to one row, "-<" to many.
func describe(r *Relation) string {
	pairs := func(pairs []Pair) string {
		var texts []string
		for _, p := range pairs {
			texts = append(texts, p.A+"="+p.B)
		}
		return strings.Join(texts, ",")
	}
	arrow := map[Kind]string{ToOne: "-o", ToMany: "-<", OneToOne: "o-o", ManyToMany: ">-<"}[r.Kind]
	line := fmt.Sprintf("%s %s %s", r.From.Name, arrow, r.To.Name)
	switch {
	case r.Computed != nil:
		line += " by " + r.Constraint
	case r.Junction != nil:
		j := r.Junction
		line += fmt.Sprintf(" through %s %s[%s] %s[%s]", j.Table.Name, j.FromConstraint, pairs(j.From), j.ToConstraint, pairs(j.To))
	default:
		line += fmt.Sprintf(" %s[%s]", r.Constraint, pairs(r.Columns))
	}
	if r.Self {
		line += " self"
	}
	if r.Referenced {
		line += " referenced"
	}
	return line
}

func checkRelations(t *testing.T, c *Catalog) {
	for table, want := range map[string][]string{
		"covers": {"covers o-o books wraps[book_shelf=shelf,book_number=number]"},
		"books": {
			"books -o authors edits[editor=id]",
			"books -o authors writes[author=id]",
			"books -o authors_twice edits[editor=id]",
			"books -o authors_twice writes[author=id]",
			"books -o authors_view edits[editor=key]",
			"books -o authors_view edits[editor=twin]",
			"books -o authors_view writes[author=key]",
			"books -o authors_view writes[author=twin]",
			"books o-o covers wraps[shelf=book_shelf,number=book_number] referenced",
			"books -< loans lent[shelf=shelf,number=number]",
			"books -< loans_list lent[shelf=shelf,number=number]",
			"books >-< readers through loans lent[shelf=shelf,number=number] borrower[reader=id]",
			"books >-< readers through loans_list lent[shelf=shelf,number=number] borrower[reader=id]",
		},
		"authors": {
			"authors -< authors mentors[id=mentor] self",
			"authors -o authors mentors[mentor=id] self",
			"authors -o authors_twice mentors[mentor=id]",
			"authors -o authors_view mentors[mentor=key]",
			"authors -o authors_view mentors[mentor=twin]",
			"authors -< books edits[id=editor]",
			"authors -< books writes[id=author]",
			"authors -< ledger paid[id=author]",
			"authors -o authors by boss self",
			"authors -< books by by_author",
			"authors -o books by first_book",
			"authors -< fines by fines", // instead of its foreign key
		},
		"authors_twice": {
			"authors_twice -< authors mentors[id=mentor]",
			"authors_twice -< books edits[id=editor]",
			"authors_twice -< books writes[id=author]",
			"authors_twice -< fines fines_author_fkey[id=author]",
			"authors_twice -< ledger paid[id=author]",
		},
		"ledger": {
			"ledger -o authors paid[author=id]",
			"ledger -o authors_twice paid[author=id]",
			"ledger -o authors_view paid[author=key]",
			"ledger -o authors_view paid[author=twin]",
		},
		"notes": nil,
	} {
		var got []string
		for _, r := range c.Relations(c.Table("api", table)) {
			got = append(got, describe(r))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", table, diff)
		}
	}
}

func checkFunctions(t *testing.T, c *Catalog) {
	var got []string
	for _, name := range c.FunctionNames("api") {
		for _, f := range c.Functions("api", name) {
			got = append(got, signature(f))
		}
	}
	want := []string{
		"add(a text!) text",
		"add(a integer!, b integer) integer",
		"keep( json!) void void volatile statement_timeout=2s",
		"shelf_of(n integer!) record set rows[shelf integer, title text]",
		"spans(n integer!) api.span set rows[first integer, last integer]",
		"split(code character!, rest text!) record rows[rest text, left_ text]",
		"total(prices numeric[]!...) numeric volatile",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := c.Functions("api", "split")[0].Params[0]; p.Cast != "character varying" {
		t.Errorf("a character parameter is cast to %s", p.Cast)
	}
}

func signature(f *Function) string {
	var params, columns []string
	for _, p := range f.Params {
		text := p.Name + " " + p.Type
		if p.Required {
			text += "!"
		}
		if p.Variadic {
			text += "..."
		}
		params = append(params, text)
	}
	line := f.Name + "(" + strings.Join(params, ", ") + ") " + f.Returns
	for _, is := range []struct {
		word string
		so   bool
	}{{"set", f.Set}, {"void", f.Void}, {"volatile", f.Volatile}} {
		if is.so {
			line += " " + is.word
		}
	}
	if f.Composite {
		for _, c := range f.Columns {
			columns = append(columns, c.Name+" "+c.Type)
		}
		line += " rows[" + strings.Join(columns, ", ") + "]"
	}
	return strings.Join(append([]string{line}, f.Settings...), " ")
}

// checkChanges sees that what is unchanged is not read again, and that no change goes unseen.
func checkChanges(t *testing.T, conn *pgx.Conn, c *Catalog) {
	for _, sql := range []string{"select 1", "insert into api.readers (name) values ('ana')", "analyze", "vacuum",
		"create temp table scratch (id serial primary key)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if load(t, conn, c) != c {
			t.Errorf("the catalog was read again after %q, which changes nothing of it", sql)
		}
	}
	for _, sql := range []string{
		"alter table api.notes_table add column more int",
		"alter table api.notes_table rename column more to less",
		"alter table api.notes_table alter column less set not null",
		"alter table api.notes_table alter column less set default 4",
		"alter table api.notes_table drop column less",
		"alter table api.notes_table add constraint one unique (id)",
		"alter table api.notes_table drop constraint one",
		"comment on column api.notes_table.id is 'number'",
		"comment on schema api is 'Another'",
		"create or replace view api.notes as select 1 as id, 'two'::text as body",
		"create or replace function api.add(a text) returns text language sql stable as 'select a'",
		"alter type api.mood add value 'none'",
		"alter domain api.email set default 'x@y'",
		"drop table api.notes_table",
		"create domain api.hue as int",
		"create function api.hue_json(api.hue) returns json language sql immutable as 'select to_json(0)'",
		"create cast (api.hue as json) with function api.hue_json(api.hue) as implicit",
	} {
		if _, err := conn.Exec(t.Context(), "create table if not exists api.notes_table (id int)"); err != nil {
			t.Fatal(err)
		}
		c = load(t, conn, c)
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		next := load(t, conn, c)
		if next == c {
			t.Errorf("%q went unseen", sql)
		}
		c = next
	}
	if c.Customised() {
		t.Error("a representation of no column counts")
	}
	if _, err := conn.Exec(t.Context(), "alter table api.readers add column hue api.hue"); err != nil {
		t.Fatal(err)
	}
	c = load(t, conn, c)
	if got := c.Table("api", "readers").Column("hue").Representation; got != (Representation{ToJSON: "api.hue_json"}) || !c.Customised() {
		t.Errorf("the representation is %+v", got)
	}
}
