package acceptance

import "testing"

const (
	representation = "Prefer: return=representation"
	minimal        = "Prefer: return=minimal"
)

func post(name, path, header, body string, status int, want, headers string) exchange {
	return exchange{name: name, who: "ana", method: "POST", path: path, header: header, body: body, status: status, want: want, headers: headers}
}

func TestInsert(t *testing.T) {
	runFresh(t, []exchange{
		post("one row", "genres", representation, `{"id":7,"name":"letters"}`, 201, `[{"id":7,"name":"letters"}]`, "Preference-Applied: return=representation"),
		post("minimal", "genres", minimal, `{"id":7,"name":"letters"}`, 201, "", "Preference-Applied: return=minimal | Content-Range: */*"),
		post("headers only", "genres", "Prefer: return=headers-only", `{"id":7,"name":"letters"}`, 201, "",
			"Location: /genres?id=eq.7 | Preference-Applied: return=headers-only"),
		post("headers only, two columns of a key", "seats", "Prefer: return=headers-only", `{"hall":"north","nr":4}`, 201, "",
			"Location: /seats?hall=eq.north&nr=eq.4"),
		post("headers only without a key", "tallies", "Prefer: return=headers-only", `{"word":"a"}`, 201, "", "Location: -"),
		post("several rows", "genres?select=id", representation, `[{"id":7,"name":"a"},{"id":8,"name":"b"}]`, 201, ids("7 8"), ""),
		post("several rows, counted", "genres", minimal+" | Prefer: count=exact", `[{"id":7,"name":"a"},{"id":8,"name":"b"}]`, 201, "", "Content-Range: */2"),
		post("no rows", "genres", representation, `[]`, 201, "[]", ""),
		post("defaults alone", "stamps", representation, `{}`, 201, `[{"nr":1,"text":"returned"}]`, ""),
		post("one object", "genres", representation+" | Accept: application/vnd.pgrst.object+json", `{"id":7,"name":"a"}`, 201, `{"id":7,"name":"a"}`, ""),
		post("one object of two is undone", "genres", representation+" | Accept: application/vnd.pgrst.object+json",
			`[{"id":7,"name":"a"},{"id":8,"name":"b"}]`, 406, `…"PGRST116"`, ""),
		post("select and embedding", "copies?select=barcode,book:books(title,authors(name))", representation, `{"book_id":1,"barcode":"B-1"}`, 201,
			`[{"barcode":"B-1","book":{"title":"Salt Harbour","authors":{"name":"Selma Varga"}}}]`, ""),
		post("generated columns", "copies?select=shelf,label", representation, `{"barcode":"B-1"}`, 201, `[{"shelf":"unsorted","label":"unsorted/B-1"}]`, ""),
		post("columns choose", "copies?columns=barcode,shelf&select=barcode,shelf,amount", representation,
			`[{"barcode":"B-1","shelf":"sea","amount":9,"other":1},{"barcode":"B-2","shelf":"sky"}]`, 201,
			`[{"barcode":"B-1","shelf":"sea","amount":1},{"barcode":"B-2","shelf":"sky","amount":1}]`, ""),
		post("missing is null", "copies?columns=barcode,amount", minimal, `[{"barcode":"B-1"}]`, 400, `…"23502"`, ""),
		post("missing is the default", "copies?columns=barcode,shelf,amount&select=barcode,shelf,amount", representation+", missing=default",
			`[{"barcode":"B-1"},{"barcode":"B-2","amount":5,"shelf":"sky"}]`, 201,
			`[{"barcode":"B-1","shelf":"unsorted","amount":1},{"barcode":"B-2","shelf":"sky","amount":5}]`,
			"Preference-Applied: missing=default, return=representation"),
		post("CSV", "genres", representation+" | Content-Type: text/csv", "id,name\n7,\"a, b\"\n8,c", 201,
			`[{"id":7,"name":"a, b"},{"id":8,"name":"c"}]`, ""),
		post("CSV with NULL", "seats?select=name", representation+" | Content-Type: text/csv", "hall,nr,name\nn,1,NULL\nn,2,\"\"", 201,
			`[{"name":null},{"name":""}]`, ""),
		post("CSV in and out", "genres", representation+" | Accept: text/csv | Content-Type: text/csv", "id,name\n7,a", 201, "id,name\n7,a", ""),
		post("a form", "genres", representation+" | Content-Type: application/x-www-form-urlencoded", "id=7&name=one+two", 201, `[{"id":7,"name":"one two"}]`, ""),
		post("a domain that must not be null and is not named", "cautious?select=code", representation, `{"id":1,"name":"x"}`, 201, `[{"code":"978-1"}]`, ""),
		post("odd names", `Odd Table?select="with.dot","größe"`, representation, `{"id":9,"with.dot":"z","größe":3}`, 201, `[{"with.dot":"z","größe":3}]`, ""),
		post("arrays and JSON", "books?select=tags,info", representation, `{"id":9,"title":"x","pages":1,"tags":["a","b"],"info":{"a":[1,null]}}`, 201,
			`[{"tags":["a","b"],"info":{"a": [1, null]}}]`, ""),
		post("a view with triggers", "shelf_copies?select=id,shelf", representation, `{"id":301,"barcode":"V-1"}`, 201, `…"id":301`, ""),
	})
	runFresh(t, []exchange{
		post("key that is taken", "genres", minimal, `{"id":1,"name":"x"}`, 409, `…"23505"`, ""),
		post("missing reference", "copies", minimal, `{"book_id":99}`, 409, `…"23503"`, ""),
		post("check", "copies", minimal, `{"amount":-1}`, 400, `…"23514"`, ""),
		post("domain", "copies", minimal, `{"code":"no"}`, 400, `…"23514"`, ""),
		post("unknown column", "genres", minimal, `{"id":7,"nam":"x"}`, 400, `…"PGRST204"…Could not find the 'nam' column of 'genres' in the schema cache`, ""),
		post("unknown column in columns", "genres?columns=id,nam", minimal, `{"id":7}`, 400, `…"PGRST204"`, ""),
		post("different keys", "genres", minimal, `[{"id":7},{"name":"x"}]`, 400, `…"PGRST102"…All object keys must match`, ""),
		post("not JSON", "genres", minimal, `{"id":`, 400, `…"PGRST102"`, ""),
		post("nothing", "genres", minimal+" | Content-Type: application/json", "", 400, `…"PGRST102"`, ""),
		post("another media type", "genres", minimal+" | Content-Type: image/png", "x", 400, `…"PGRST102"`, ""),
		post("generated always", "stamps", minimal, `{"nr":5}`, 400, `…"428C9"`, ""),
		post("a policy refuses", "notes", minimal, `{"id":9,"owner":"ben","body":"x"}`, 403, `…"42501"`, ""),
		post("not granted", "closed", minimal, `{"id":9}`, 403, `…"42501"`, ""),
		post("a view that cannot be written", "author_counts", minimal, `{"author_id":9}`, 500, `…"55000"`, ""),
		{name: "nobody", method: "POST", path: "genres", body: `{"id":7,"name":"x"}`, status: 401, want: `…"42501"`, headers: "WWW-Authenticate: Bearer"},
	})
}

func TestUpsert(t *testing.T) {
	const merge, ignore = "Prefer: resolution=merge-duplicates, return=representation", "Prefer: resolution=ignore-duplicates, return=representation"
	put := func(name, path, body string, status int, want string) exchange {
		return exchange{name: name, who: "ana", method: "PUT", path: path, header: representation, body: body, status: status, want: want}
	}
	runFresh(t, []exchange{
		post("merge by the primary key", "genres", merge, `[{"id":1,"name":"novels"},{"id":7,"name":"letters"}]`, 201,
			`[{"id":1,"name":"novels"},{"id":7,"name":"letters"}]`, "Preference-Applied: resolution=merge-duplicates, return=representation"),
		post("merge of what is all there", "genres", merge, `[{"id":1,"name":"novels"}]`, 200, `[{"id":1,"name":"novels"}]`, ""),
		post("ignore", "genres", ignore, `[{"id":1,"name":"novels"},{"id":7,"name":"letters"}]`, 201, `[{"id":7,"name":"letters"}]`, ""),
		post("merge by another key", "copies?on_conflict=barcode&select=id,amount", merge, `[{"barcode":"A-1","amount":9}]`, 200, `[{"id":101,"amount":9}]`, ""),
		post("merge by two columns", "seats", merge, `[{"hall":"east","nr":1,"name":"Zed"}]`, 200, `[{"hall":"east","nr":1,"name":"Zed"}]`, ""),
		post("without a key it inserts", "tallies", merge, `[{"word":"a","n":1}]`, 201, `[{"word":"a","n":1}]`, ""),
		post("a key that is none", "genres?on_conflict=klingon", merge, `[{"id":1,"name":"x"}]`, 400, `…"42703"`, ""),
		post("columns that are no key", "seats?on_conflict=name", merge, `[{"hall":"east","nr":1,"name":"Zed"}]`, 400, `…"42P10"`, ""),
		put("PUT makes", "genres?id=eq.7", `{"id":7,"name":"letters"}`, 201, `[{"id":7,"name":"letters"}]`),
		put("PUT replaces", "genres?id=eq.1", `{"id":1,"name":"novels"}`, 200, `[{"id":1,"name":"novels"}]`),
		put("PUT by two columns", "seats?hall=eq.east&nr=eq.2", `{"hall":"east","nr":2,"name":"B"}`, 200, `[{"hall":"east","nr":2,"name":"B"}]`),
		{name: "PUT, minimal", who: "ana", method: "PUT", path: "genres?id=eq.7", header: minimal, body: `{"id":7,"name":"letters"}`, status: 204},
		put("PUT without its key", "genres?name=eq.fiction", `{"id":1,"name":"x"}`, 405, `…"PGRST105"`),
		put("PUT with another operator", "genres?id=gt.1", `{"id":1,"name":"x"}`, 405, `…"PGRST105"`),
		put("PUT of another key", "genres?id=eq.1", `{"id":2,"name":"x"}`, 400, `…"PGRST115"`),
		put("PUT without its key in the body", "genres?id=eq.1", `{"name":"x"}`, 400, `…"PGRST115"`),
		put("PUT of nothing", "genres?id=eq.1", `{}`, 400, `…"PGRST115"`),
		put("PUT into a partition, whose rows are its table's", "days_2024?day=eq.2024-05-05&n=eq.1", `{"day":"2024-05-05","n":1}`, 404, `…"PGRST205"…days_2024`),
		{name: "PATCH of what is not there, whatever the body", who: "ana", method: "PATCH", path: "clippings?id=eq.1", body: `[{"a":1},{"a":2}]`, status: 404, want: `…"PGRST205"`},
		put("PUT with a limit", "genres?id=eq.1&limit=1", `{"id":1,"name":"x"}`, 400, `…"PGRST114"`),
	})
}

func TestUpdateAndDelete(t *testing.T) {
	patch := func(name, path, header, body string, status int, want, headers string) exchange {
		return exchange{name: name, who: "ana", method: "PATCH", path: path, header: header, body: body, status: status, want: want, headers: headers}
	}
	del := func(name, path, header string, status int, want, headers string) exchange {
		return exchange{name: name, who: "ana", method: "DELETE", path: path, header: header, status: status, want: want, headers: headers}
	}
	const strict = "Prefer: handling=strict, max-affected=1"
	runFresh(t, []exchange{
		patch("one row", "copies?id=eq.101&select=amount,label", representation, `{"amount":7}`, 200, `[{"amount":7,"label":"sea/A-1"}]`, "Content-Range: 0-0/*"),
		patch("minimal", "copies?id=eq.101", minimal, `{"amount":7}`, 204, "", "Content-Range: 0-0/* | Preference-Applied: return=minimal"),
		patch("counted", "copies?id=lt.103", minimal+", count=exact", `{"amount":7}`, 204, "", "Content-Range: 0-1/2"),
		patch("none", "copies?id=eq.9", representation, `{"amount":7}`, 200, "[]", "Content-Range: */*"),
		patch("nothing to change", "copies?id=eq.101", representation, `{}`, 200, "[]", "Content-Range: */*"),
		patch("embedding", "copies?id=eq.101&select=id,books(title)", representation, `{"book_id":2}`, 200, `[{"id":101,"books":{"title":"The Quiet Ledger"}}]`, ""),
		patch("filter on a JSON path", "books?info->>grams=eq.95&select=id", representation, `{"pages":91}`, 200, ids("4"), ""),
		patch("or", "copies?or=(id.eq.101,shelf.eq.money)&select=shelf&order=id", representation, `{"amount":7}`, 200, `[{"shelf":"sea"},{"shelf":"money"}]`, ""),
		patch("columns choose", "copies?id=eq.101&columns=amount&select=amount,note", representation, `{"amount":7,"note":"x"}`, 200, `[{"amount":7,"note":null}]`, ""),
		patch("one object", "copies?id=eq.101&select=id", representation+" | Accept: application/vnd.pgrst.object+json", `{"amount":7}`, 200, `{"id":101}`, ""),
		patch("one object of many is undone", "copies?select=id", representation+" | Accept: application/vnd.pgrst.object+json", `{"amount":7}`, 406, `…"PGRST116"`, ""),
		patch("at most one", "copies?id=eq.101", strict+", return=minimal", `{"amount":7}`, 204, "", "Preference-Applied: …handling=strict…max-affected=1"),
		patch("more than one", "copies?id=lt.103", strict, `{"amount":7}`, 400, `…"PGRST124"…The query affects 2 rows`, ""),
		patch("more than one, leniently", "copies?id=lt.103", "Prefer: handling=lenient, max-affected=1, return=minimal", `{"amount":7}`, 204, "", ""),
		patch("a view", "short_books?id=eq.2&select=pages", representation, `{"pages":150}`, 200, `[{"pages":150}]`, ""),
		patch("a view with triggers", "shelf_copies?id=eq.101", minimal, `{"shelf":"top"}`, 204, "", ""),
		patch("unknown column", "copies?id=eq.101", minimal, `{"amout":7}`, 400, `…"PGRST204"`, ""),
		patch("check", "copies?id=eq.101", minimal, `{"amount":-7}`, 400, `…"23514"`, ""),
		patch("what a policy hides", "notes?id=eq.3", minimal+", count=exact", `{"body":"x"}`, 204, "", "Content-Range: */0"),
		patch("what a policy refuses", "notes?id=eq.1", minimal, `{"owner":"ben"}`, 403, `…"42501"`, ""),
		patch("into a generated column", "copies?id=eq.101", minimal, `{"label":"x"}`, 400, `…"428C9"`, ""),
		del("one row", "copies?id=eq.101&select=barcode", representation, 200, `[{"barcode":"A-1"}]`, ""),
		del("minimal", "copies?id=eq.101", minimal, 204, "", "Content-Range: */*"),
		del("counted", "copies?id=lt.103", minimal+", count=exact", 204, "", "Content-Range: */2"),
		del("embedding", "copies?id=eq.102&select=id,books(id)", representation, 200, `[{"id":102,"books":{"id":2}}]`, ""),
		del("none", "copies?id=eq.9", representation, 200, "[]", ""),
		del("more than one", "copies?id=lt.103", strict, 400, `…"PGRST124"`, ""),
		del("what is referred to", "books?id=eq.1", minimal, 409, `…"23503"`, ""),
		del("what a policy hides", "notes?id=eq.3", minimal+", count=exact", 204, "", "Content-Range: */0"),
	})
	restock(t)
	patch("more than one is undone", "copies?id=lt.103", strict, `{"amount":77}`, 400, `…`, "").check(t)
	exchange{who: "ana", path: "copies?select=id&amount=eq.77", status: 200, want: "[]"}.check(t)
}

func TestPreferences(t *testing.T) {
	runFresh(t, []exchange{
		post("unknown is ignored", "genres", "Prefer: return=minimal, colour=blue", `{"id":7,"name":"x"}`, 201, "", "Preference-Applied: return=minimal"),
		post("unknown under strict", "genres", "Prefer: handling=strict, colour=blue", `{"id":7,"name":"x"}`, 400,
			`…"PGRST122"…Invalid preferences given with handling=strict…colour=blue`, ""),
		{name: "time zone", who: "ana", path: "events?select=at&id=eq.1", header: "Prefer: timezone=Asia/Tokyo", status: 200,
			want: `[{"at":"2024-03-02T03:00:00+09:00"}]`, headers: "Preference-Applied: timezone=Asia/Tokyo"},
		{name: "time zone that is none", who: "ana", path: "events?select=at&id=eq.1", header: "Prefer: timezone=Jupiter/Red_Spot", status: 400, want: `…"22023"`},
		{name: "time zone with seconds", who: "ana", path: "events?select=at&id=eq.1", header: "Prefer: timezone=01:02:03", status: 400,
			want: `…PostgreSQL does not support leap seconds.`},
		{name: "several headers", who: "ana", path: "genres?select=id&limit=1&order=id", header: "Prefer: handling=lenient | Prefer: count=exact", status: 206,
			want: ids("1"), headers: "Content-Range: 0-0/3"},
	})
}
