package rest

import (
	"context"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// library is a handler of the schema of testdata/library.sql, made anew.
func library(t testing.TB, change func(*Options)) *Handler {
	t.Helper()
	if err := shared.load(t.Context(), "testdata/library.sql"); err != nil {
		t.Fatal(err)
	}
	opts := Options{Schemas: []string{"lib"}, SearchPath: []string{"public", "auth"}}
	opts.Catalog = catalog.New(func(ctx context.Context, old *catalog.Catalog) (*catalog.Catalog, error) {
		return catalog.Load(ctx, shared.pools[postgres.Superuser], opts.Schemas, nil, old)
	})
	if change != nil {
		change(&opts)
	}
	return New(opts)
}

// reads makes an exchange of ana's for each pair of a path and the answer's body.
func reads(h *Handler, pairs ...string) (all []exchange) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, exchange{name: pairs[i], who: "ana", path: pairs[i], via: h, status: 200, want: pairs[i+1]})
	}
	return all
}

func refusals(h *Handler, status int, pairs ...string) []exchange {
	all := reads(h, pairs...)
	for i := range all {
		all[i].status = status
	}
	return all
}

func TestEmbed(t *testing.T) {
	h := library(t, nil)
	run(t, reads(h,
		"books?select=id,shelves(room)&order=id", `[{"id":1,"shelves":{"room":"red"}},{"id":2,"shelves":{"room":"red"}},{"id":3,"shelves":{"room":"blue"}},{"id":4,"shelves":null}]`,
		"shelves?select=id,books(id)&order=id&books.order=id", `[{"id":1,"books":[{"id":1},{"id":2}]},{"id":2,"books":[{"id":3}]},{"id":3,"books":[]}]`,
		"books?select=id,covers(color)&order=id", `[{"id":1,"covers":{"color":"green"}},{"id":2,"covers":null},{"id":3,"covers":{"color":"grey"}},{"id":4,"covers":null}]`,
		"covers?select=color,books(title)&order=color", `[{"color":"green","books":{"title":"Notes"}},{"color":"grey","books":{"title":"Fjords"}}]`,
		"books?select=id,genres(name)&genres.order=name&order=id", `[{"id":1,"genres":[{"name":"science"}]},{"id":2,"genres":[{"name":"science"}]},{"id":3,"genres":[{"name":"science"},{"name":"travel"}]},{"id":4,"genres":[]}]`,
		"books?select=id,g:genres!book_genres(name)&id=eq.1", `[{"id":1,"g":[{"name":"science"}]}]`,
		"books?select=id,author(name)&order=id", `[{"id":1,"author":{"name":"Ada"}},{"id":2,"author":{"name":"Ada"}},{"id":3,"author":{"name":"Bo"}},{"id":4,"author":null}]`,
		"books?select=id,books_by_editor(name)&id=lt.3&order=id", `[{"id":1,"books_by_editor":{"name":"Bo"}},{"id":2,"books_by_editor":null}]`,
		"books?select=id,w:authors!author(name),e:authors!books_by_editor(name)&id=eq.1", `[{"id":1,"w":{"name":"Ada"},"e":{"name":"Bo"}}]`,
		"authors?select=name,wrote:books!author(id),edited:books!editor(id)&order=id&wrote.order=id", `[{"name":"Ada","wrote":[{"id":1},{"id":2}],"edited":[{"id":3}]},{"name":"Bo","wrote":[{"id":3}],"edited":[{"id":1}]},{"name":"Cy","wrote":[],"edited":[]}]`,
		"folders?select=name,folders(name)&order=id&folders.order=id", `[{"name":"root","folders":[{"name":"left"},{"name":"right"}]},{"name":"left","folders":[{"name":"leaf"}]},{"name":"right","folders":[]},{"name":"leaf","folders":[]}]`,
		"folders?select=name,parent(name,parent(name))&id=eq.4", `[{"name":"leaf","parent":{"name":"left","parent":{"name":"root"}}}]`,
		"folders?select=name,up:folders!parent(name)&id=eq.1&up.order=name", `[{"name":"root","up":[{"name":"left"},{"name":"right"}]}]`,
		"novels?select=id,authors(name),shelves(room)&order=id", `[{"id":2,"authors":{"name":"Ada"},"shelves":{"room":"red"}},{"id":3,"authors":{"name":"Bo"},"shelves":{"room":"blue"}}]`,
		"shelves?select=room,novels(title)&id=eq.1", `[{"room":"red","novels":[{"title":"Engines"}]}]`,
		"shelves?select=room,books(title,author(name,books!author(id)),genres(name))&books.genres.order=name&id=eq.2", `[{"room":"blue","books":[{"title":"Fjords","author":{"name":"Bo","books":[{"id":3}]},"genres":[{"name":"science"},{"name":"travel"}]}]}]`,
		"books?select=id,loudly,first_reader(reader),neighbours(title)&id=lte.2&order=id", `[{"id":1,"loudly":"NOTES","first_reader":{"reader":"ana"},"neighbours":[{"title":"Engines"}]},{"id":2,"loudly":"ENGINES","first_reader":null,"neighbours":[{"title":"Notes"}]}]`,
		"books?select=id,loans(reader)&id=in.(1,3)&order=id", `[{"id":1,"loans":[{"reader":"ana"}]},{"id":3,"loans":[]}]`,
		"books?select=*,shelves()&id=eq.4", `[{"id":4,"title":"Lost","author":null,"editor":null,"shelf":null,"pages":50,"price":null,"about":null,"notes":null}]`,
		"shelves?select=books(loudly)&id=eq.2&books.loudly=like.F*", `[{"books":[{"loudly":"FJORDS"}]}]`,
		"books?select=shelves(room)&id=eq.1", `[{"shelves":{"room":"red"}}]`,
		`My Things?select="the id",place:shelves(room)&order="the id"`, `[{"the id":1,"place":{"room":"red"}},{"the id":2,"place":null}]`,
	))
	run(t, refusals(h, 400,
		"books?select=id,nothing(id)", `{"code":"PGRST200","message":"Could not find a relationship between 'books' and 'nothing' in the schema cache","details":"Searched for a foreign key relationship between 'books' and 'nothing' in the schema 'lib', but no matches were found.","hint":null}`,
		"books?select=id,shelvs(id)", `…"hint":"Perhaps you meant 'shelves' instead of 'shelvs'."`,
		"books?select=id,shelves!nope(id)", `…'shelves' using the hint 'nope' in the schema`,
		"shelves?select=id,ledgr(id)", `…"hint":null`,
		"books?select=id,shelves(room)&shelf.room=eq.red", `{"code":"PGRST108","message":"'shelf' is not an embedded resource in this request","details":null,"hint":"Verify that 'shelf' is included in the 'select' query parameter."}`,
	))
	run(t, refusals(h, 300, "books?select=id,authors(name)",
		`{"code":"PGRST201","message":"Could not embed because more than one relationship was found for 'books' and 'authors'","details":[{"cardinality":"many-to-one","embedding":"books with authors","relationship":"books_author_fkey using books(author) and authors(id)"},{"cardinality":"many-to-one","embedding":"books with authors","relationship":"books_by_editor using books(editor) and authors(id)"}],"hint":"Try changing 'authors' to one of the following: 'authors!books_author_fkey', 'authors!books_by_editor'. Find the desired relationship in the 'details' key."}`))
	run(t, refusals(h, 300, "circles?select=people(id)", // the other junction is closed to ana
		`{"code":"PGRST201","message":"Could not embed because more than one relationship was found for 'circles' and 'people'","details":[{"cardinality":"many-to-many","embedding":"circles with people","relationship":"circle_people using circle_people_circle_fkey(circle) and circle_people_person_fkey(person)"}],"hint":"Try changing 'people' to one of the following: 'people!circle_people'. Find the desired relationship in the 'details' key."}`))
	run(t, refusals(h, 404, "boks?select=id,authors(name)", `…Perhaps you meant the table 'lib.books'`))
	run(t, refusals(h, 403,
		"shelves?select=id,ledger(sum)", `…permission denied for table ledger`,
		"shelves?select=id,ledger(nope)", `{"code":"42501","message":"permission denied for table ledger","details":null,"hint":null}`,
		"shelves?select=id,ledger(sum)&ledger.sum=like.x", `…"42501"`,
		"rpc/all_shelves?select=id,ledger(nope)", `…permission denied for table ledger`,
	))
}

func TestPartitionsAreUnknownToTheCatalog(t *testing.T) {
	h := library(t, nil)
	missing := `{"code":"PGRST205","message":"Could not find the table 'lib.years_old' in the schema cache","details":null,"hint":null}`
	run(t, []exchange{
		{name: "put", who: "ana", method: "PUT", path: "years_old?year=eq.1", body: `{"year":1}`, via: h, status: 404, want: missing},
		{name: "options", who: "ana", method: "OPTIONS", path: "years_old", via: h, status: 404, want: missing},
		{name: "put into all of it", who: "ana", method: "PUT", path: "years?year=eq.1", body: `{"year":1}`, via: h,
			header: "Prefer: return=representation", status: 201, want: `[{"year":1}]`},
	})
}

// Whatever the statement calls its own rows, a column may be called the same.
func TestColumnsOfTheNamesThatStatementsUse(t *testing.T) {
	h := library(t, nil)
	all := reads(h,
		"q?order=q", `[{"q":1,"r":2,"w":3,"book":1},{"q":4,"r":5,"w":6,"book":1}]`,
		"q?select=q,w&q=gt.1&order=r", `[{"q":4,"w":6}]`,
		"q?select=q:r&q=eq.1", `[{"q":2}]`,
		"q?select=q,books(title)&q=eq.1", `[{"q":1,"books":{"title":"Notes"}}]`,
		"q?select=r,q:books(title)&r=eq.2", `[{"r":2,"q":{"title":"Notes"}}]`,
		"books?select=id,q(q,r)&id=eq.1&q.order=q.desc", `[{"id":1,"q":[{"q":4,"r":5},{"q":1,"r":2}]}]`,
		"books?select=id,...q(q,w)&id=eq.1&q.order=q.desc", `[{"id":1,"q":[4,1],"w":[6,3]}]`,
		"rpc/pairs?q=gt.1", `[{"q":3,"r":4}]`)
	all[0].header = "Prefer: count=exact"
	run(t, append(all, exchange{name: "a write", who: "ana", method: "POST", path: "q?select=q,books(id)", via: h,
		header: "Prefer: return=representation", body: `{"q":7,"book":2}`, status: 201, want: `[{"q":7,"books":{"id":2}}]`}))
}

func TestFiltersOnEmbedded(t *testing.T) {
	run(t, reads(library(t, nil),
		"shelves?select=id,books!inner(id)&order=id&books.order=id", `[{"id":1,"books":[{"id":1},{"id":2}]},{"id":2,"books":[{"id":3}]}]`,
		"shelves?select=id,books!inner(id)&books.pages=lt.200", `[{"id":1,"books":[{"id":1}]}]`,
		"shelves?select=id,books(id)&books.pages=lt.200&order=id", `[{"id":1,"books":[{"id":1}]},{"id":2,"books":[]},{"id":3,"books":[]}]`,
		"books?select=id,shelves!inner(room)&shelves.room=eq.red&order=id", `[{"id":1,"shelves":{"room":"red"}},{"id":2,"shelves":{"room":"red"}}]`,
		"books?select=id,shelves!left(room)&shelves.room=eq.blue&order=id", `[{"id":1,"shelves":null},{"id":2,"shelves":null},{"id":3,"shelves":{"room":"blue"}},{"id":4,"shelves":null}]`,
		"books?select=id,shelves()&shelves=is.null", `[{"id":4}]`,
		"books?select=id,shelves()&shelves=not.is.null&order=id", `[{"id":1},{"id":2},{"id":3}]`,
		"books?select=id,genres()&genres=is.null", `[{"id":4}]`,
		"books?select=id,genres()&genres.name=eq.travel&genres=not.is.null", `[{"id":3}]`,
		"books?select=id,w:author(name),covers()&or=(w.is.null,covers.not.is.null)&order=id", `[{"id":1,"w":{"name":"Ada"}},{"id":3,"w":{"name":"Bo"}},{"id":4,"w":null}]`,
		"shelves?select=id,books(id,covers!inner())&books.order=id&order=id", `[{"id":1,"books":[{"id":1}]},{"id":2,"books":[{"id":3}]},{"id":3,"books":[]}]`,
		"shelves?select=id,books!inner(id,covers!inner())&books.covers.color=eq.grey", `[{"id":2,"books":[{"id":3}]}]`,
		"shelves?select=id,b:books(id)&b.or=(pages.lt.150,title.eq.Fjords)&order=id", `[{"id":1,"b":[{"id":1}]},{"id":2,"b":[{"id":3}]},{"id":3,"b":[]}]`,
		"shelves?select=id,b:books(id)&b.not.or=(pages.lt.150,title.eq.Fjords)&id=lt.3&order=id", `[{"id":1,"b":[{"id":2}]},{"id":2,"b":[]}]`,
		"shelves?select=id,b:books(id)&books.title=eq.Notes&id=eq.1", `[{"id":1,"b":[{"id":1}]}]`,
		"shelves?select=id,books(id)&books.order=pages.desc&books.limit=1&id=eq.1", `[{"id":1,"books":[{"id":2}]}]`,
		"shelves?select=id,books(id)&books.order=id&books.offset=1&id=eq.1", `[{"id":1,"books":[{"id":2}]}]`,
		"shelves?books.about->>kind=eq.essay&select=id,books!inner(id)", `[{"id":1,"books":[{"id":1}]}]`,
		"books?select=id,shelves()&order=shelves(room).asc.nullsfirst,id.desc", `[{"id":4},{"id":3},{"id":2},{"id":1}]`,
		"books?select=id,w:author(name)&order=w(facts->home->>town).desc.nullslast,id&limit=2", `[{"id":3,"w":{"name":"Bo"}},{"id":1,"w":{"name":"Ada"}}]`,
	))
	h := library(t, nil)
	run(t, refusals(h, 400,
		"shelves?select=id,books(id)&order=books(id)", `{"code":"PGRST118","message":"A related order on 'books' is not possible","details":"'shelves' and 'books' do not form a many-to-one or one-to-one relationship","hint":null}`,
		"shelves?select=id,books(id)&order=book(id)", `…"PGRST108"`,
		"shelves?select=id,books(id)&books.nope=eq.1", `…"42703"`,
		"folders?select=id,"+repeat("parent(", 12)+repeat(")", 12)+manyNullFilters(12, 4), `…makes a statement of more than`,
	))
}

// PostgREST is about to give up that a filter names an aliased resource by its table, and warns of it.
func TestWarningOfOutmodedNames(t *testing.T) {
	h := library(t, nil)
	run(t, []exchange{
		{name: "by its table", who: "ana", via: h, path: "shelves?select=id,b:books(id)&books.id=eq.1&id=eq.1", status: 200, want: `[{"id":1,"b":[{"id":1}]}]`,
			headers: "Warning: 299 PostgRESTv16 \"Embedded resource was referenced by relation name even though it has an alias. This is deprecated and will stop working in a future release. Update `books` to `b` in query string filters, orders or limits.\""},
		{name: "by its alias", who: "ana", via: h, path: "shelves?select=id,b:books(id)&id=eq.1&b.id=eq.1", status: 200, want: `[{"id":1,"b":[{"id":1}]}]`,
			headers: "Warning: - | Content-Location: /shelves?b.id=eq.1&id=eq.1&select=id,b:books(id)"},
		{name: "no parameters", who: "ana", via: h, path: "shelves", status: 200, want: "…", headers: "Content-Location: /shelves"},
		{name: "an error", who: "ana", via: h, path: "shelves?id=eq.x", status: 400, want: "…", headers: "Content-Location: -"},
	})
}

// manyNullFilters asks on each of so many levels, so many times, whether there is a parent.
func manyNullFilters(levels, times int) (query string) {
	for level := range levels {
		query += repeat("&"+repeat("parent.", level)+"parent=is.null", times)
	}
	return query
}

func TestSpread(t *testing.T) {
	run(t, reads(library(t, nil),
		"books?select=id,...shelves(room)&order=id", `[{"id":1,"room":"red"},{"id":2,"room":"red"},{"id":3,"room":"blue"},{"id":4,"room":null}]`,
		"books?select=title,...shelves(*)&id=eq.1", `[{"title":"Notes","id":1,"room":"red"}]`,
		"books?select=id,...shelves!inner(at:room)&order=id", `[{"id":1,"at":"red"},{"id":2,"at":"red"},{"id":3,"at":"blue"}]`,
		"covers?select=color,...books(title,...shelves(room),genres(name))&order=color&books.genres.order=name", `[{"color":"green","title":"Notes","room":"red","genres":[{"name":"science"}]},{"color":"grey","title":"Fjords","room":"blue","genres":[{"name":"science"},{"name":"travel"}]}]`,
		"shelves?select=room,...books(title,pages)&books.order=id&order=id", `[{"room":"red","title":["Notes","Engines"],"pages":[100,300]},{"room":"blue","title":["Fjords"],"pages":[250]},{"room":"empty","title":[],"pages":[]}]`,
	))
	run(t, reads(library(t, nil),
		"shelves?select=room,...books(title,...covers(color))&books.order=id&order=id&id=lt.3", `[{"room":"red","title":["Notes","Engines"],"color":["green",null]},{"room":"blue","title":["Fjords"],"color":["grey"]}]`,
		"shelves?select=room,...books(...genres(name))&id=eq.1&books.order=id", `[{"room":"red","name":[["science"],["science"]]}]`,
		"shelves?select=room,...books(id,covers(*))&id=eq.2", `[{"room":"blue","id":[3],"covers":[{"book":3,"color":"grey"}]}]`,
		"shelves?select=...books(*)&id=eq.2", `[{"id":[3],"title":["Fjords"],"author":[2],"editor":[1],"shelf":[2],"pages":[250],"price":[5.25],"about":[{"n": null, "kind": "novel"}],"notes":[null]}]`,
		"shelves?select=room,...books!inner(id)&books.pages=gt.200&order=id", `[{"room":"red","id":[2]},{"room":"blue","id":[3]}]`,
		"shelves?select=room,...books(id)&books=is.null", `[{"room":"empty","id":[]}]`,
		"books?select=id,...shelves()&shelves=is.null", `[{"id":4}]`,
		"books?select=id,...genres(genre:name)&genres.order=name&id=eq.3", `[{"id":3,"genre":["science","travel"]}]`,
		"books?select=id,...shelves(room)&order=shelves(room).desc.nullslast,id&limit=3", `[{"id":1,"room":"red"},{"id":2,"room":"red"},{"id":3,"room":"blue"}]`,
	))
}

func TestAggregates(t *testing.T) {
	h := library(t, func(o *Options) { o.Aggregates = true })
	run(t, reads(h,
		"books?select=count()", `[{"count":4}]`,
		"books?select=pages.sum(),price.avg(),title.max(),id.min(),price.count()", `[{"sum":700,"avg":11.9166666666666667,"max":"Notes","min":1,"count":3}]`,
		"books?select=shelf,n:count(),pages.sum()::text&order=shelf", `[{"shelf":1,"n":2,"sum":"400"},{"shelf":2,"n":1,"sum":"250"},{"shelf":null,"n":1,"sum":"50"}]`,
	))
	run(t, reads(h,
		"books?select=kind:about->>kind,about->>n::int.sum()&about=not.is.null", `…{"kind":"essay","sum":10}`,
		"books?select=pages::text.max(),c:count()::text", `[{"max":"50","c":"4"}]`,
		"shelves?select=room,books(count(),pages.sum())&order=id", `[{"room":"red","books":[{"count":2,"sum":400}]},{"room":"blue","books":[{"count":1,"sum":250}]},{"room":"empty","books":[{"count":0,"sum":null}]}]`,
		"shelves?select=room,books(author,count())&id=eq.1", `[{"room":"red","books":[{"author":1,"count":2}]}]`,
		"books?select=pages.sum(),...shelves(room)&shelf=eq.1", `[{"sum":400,"room":"red"}]`,
		"books?select=pages.sum(),shelves(room)", `…{"sum":400,"shelves":{"room": "red"}}`,
		"books?select=author,...shelves(rooms:room.count(),room.max())&author=eq.1", `[{"author":1,"rooms":2,"max":"red"}]`,
		"covers?select=count(),...books(...shelves(room,id.sum()))&color=eq.grey", `[{"count":1,"room":"blue","sum":2}]`,
		"books?select=...shelves(count())", `[{"count":3}]`,
		"covers?select=*,count()&color=eq.grey", `[{"book":3,"color":"grey","count":1}]`,
	))
	run(t, refusals(h, 400,
		"shelves?select=room,...books(pages.sum())", `{"code":"PGRST127","message":"Feature not implemented","details":"Aggregates are not implemented for one-to-many or many-to-many spreads.","hint":null}`,
		"books?select=pages.median()", `…"PGRST100"`,
	))
	run(t, refusals(library(t, nil), 400,
		"books?select=count()", `{"code":"PGRST123","message":"Use of aggregate functions is not allowed","details":null,"hint":null}`,
		"shelves?select=id,books(count())", `…"PGRST123"`,
	))
}

func TestJSONPathsAndFullText(t *testing.T) {
	run(t, reads(library(t, nil),
		"books?select=about->kind,about->>n&id=eq.1", `[{"kind":"essay","n":"10"}]`,
		"books?select=id,about->list->1->>deep&id=eq.1", `[{"id":1,"deep":"yes"}]`,
		"books?select=about->list->0,about->list->-1&id=eq.1", `[{"list":1,"list":{"deep": "yes"}}]`,
		"books?select=k:about->>kind,n:about->n::text&id=eq.1", `[{"k":"essay","n":"10"}]`,
		"books?select=notes->a&id=eq.1", `[{"a":2}]`,
		"books?select=id&about->>kind=eq.novel&order=id", `[{"id":2},{"id":3}]`,
		"books?select=id&about->n=gt.9", `[{"id":1}]`,
		"books?select=id&about->list->1->>deep=in.(yes,no)", `[{"id":1}]`,
		"books?select=id&or=(about->>kind.eq.essay,about->n.eq.9)&order=id", `[{"id":1},{"id":2}]`,
		"books?select=id&order=about->>kind.desc.nullslast,about->n.desc,id", `[{"id":2},{"id":3},{"id":1},{"id":4}]`,
		"books?select=id&about->>n=is.null&order=id", `[{"id":3},{"id":4}]`,
		"authors?select=facts->tags->0,facts->home->>town&id=eq.1", `[{"tags":"x","town":"London"}]`,
		`My Things?select=x:"say \"hi\""->a b->"c.d",y:"say \"hi\""->>"-2"&"the id"=eq.1`, `[{"x":1,"y":"neg"}]`,
		`My Things?select="the id"&"x.y"=eq.dot&ÄÖ=eq.7`, `[{"the id":1}]`,
		"books?select=id,loudly&loudly=eq.NOTES&order=loudly", `[{"id":1,"loudly":"NOTES"}]`,
		"texts?select=id&words=fts.cat", `[{"id":1}]`,
		"texts?select=id&words=fts(english).cat%26ran", `[{"id":1}]`,
		"texts?select=id&words=plfts.fat cats", `[{"id":1}]`,
		"texts?select=id&words=phfts(english).quick fox", `[{"id":2}]`,
		"texts?select=id&words=phfts.fox quick", `[]`,
		"texts?select=id&words=wfts.cats or fox -dog&order=id", `[{"id":1},{"id":2}]`,
		"texts?select=id&words=not.fts.cat&order=id", `[{"id":2},{"id":3}]`,
		"texts?select=id&vec=fts.cat", `[{"id":1}]`,
		"texts?select=id&vec=fts(english).cats", `[{"id":1}]`,
		"texts?select=id&data->>t=fts.rat", `[{"id":1}]`,
		"texts?select=id&data=fts.rat", `[{"id":1}]`,
		"texts?select=id&or=(words.fts(french).chat,words.wfts.fox)&order=id", `[{"id":2},{"id":3}]`,
	))
}
