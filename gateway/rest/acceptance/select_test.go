package acceptance

import "testing"

// of is a request for one book, shaped by a select.
func of(name, sel, id, want string) exchange {
	return exchange{name: name, who: "ana", path: "books?select=" + sel + "&id=eq." + id, status: 200, want: "[" + want + "]"}
}

func TestSelect(t *testing.T) {
	run(t, []exchange{
		of("columns", "id,title", "3", `{"id":3,"title":"Northern Kites"}`),
		of("blanks around commas", "id , title", "3", `{"id":3,"title":"Northern Kites"}`),
		of("alias", "number:id,name:title", "3", `{"number":3,"name":"Northern Kites"}`),
		of("alias with a dash and a blank", `shelf-mark:shelf_mark,"my id":id`, "3", `{"shelf-mark":"N","my id":3}`),
		of("cast", "id::text,price::int", "1", `{"id":"1","price":13}`),
		of("alias and cast", "n:id::text", "1", `{"n":"1"}`),
		of("computed column", "id,shelf_mark", "2", `{"id":2,"shelf_mark":"T"}`),
		of("star and more", "*,shelf_mark", "3", `{"id":3,"author_id":2,"sequel_of":null,"title":"Northern Kites","pages":254,`+
			`"price":null,"tags":[],"info":null,"published":null,"blurb":null,"state":"new","shelf_mark":"N"}`),
		of("JSON path", "info->format", "1", `{"format":{"cover": "hard"}}`),
		of("JSON path as text", "info->>grams", "1", `{"grams":"420"}`),
		of("deep JSON path, alias and cast", "heavy:info->>grams::int", "1", `{"heavy":420}`),
		of("array elements", "first:info->awards->0,info->awards->>-1", "1", `{"first":"Kestrel Prize","awards":"Lantern"}`),
		of("quoted key", `info->"odd key"->"x.y"`, "4", `{"x.y":1}`),
		of("path into what is not there", "info->nope->>deeper", "1", `{"deeper":null}`),
		{name: "an empty select is everything", who: "ana", path: "genres?select=&id=eq.1", status: 200, want: `[{"id":1,"name":"fiction"}]`},
		{name: "odd names", who: "ana", path: `Odd Table?select=Upper,with space,"with.dot","with\"quote",größe,"a,b","(c)","select"&id=eq.1`, status: 200,
			want: `[{"Upper":"U","with space":"s","with.dot":"d","with\"quote":"q","größe":10,"a,b":1,"(c)":2,"select":"x"}]`},
		{name: "generated columns", who: "ana", path: "copies?select=label&id=eq.101", status: 200, want: `[{"label":"sea/A-1"}]`},
		{name: "partitioned table", who: "ana", path: "days?select=n&day=gt.2025-01-01", status: 200, want: `[{"n":2}]`},
		{name: "view with an aggregate", who: "ana", path: "author_counts?author_id=eq.1", status: 200, want: `[{"author_id":1,"books":2}]`},
		refused("unknown column", "books?select=titel", 400, `…"42703"`),
		refused("unknown type", "books?select=id::klingon", 400, `…"42704"`),
		refused("trailing comma", "books?select=id,", 400, `…"PGRST100"`),
		refused("unclosed quote", `books?select="id`, 400, `…"PGRST100"`),
		refused("unclosed embedding", `books?select=id,authors(name`, 400, `…"PGRST100"`),
	})
}

func TestAggregatesAreOff(t *testing.T) {
	for _, sel := range []string{"pages.sum()", "count()", "state,total:count()", "pages.avg()::int", "authors(born.max())"} {
		refused(sel, "books?select="+sel, 400, `…"PGRST123"…Use of aggregate functions is not allowed`).check(t)
	}
}

func TestOrder(t *testing.T) {
	ordered := func(name, order, want string) exchange {
		return exchange{name: name, who: "ana", path: "books?select=id&order=" + order, status: 200, want: ids(want)}
	}
	run(t, []exchange{
		ordered("ascending", "pages", "4 2 3 1"),
		ordered("descending", "pages.desc", "1 3 2 4"),
		ordered("nulls are last", "price.asc", "4 2 1 3"),
		ordered("nulls are first when descending", "price.desc", "3 1 2 4"),
		ordered("nullsfirst", "price.asc.nullsfirst", "3 4 2 1"),
		ordered("nullslast", "price.desc.nullslast", "1 2 4 3"),
		ordered("nulls without a direction", "price.nullsfirst", "3 4 2 1"),
		ordered("two columns", "author_id.nullsfirst,pages.desc", "4 1 2 3"),
		ordered("by JSON path", "info->grams.desc.nullslast", "1 2 4 3"),
		ordered("by JSON text", "info->format->>cover.nullslast,id", "1 2 3 4"),
		ordered("by a computed column", "shelf_mark,id", "3 1 2 4"),
		{name: "by an embedded column", who: "ana", path: "books?select=id,authors(name)&order=authors(name).desc,id&id=lt.4", status: 200,
			want: `[{"id":3,"authors":{"name":"Tomas Reed"}},{"id":1,"authors":{"name":"Selma Varga"}},{"id":2,"authors":{"name":"Selma Varga"}}]`},
		{name: "by a column of an alias", who: "ana", path: "books?select=id,a:authors()&order=a(born).nullsfirst,id.desc", status: 200,
			want: ids("4 2 1 3")},
		refused("by a to-many", "authors?select=id,books(id)&order=books(title)", 400, `…"PGRST118"…'authors' and 'books' do not form`),
		refused("by what is not embedded", "books?select=id&order=authors(name)", 400, `…"PGRST108"`),
		refused("bad direction", "books?order=id.up", 400, `…"PGRST100"`),
		refused("unknown column", "books?order=titel", 400, `…"42703"`),
	})
}
