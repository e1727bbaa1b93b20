package acceptance

import "testing"

func TestPages(t *testing.T) {
	page := func(name, query, header string, status int, want, headers string) exchange {
		return exchange{name: name, who: "ana", path: "books?select=id" + query, header: header, status: status, want: want, headers: headers}
	}
	const exact = "Prefer: count=exact"
	run(t, []exchange{
		page("limit", "&order=id&limit=2", "", 200, ids("1 2"), "Content-Range: 0-1/*"),
		page("limit and offset", "&order=id&limit=2&offset=1", "", 200, ids("2 3"), "Content-Range: 1-2/*"),
		page("offset alone", "&order=id&offset=3", "", 200, ids("4"), "Content-Range: 3-3/*"),
		page("limit and offset that are no numbers say nothing", "&order=id&limit=two&offset=", "", 200, ids("1 2 3 4"), "Content-Range: 0-3/*"),
		page("of two limits the last counts", "&order=id&limit=1&limit=2", "", 200, ids("1 2"), ""),
		page("of two selects the first counts", "&select=title&id=eq.1", "", 200, ids("1"), ""),
		page("limit of none", "&limit=0", "", 200, "[]", "Content-Range: */*"),
		page("Range", "&order=id", "Range-Unit: items | Range: 1-2", 200, ids("2 3"), "Content-Range: 1-2/*"),
		page("open Range", "&order=id", "Range: 2-", 200, ids("3 4"), "Content-Range: 2-3/*"),
		page("count exact", "&order=id&limit=2", exact, 206, ids("1 2"), "Content-Range: 0-1/4 | Preference-Applied: count=exact"),
		page("count of all of it", "&order=id", exact, 200, ids("1 2 3 4"), "Content-Range: 0-3/4"),
		page("count of what filters let through", "&order=id&author_id=eq.1&limit=1", exact, 206, ids("1"), "Content-Range: 0-0/2"),
		page("count of nothing", "&id=eq.9", exact, 200, "[]", "Content-Range: */0"),
		page("count with Range", "&order=id", exact+" | Range: 0-1", 206, ids("1 2"), "Content-Range: 0-1/4"),
		page("count planned", "&limit=1&order=id", "Prefer: count=planned", 206, ids("1"), "Content-Range: …0-0/ | Preference-Applied: count=planned"),
		page("count estimated", "&limit=1&order=id", "Prefer: count=estimated", 206, ids("1"),
			"Content-Range: …0-0/ | Preference-Applied: count=estimated"),
		page("beyond the count", "&offset=9", exact, 416, `…"PGRST103"…An offset of 9 was requested, but there are only 4 rows.`, ""),
		page("beyond what is not counted", "&offset=9", "", 200, "[]", "Content-Range: */*"),
		page("Range backwards", "", "Range: 3-1", 416, `…"PGRST103"…The lower boundary must be lower than or equal to the upper boundary`, ""),
		page("negative limit", "&limit=-1", "", 416, `…"PGRST103"…Limit should be greater than or equal to zero.`, ""),
		{name: "count is what the caller may see", who: "ben", path: "loans?select=id", header: exact, status: 200, want: ids("2"),
			headers: "Content-Range: 0-0/1"},
		{name: "count with an inner embedding", who: "ana", path: "books?select=id,authors!inner()&authors.country=eq.HU&order=id&limit=1",
			header: exact, status: 206, want: ids("1"), headers: "Content-Range: 0-0/2"},
		{name: "HEAD", who: "ana", method: "HEAD", path: "books?limit=2", header: exact, status: 206, headers: "Content-Range: 0-1/4"},
		{name: "HEAD of what is not there", who: "ana", method: "HEAD", path: "nothing_like_it", status: 404},
	})
}

func TestMediaTypes(t *testing.T) {
	const object, csv = "Accept: application/vnd.pgrst.object+json", "Accept: text/csv"
	run(t, []exchange{
		{name: "JSON", who: "ana", path: "genres?select=id&id=eq.1", status: 200, want: ids("1"), headers: "Content-Type: application/json; charset=utf-8"},
		{name: "one object", who: "ana", path: "genres?id=eq.1", header: object, status: 200, want: `{"id":1,"name":"fiction"}`,
			headers: "Content-Type: application/vnd.pgrst.object+json; charset=utf-8"},
		{name: "no object", who: "ana", path: "genres?id=eq.9", header: object, status: 406,
			want: `…"PGRST116"…Cannot coerce the result to a single JSON object…The result contains 0 rows`},
		{name: "several objects", who: "ana", path: "genres", header: object, status: 406, want: `…"PGRST116"…The result contains 3 rows`},
		{name: "nulls stripped", who: "ana", path: "authors?id=eq.2", header: object + ";nulls=stripped", status: 200,
			want: `{"id":2,"name":"Tomas Reed","born":"1980-11-30"}`, headers: "Content-Type: application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"},
		{name: "CSV", who: "ana", path: "books?select=id,title,price&order=id", header: csv, status: 200,
			want:    "id,title,price\n1,\"Salt Harbour\",12.50\n2,\"The Quiet Ledger\",8.00\n3,\"Northern Kites\",\n4,\"Tide, Tables (2nd)\",3.20",
			headers: "Content-Type: text/csv; charset=utf-8 | Content-Range: 0-3/*"},
		{name: "CSV of odd names", who: "ana", path: `Odd Table?select="with space",a:"with.dot","a,b","with\"quote"&id=eq.1`, header: csv, status: 200,
			want: "…with space,a,\"a,b\",\"with\"\"quote\"\n"},
		{name: "CSV of nothing", who: "ana", path: "books?select=id,title&id=eq.9", header: csv, status: 200, want: "id,title"},
		{name: "CSV of no columns", who: "ana", path: "books?select=authors()&id=eq.1", header: csv, status: 200, want: ""},
		{name: "the first that is served", who: "ana", path: "genres?select=id&id=eq.1", header: "Accept: image/png, application/json", status: 200, want: ids("1")},
		{name: "any", who: "ana", path: "genres?select=id&id=eq.1", header: "Accept: */*", status: 200, want: ids("1")},
		{name: "none", who: "ana", path: "genres", header: "Accept: image/png", status: 406, want: `…"PGRST107"`},
		{name: "the plan is nobody's business", who: "ana", path: "genres", header: "Accept: application/vnd.pgrst.plan+json", status: 406, want: `…"PGRST107"`},
		{name: "root", who: "ana", path: "", status: 200, want: `…"swagger":"2.0"…"/books"…"/rpc/add"`, headers: "Content-Type: application/openapi+json; charset=utf-8"},
		{name: "root shows a caller nothing closed", who: "ana", path: "", header: "Accept: application/openapi+json", status: 200, want: `…"/books"`},
		{name: "a local project has one schema, whatever it is called", who: "ana", path: "genres?select=id&id=eq.1", header: "Accept-Profile: public", status: 200, want: ids("1")},
	})
	a := exchange{who: "ana", path: ""}.send(t)
	for _, hidden := range []string{`"/closed"`, `"/rpc/unreachable"`, `"secret"`} {
		if matches(a.body, "…"+hidden) {
			t.Errorf("the root document shows ana %s", hidden)
		}
	}
}
