package rest

import "testing"

func TestCSVOut(t *testing.T) {
	h := library(t, nil)
	csv := func(path, want, headers string) exchange {
		return exchange{name: path, who: "ana", via: h, path: path, header: "Accept: text/csv | Prefer: count=exact", status: 200, want: want, headers: headers}
	}
	run(t, []exchange{
		csv("shelves?order=id", "id,room\n1,red\n2,blue\n3,empty", "Content-Type: text/csv; charset=utf-8 | Content-Range: 0-2/3"),
		csv("shelves?id=eq.9", "id,room", "Content-Range: */0"),
		csv("books?select=id,price,about->>kind,pages&id=eq.4", "id,price,kind,pages\n4,,,50", ""),
		csv("books?select=id,shelves(room)&id=eq.1", "id,shelves\n1,\"{\"\"room\"\":\"\"red\"\"}\"", ""),
		csv(`My Things?select=a:"x.y","say \"hi\""&"the id"=eq.1`, "a,\"say \"\"hi\"\"\"\ndot,\"{\"\"-2\"\": \"\"neg\"\", \"\"a b\"\": {\"\"c.d\"\": 1}}\"", ""),
		{name: "a write's rows", who: "ana", via: h, method: "POST", path: "shelves", body: `{"id":7,"room":""}`, header: "Accept: text/csv | Prefer: return=representation",
			status: 201, want: "id,room\n7,\"\""},
		{name: "without a body", who: "ana", via: h, method: "HEAD", path: "shelves", header: "Accept: text/csv", status: 200, want: ""},
	})
}

func TestCounts(t *testing.T) {
	h := library(t, nil)
	count := func(kind, method, path string, status int, headers string) exchange {
		return exchange{name: kind + " " + path, who: "ana", via: h, method: method, path: path, header: "Prefer: count=" + kind, status: status, want: "…", headers: headers}
	}
	if _, err := shared.pools["postgres"].Exec(t.Context(), "analyze lib.books, lib.shelves"); err != nil {
		t.Fatal(err)
	}
	run(t, []exchange{
		count("exact", "GET", "books?limit=2", 206, "Content-Range: 0-1/4"),
		count("exact", "GET", "books?limit=0", 206, "Content-Range: */4"),
		count("exact", "GET", "books?offset=4", 206, "Content-Range: */4"),
		count("exact", "GET", "books?offset=5", 416, "Content-Range: */4"),
		count("exact", "HEAD", "books?shelf=eq.1", 200, "Content-Range: 0-1/2"),
		count("exact", "GET", "books?select=id,shelves!inner()", 200, "Content-Range: 0-2/3"),
		count("exact", "GET", "books?select=id,covers()&covers=is.null&limit=1", 206, "Content-Range: 0-0/2"),
		count("planned", "GET", "books?limit=1", 206, "Content-Range: 0-0/4"),
		count("planned", "HEAD", "books", 200, "Content-Range: 0-3/4"),
		count("estimated", "GET", "books?limit=1", 206, "Content-Range: 0-0/4"),
	})
	h = library(t, func(o *Options) { o.MaxRows, o.Aggregates = 2, true })
	run(t, []exchange{
		count("exact", "GET", "books?select=id", 206, "Content-Range: 0-1/4"),
		count("exact", "GET", "books?limit=3", 206, "Content-Range: 0-1/4"),
		count("exact", "GET", "books?limit=1", 206, "Content-Range: 0-0/4"),
		count("exact", "GET", "books?select=shelf,count()&limit=1", 206, "Content-Range: 0-0/3"),
		{name: "embedded rows are capped too", who: "ana", via: h, path: "genres?select=books(id)&id=eq.1&books.order=id", status: 200, want: `[{"books":[{"id":1},{"id":2}]}]`},
	})
}
