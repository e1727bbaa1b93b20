package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

var selectSeeds = []string{ // never written to
	"", "*", "id, title", "a:id::text,*", `"odd ""x":"b.c"`, "data->a->>b::int,x:data->0->-1->>\"k y\"", "count()", "n:count()::text,price.sum(),pages::int.max()::text",
	"id,author(name)", "id,w:authors!author!inner(name,...books!editor(*)),genres()", "...shelves(room)", "...shelves!left(*,books(id.count()))",
	"shelves(books(author(books!author(covers(*)))))", "folders(folders(parent(*)))", "loudly,first_reader(*),neighbours(title,loudly)", "id,a(b(c(d))),", "a(b", "a:b:c", "x!y!z(a)",
	"...a:b(c)", "count", "count(x)", "id.sum", "data->", "data->>'x'", "größe-1,a-b", "(", ")", "a)b", "!inner(id)",
}

// A select list that is written in full, with quotes everywhere, is read as what it was.
func FuzzSelect(f *testing.F) {
	for _, s := range selectSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		columns, kids, err := parseSelect(text)
		if err != nil {
			requireClientError(t, err)
			return
		}
		was := node{columns: columns, kids: kids}
		again := spellSelect(&was)
		columns, kids, err = parseSelect(again)
		if err != nil {
			t.Fatalf("%q is %q, and that cannot be read: %v", text, again, err)
		}
		now := node{columns: columns, kids: kids}
		if diff := cmp.Diff(&was, &now, cmp.AllowUnexported(node{}, item{}, field{}, step{}, cond{}, sort{}, resource{})); diff != "" {
			t.Fatalf("%q is %q:\n%s", text, again, diff)
		}
	})
}

func spellName(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func spellSelect(n *node) string {
	var all []string
	for _, it := range n.columns {
		var b strings.Builder
		if it.alias != "" {
			b.WriteString(spellName(it.alias) + ":")
		}
		switch {
		case it.column == "*" && it.agg != "":
			b.WriteString("count()")
		case it.column == "*" && it.alias == "" && it.cast == "" && it.path == nil:
			b.WriteString("*")
		default:
			b.WriteString(spellField(it.field))
			if it.cast != "" {
				b.WriteString("::" + it.cast)
			}
			if it.agg != "" {
				b.WriteString("." + it.agg + "()")
			}
		}
		if it.aggCast != "" {
			b.WriteString("::" + it.aggCast)
		}
		all = append(all, b.String())
	}
	for _, k := range n.kids {
		text := spellName(k.name)
		switch {
		case k.spread:
			text = "..." + text
		case k.alias != "":
			text = spellName(k.alias) + ":" + text
		}
		if k.inner {
			text += "!inner"
		}
		if k.hint != "" {
			text += "!" + spellName(k.hint)
		}
		all = append(all, text+"("+spellSelect(k)+")")
	}
	return strings.Join(all, ",")
}

func spellField(f field) string {
	text := spellName(f.column)
	for _, s := range f.path {
		text += "->"
		if s.text {
			text += ">"
		}
		if s.index {
			text += s.key
		} else {
			text += spellName(s.key)
		}
	}
	return text
}

// What is planned is SQL: PostgreSQL may not know a name or a type in it, but it can read the statement.
func FuzzPlan(f *testing.F) {
	for _, s := range selectSeeds {
		f.Add(s, "books.order", "id.desc", "books.id", "in.(1,2)")
	}
	f.Add("id,author(name)", "order", "author(name).desc", "author", "not.is.null")
	f.Add("id,...shelves(room,id.sum())", "order", "shelves(room)", "or", "(shelves.is.null,about->>kind.eq.x)")
	f.Add("words", "not.and", "(words.fts(english).a,data->>t.plfts.b)", "limit", "1")
	h := library(f, func(o *Options) { o.Aggregates, o.MaxRows = true, 10 })
	c, err := h.opts.Catalog.Get(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	conn, err := shared.pools[postgres.Superuser].Acquire(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Release()
	f.Fuzz(func(t *testing.T, list, key, value, key2, value2 string) {
		raw := "select=" + url.QueryEscape(list) + "&" + url.QueryEscape(key) + "=" + url.QueryEscape(value) + "&" + url.QueryEscape(key2) + "=" + url.QueryEscape(value2)
		for _, name := range []string{"books", "shelves", "texts"} {
			q, err := parseQuery(raw, false)
			if err != nil {
				requireClientError(t, err)
				return
			}
			root := &resource{node: &q.node, at: table{"lib", name}, table: c.Table("lib", name)}
			p := &planner{catalog: c, schema: "lib", refuse: func(e *noRelation) error {
				return &Error{Status: http.StatusBadRequest, Code: "PGRST200", Message: e.target}
			}}
			if err := p.resolve(root); err != nil {
				requireClientError(t, err)
				continue
			}
			for _, kind := range []string{"", "exact", "estimated"} {
				counts := counting{kind: kind, most: 10}
				for _, st := range counts.statements(root, media{}, nil) {
					requireReadable(t, conn.Conn().PgConn(), raw, st)
				}
			}
		}
	})
}

func requireReadable(t *testing.T, conn *pgconn.PgConn, raw string, st statement) {
	t.Helper()
	if strings.Contains(st.sql, "cast(") { // a type is written as it came, and need not be one
		return
	}
	_, err := conn.Prepare(t.Context(), "", st.sql, nil)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42601" || pg.Code == "42702" || pg.Code == "42712" || pg.Code[:2] == "XX") {
		t.Fatalf("%s made %s\nof which PostgreSQL says %s: %s", raw, st.sql, pg.Code, pg.Message)
	}
}

// The rules by which a relationship is chosen don't depend on the order of the catalog.
func TestFits(t *testing.T) {
	a, b := &catalog.Table{Name: "a"}, &catalog.Table{Name: "b", View: true}
	one := &catalog.Relation{Constraint: "fk", From: a, To: b, Kind: catalog.ToOne, Columns: []catalog.Pair{{A: "b_id", B: "id"}}}
	self := &catalog.Relation{Constraint: "up", From: a, To: a, Kind: catalog.ToOne, Self: true, Columns: []catalog.Pair{{A: "parent", B: "id"}}}
	for _, test := range []struct {
		rel          *catalog.Relation
		target, hint string
		want         bool
	}{
		{one, "b", "", true}, {one, "b", "fk", true}, {one, "b", "b_id", true}, {one, "b", "id", true}, {one, "b", "x", false},
		{one, "fk", "", false}, {one, "b_id", "", false}, // of a view, only its name
		{self, "a", "", false}, {self, "parent", "", true}, {self, "a", "parent", false}, {self, "parent", "a", false},
	} {
		if got := fits(test.rel, test.target, test.hint); got != test.want {
			t.Errorf("%s!%s: %v", test.target, test.hint, got)
		}
	}
}
