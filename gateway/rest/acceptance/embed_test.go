package acceptance

import "testing"

func TestEmbedding(t *testing.T) {
	author := func(name, query, want string) exchange {
		return exchange{name: name, who: "ana", path: "authors?" + query, status: 200, want: want}
	}
	run(t, []exchange{
		of("to one", "title,authors(name)", "1", `{"title":"Salt Harbour","authors":{"name":"Selma Varga"}}`),
		of("to one that is not there", "id,authors(name)", "4", `{"id":4,"authors":null}`),
		of("to many", "id,loans(id)", "1", `{"id":1,"loans":[{"id":1}]}`),
		of("to many that are not there", "id,loans(id)", "4", `{"id":4,"loans":[]}`),
		of("one to one", "id,covers(colour)", "3", `{"id":3,"covers":{"colour":"red"}}`),
		of("one to one that is not there", "id,covers(colour)", "2", `{"id":2,"covers":null}`),
		of("many to many", "id,genres(name)&genres.order=name", "1", `{"id":1,"genres":[{"name":"fiction"},{"name":"travel"}]}`),
		of("the junction itself", "id,book_genres(weight,genres(name))", "4",
			`{"id":4,"book_genres":[{"weight":9,"genres":{"name":"reference"}}]}`),
		of("alias", "id,writer:authors(name)", "3", `{"id":3,"writer":{"name":"Tomas Reed"}}`),
		of("hint by constraint", "id,authors!books_author_id_fkey(name)", "3", `{"id":3,"authors":{"name":"Tomas Reed"}}`),
		of("hint by column", "id,authors!author_id(name)", "3", `{"id":3,"authors":{"name":"Tomas Reed"}}`),
		of("hint by junction", "id,genres!book_genres(id)", "4", `{"id":4,"genres":[{"id":3}]}`),
		of("target by constraint", "id,books_author_id_fkey(name)", "3", `{"id":3,"books_author_id_fkey":{"name":"Tomas Reed"}}`),
		of("target by column", "id,author_id(name)", "3", `{"id":3,"author_id":{"name":"Tomas Reed"}}`),
		of("to itself, up", "id,before:sequel_of(id)", "2", `{"id":2,"before":{"id":1}}`),
		of("to itself, down", "id,after:books!sequel_of(id)", "1", `{"id":1,"after":[{"id":2}]}`),
		of("three levels", "id,authors(name,books(id,genres(name)))", "3",
			`{"id":3,"authors":{"name":"Tomas Reed","books":[{"id":3,"genres":[]}]}}`),
		of("star inside", "id,covers(*)", "1", `{"id":1,"covers":{"book_id":1,"colour":"blue"}}`),
		of("casts and paths inside", "id,author_id(books(info->>grams,id::text))&author_id.books.order=id", "2",
			`{"id":2,"author_id":{"books":[{"grams":"420","id":"1"},{"grams":"210","id":"2"}]}}`),
		of("empty", "id,authors()", "1", `{"id":1}`),
		of("twice, each filtered by its alias", "id,old:genres(id),new:genres(id)&old.id=lt.2&new.id=gt.1", "1",
			`{"id":1,"old":[{"id":1}],"new":[{"id":2}]}`),
		of("computed, to many", "id,companions(title)", "1", `{"id":1,"companions":[{"title":"The Quiet Ledger"}]}`),
		of("computed, to one", "id,maker(name)", "3", `{"id":3,"maker":{"name":"Tomas Reed"}}`),
		author("reverse", "select=name,books(id)&id=eq.1&books.order=id.desc", `[{"name":"Selma Varga","books":[{"id":2},{"id":1}]}]`),
		author("through a view", "select=id,short_books(title)&id=eq.1", `[{"id":1,"short_books":[{"title":"The Quiet Ledger"}]}]`),
		{name: "from a view", who: "ana", path: "short_books?select=id,authors(name)&id=eq.2", status: 200,
			want: `[{"id":2,"authors":{"name":"Selma Varga"}}]`},
		{name: "policies hold inside", who: "ben", path: "books?select=id,loans(id)&id=eq.1", status: 200, want: `[{"id":1,"loans":[{"id":2}]}]`},
		{name: "for nobody too", path: "books?select=id,loans(id)&id=eq.1", status: 200, want: `[{"id":1,"loans":[]}]`},
		{name: "the admin sees all", who: "admin", path: "books?select=id,loans(id)&id=eq.1&loans.order=id", status: 200,
			want: `[{"id":1,"loans":[{"id":1},{"id":2}]}]`},
		{name: "one object", who: "ana", path: "books?select=id,authors(id)&id=eq.1", status: 200, want: `{"id":1,"authors":{"id":1}}`,
			header: "Accept: application/vnd.pgrst.object+json"},
		{name: "nulls stripped, inside too", who: "ana", path: "books?select=id,price,authors(country,id)&id=eq.3", status: 200,
			want: `[{"id":3,"authors":{"id":2}}]`, header: "Accept: application/vnd.pgrst.array+json;nulls=stripped"},
	})
}

func TestSpread(t *testing.T) {
	run(t, []exchange{
		of("to one", "id,...authors(author:name,country)", "1", `{"id":1,"author":"Selma Varga","country":"HU"}`),
		of("to one that is not there", "id,...authors(author:name)", "4", `{"id":4,"author":null}`),
		of("to many", "id,...genres(names:name)&genres.order=name", "1", `{"id":1,"names":["fiction","travel"]}`),
		of("to many that are not there", "id,...genres(names:name)", "3", `{"id":3,"names":[]}`),
		of("inside an embedding", "id,book_genres(weight,...genres(name))&book_genres.order=weight", "1",
			`{"id":1,"book_genres":[{"weight":1,"name":"travel"},{"weight":5,"name":"fiction"}]}`),
		of("inside a spread", "id,...covers(colour,...books(...authors(name)))", "3", `{"id":3,"colour":"red","name":"Tomas Reed"}`),
		of("an embedding inside", "id,...authors(name,books(id))&authors.books.id=eq.2", "1", `{"id":1,"name":"Selma Varga","books":[{"id":2}]}`),
	})
}

// kept is a request for the ids of the books that an embedding keeps.
func kept(name, query, want string) exchange {
	return exchange{name: name, who: "ana", path: "books?order=id&select=" + query, status: 200, want: ids(want)}
}

func TestEmbeddedFilters(t *testing.T) {
	run(t, []exchange{
		of("filter", "id,book_genres(genre_id)&book_genres.weight=gt.3", "1", `{"id":1,"book_genres":[{"genre_id":1}]}`),
		of("or", "id,book_genres(weight)&book_genres.or=(weight.eq.1,genre_id.eq.9)", "1", `{"id":1,"book_genres":[{"weight":1}]}`),
		of("not and", "id,book_genres(weight)&book_genres.not.and=(weight.eq.1,genre_id.eq.2)", "1", `{"id":1,"book_genres":[{"weight":5}]}`),
		of("order and limit", "id,book_genres(weight)&book_genres.order=weight&book_genres.limit=1", "1", `{"id":1,"book_genres":[{"weight":1}]}`),
		of("offset", "id,book_genres(weight)&book_genres.order=weight&book_genres.offset=1", "1", `{"id":1,"book_genres":[{"weight":5}]}`),
		of("limit of none", "id,book_genres(weight)&book_genres.limit=0", "1", `{"id":1,"book_genres":[]}`),
		of("two levels down", "id,authors(books(id))&authors.books.pages=lt.200", "1", `{"id":1,"authors":{"books":[{"id":2}]}}`),
		of("to one that is filtered away", "id,authors(id)&authors.country=eq.NG", "1", `{"id":1,"authors":null}`),
		kept("inner", "id,authors!inner()&authors.country=eq.HU", "1 2"),
		kept("inner with a hint", "id,authors!author_id!inner()&authors.country=eq.HU", "1 2"),
		kept("inner two levels down", "id,authors!inner(books!inner())&authors.books.pages=eq.254", "3"),
		kept("left keeps all", "id,authors!left()&authors.country=eq.HU", "1 2 3 4"),
		kept("many to many, inner", "id,genres!inner()&genres.name=eq.fiction", "1 2"),
		kept("is null", "id,authors()&authors=is.null", "4"),
		kept("is not null", "id,genres()&genres=not.is.null", "1 2 4"),
		kept("is null of what is filtered", "id,authors()&authors.country=eq.HU&authors=is.null", "3 4"),
		kept("null in or", "id,authors(),covers()&or=(authors.is.null,covers.not.is.null)", "1 3 4"),
	})
	run(t, []exchange{
		refused("not embedded", "books?select=id&authors.id=eq.1", 400,
			`…"PGRST108"…'authors' is not an embedded resource in this request…Verify that 'authors' is included in the 'select' query parameter.`),
		refused("another filter than on null", "books?select=id,authors(name)&authors=eq.1", 400,
			`{"code":"PGRST120","message":"Bad operator on the 'authors' embedded resource",`+
				`"details":"Only is null or not is null filters are allowed on embedded resources","hint":null}`),
		refused("a name that goes on from the right one", "books?select=id,authors_by_age(name)", 400,
			`…"PGRST200"…Perhaps you meant 'authors' instead of 'authors_by_age'.`),
		refused("order of what is not embedded", "books?select=id&authors.order=id", 400, `…"PGRST108"`),
	})
}

func TestEmbeddingThatFails(t *testing.T) {
	run(t, []exchange{
		refused("no relationship", "genres?select=id,loans(id)", 400,
			`…"PGRST200"…Could not find a relationship between 'genres' and 'loans' in the schema cache`),
		refused("near miss", "books?select=id,author(id)", 400, `…"PGRST200"…Perhaps you meant 'authors' instead of 'author'.`),
		refused("no such hint", "books?select=id,authors!klingon(id)", 400, `…"PGRST200"…using the hint 'klingon'`),
		refused("ambiguous", "books?select=id,translations(id)", 300,
			`…"PGRST201"…more than one relationship was found for 'books' and 'translations'`+
				`…translations_original_fkey…one-to-many…Try changing 'translations' to one of the following: 'translations!`),
		refused("closed table is not named", "books?select=id,clozed(id)", 400, `…"PGRST200"`),
		{name: "column inside", who: "ana", path: "books?select=id,authors(nam)", status: 400, want: `…"42703"`},
	})
	run(t, []exchange{
		of("ambiguous, with a hint", "id,translations!original(language)", "1", `{"id":1,"translations":[{"language":"en"}]}`),
		of("ambiguous, the other way", "id,translations!translations_translated_fkey(language)", "3", `{"id":3,"translations":[{"language":"en"}]}`),
	})
}
