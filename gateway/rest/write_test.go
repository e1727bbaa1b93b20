package rest

import (
	"fmt"
	"strings"
	"testing"
)

// Each of these starts from the same rows.
func TestWrites(t *testing.T) {
	type after struct {
		sql  string
		want string
	}
	minimal := "Prefer: return=minimal"
	strict := "Prefer: handling=strict, max-affected=1, return="
	cases := []struct {
		exchange
		after
	}{
		{exchange{name: "insert answers the row", who: "ana", method: "POST", path: "items?select=id,owner,title", body: `[{"title":"new"}]`,
			status: 201, want: `[{"id":101,"owner":"ana","title":"new"}]`, headers: "Content-Range: */* | Preference-Applied: return=representation"},
			after{"select title from p1.items where id = 101", "new"}},
		{exchange{name: "insert an object", who: "ana", method: "POST", path: "pairs", body: ` {"a":2,"b":3,"note":"\u00e9\ud83d\ude00"} `,
			status: 201, want: `[{"a":2,"b":3,"note":"é😀"}]`}, after{"select count(*)::text from p1.pairs", "3"}},
		{exchange{name: "insert several, minimal", who: "ana", method: "POST", path: "pairs", header: minimal + ", count=exact",
			body: `[{"a":2,"b":3},{"b":4,"a":2}]`, status: 201,
			headers: "Content-Range: */2 | Preference-Applied: return=minimal, count=exact | Content-Type: -"},
			after{"select count(*)::text from p1.pairs", "4"}},
		{exchange{name: "insert nested JSON", who: "ana", method: "POST", path: "items?select=data,tags,price",
			body:   `[{"title":"x","data":{"a":[1,{"b":"}]"}]},"tags":["p","q\"r"],"price":12345678901234567890.5}]`,
			status: 201, want: `[{"data":{"a": [1, {"b": "}]"}]},"tags":["p","q\"r"],"price":12345678901234567890.5}]`}, after{}},
		{exchange{name: "insert for another is refused", who: "ana", method: "POST", path: "items", body: `{"owner":"ben","title":"x"}`,
			status: 403, want: `…row-level security`}, after{"select count(*)::text from p1.items", "5"}},
		{exchange{name: "insert without the right", method: "POST", path: "items", body: `{"title":"x"}`, status: 401, want: `…"42501"`}, after{}},
		{exchange{name: "insert without the right to read, minimal", who: "ana", method: "POST", path: "inbox", header: minimal, body: `{"body":"hi"}`,
			status: 201}, after{"select body from p1.inbox", "hi"}},
		{exchange{name: "insert without the right to read, answered", who: "ana", method: "POST", path: "inbox", body: `{"body":"hi"}`,
			status: 403, want: `…"42501"`}, after{"select count(*)::text from p1.inbox", "0"}},
		{exchange{name: "insert defaults", who: "ana", method: "POST", path: "inbox", header: minimal, body: `{}`, status: 201},
			after{"select body from p1.inbox", "hello"}},
		{exchange{name: "insert several defaults", who: "ana", method: "POST", path: "inbox", header: minimal, body: `[{},{}]`, status: 201},
			after{"select count(*)::text from p1.inbox", "2"}},
		{exchange{name: "insert nothing", who: "ana", method: "POST", path: "items", body: `[]`, status: 201, want: `[]`}, after{}},
		{exchange{name: "insert one object answered as one", who: "ana", method: "POST", path: "pairs?select=b", body: `{"a":5,"b":6}`,
			header: "Prefer: return=representation | Accept: application/vnd.pgrst.object+json", status: 201, want: `{"b":6}`}, after{}},
		{exchange{name: "insert two as one is undone", who: "ana", method: "POST", path: "pairs", body: `[{"a":5,"b":6},{"a":5,"b":7}]`,
			header: "Prefer: return=minimal | Accept: application/vnd.pgrst.object+json", status: 406, want: `…The result contains 2 rows`},
			after{"select count(*)::text from p1.pairs", "2"}},
		{exchange{name: "insert only columns=", who: "ana", method: "POST", path: "pairs?columns=a,b", body: `[{"a":2,"b":3,"zz":1},{"a":2,"b":4,"note":"no"}]`,
			status: 201, want: `[{"a":2,"b":3,"note":null},{"a":2,"b":4,"note":null}]`}, after{}},
		{exchange{name: "columns= without a value is null", who: "ana", method: "POST", path: "inbox?columns=body", body: `[{"x":1}]`,
			header: minimal, status: 400, want: `…"23502"`}, after{}},
		{exchange{name: "columns= without a value has its default when asked for", who: "ana", method: "POST", path: "inbox?columns=body", body: `[{"x":1}]`,
			header: minimal + ", missing=default", status: 201, headers: "Preference-Applied: missing=default, return=minimal"},
			after{"select body from p1.inbox", "hello"}},
		{exchange{name: "insert where it is", who: "ana", method: "POST", path: "pairs", body: `{"a":7,"b":8}`, header: "Prefer: return=headers-only",
			status: 201, headers: "Location: /pairs?a=eq.7&b=eq.8"}, after{"select count(*)::text from p1.pairs", "3"}},
		{exchange{name: "duplicate key", who: "ana", method: "POST", path: "pairs", body: `{"a":1,"b":1}`, status: 409, want: `…"23505"`}, after{}},
		{exchange{name: "missing parent", who: "ana", method: "POST", path: "notes", body: `{"id":9,"item":999}`, status: 409, want: `…"23503"`}, after{}},
		{exchange{name: "constraint at the end of the transaction", who: "ana", method: "POST", path: "notes", body: `{"id":9,"item":1,"body":"fresh"}`,
			status: 409, want: `…"23505"`}, after{"select count(*)::text from p1.notes", "2"}},

		{exchange{name: "upsert by key", who: "ana", method: "POST", path: "pairs", body: `[{"a":1,"b":1,"note":"n"},{"a":9,"b":9,"note":"m"}]`,
			header: "Prefer: resolution=merge-duplicates, return=representation", status: 201,
			want:    `[{"a":1,"b":1,"note":"n"},{"a":9,"b":9,"note":"m"}]`,
			headers: "Preference-Applied: resolution=merge-duplicates, return=representation"},
			after{"select string_agg(note, ',' order by a, b) from p1.pairs", "n,y,m"}},
		{exchange{name: "upsert ignores", who: "ana", method: "POST", path: "pairs", body: `[{"a":1,"b":1,"note":"n"},{"a":9,"b":9,"note":"m"}]`,
			header: "Prefer: resolution=ignore-duplicates, return=representation", status: 201, want: `[{"a":9,"b":9,"note":"m"}]`},
			after{"select string_agg(note, ',' order by a, b) from p1.pairs", "x,y,m"}},
		{exchange{name: "upsert on named columns", who: "ana", method: "POST", path: "pairs?on_conflict=a,b", body: `{"a":1,"b":2,"note":"n"}`,
			header: "Prefer: resolution=merge-duplicates", status: 200}, after{"select note from p1.pairs where b = 2", "n"}},
		{exchange{name: "upsert on columns that are no key", who: "ana", method: "POST", path: "pairs?on_conflict=note", body: `{"a":1,"b":2,"note":"n"}`,
			header: "Prefer: resolution=merge-duplicates", status: 400, want: `…"42P10"`}, after{}},
		{exchange{name: "upsert of keys alone", who: "ana", method: "POST", path: "pairs?select=note", body: `{"a":1,"b":2}`,
			header: "Prefer: resolution=merge-duplicates, return=representation", status: 200, want: `[{"note":"y"}]`}, after{}},
		{exchange{name: "upsert over another's row", who: "ana", method: "POST", path: "items", body: `{"id":4,"title":"mine now"}`,
			header: "Prefer: resolution=merge-duplicates", status: 403, want: `…"42501"`}, after{"select title from p1.items where id = 4", "bike"}},
		{exchange{name: "upsert without a key inserts", who: "ana", method: "POST", path: `Odd "Name"`, body: `{"b.c":5}`,
			header: "Prefer: resolution=merge-duplicates, return=minimal", status: 201, headers: "Preference-Applied: return=minimal"}, after{}},
		{exchange{name: "put", who: "ana", method: "PUT", path: "pairs?a=eq.3&b=eq.4", body: `{"a":3,"b":4,"note":"p"}`, status: 201,
			want: `[{"a":3,"b":4,"note":"p"}]`}, after{}},
		{exchange{name: "put replaces", who: "ana", method: "PUT", path: "pairs?a=eq.1&b=eq.1", body: `[{"a":1,"b":1,"note":"p"}]`, header: minimal,
			status: 204}, after{"select note from p1.pairs where b = 1", "p"}},
		{exchange{name: "put elsewhere", who: "ana", method: "PUT", path: "pairs?a=eq.1&b=eq.2", body: `{"a":1,"b":1,"note":"p"}`, status: 400,
			want: `…"PGRST115"`}, after{"select note from p1.pairs where b = 1", "x"}},
		{exchange{name: "put without the key", who: "ana", method: "PUT", path: "pairs?a=eq.1", body: `{"a":1,"b":1}`, status: 405, want: `…"PGRST105"`}, after{}},
		{exchange{name: "put of no key", who: "ana", method: "PUT", path: "pairs?a=eq.1&b=eq.1", body: `[{}]`, status: 400, want: `…"PGRST115"`}, after{}},
		{exchange{name: "put of half a key", who: "ana", method: "PUT", path: "pairs?a=eq.1&b=eq.1", body: `{"a":1}`, status: 400, want: `…"PGRST115"`}, after{}},
		{exchange{name: "put with a limit", who: "ana", method: "PUT", path: "pairs?a=eq.1&b=eq.1&limit=1", body: `{"a":1,"b":1}`, status: 400, want: `…"PGRST114"`}, after{}},

		{exchange{name: "update", who: "ana", method: "PATCH", path: "items?id=gt.1&select=id,title&order=id.desc", body: `{"title":"same","done":true}`,
			status: 200, want: `[{"id":3,"title":"same"},{"id":2,"title":"same"}]`, headers: "Content-Range: 0-1/*"},
			after{"select count(*)::text from p1.items where title = 'same'", "2"}},
		{exchange{name: "update ordered by a column that is not answered", who: "ana", method: "PATCH", path: "items?select=id&order=title.desc",
			body: `{"done":true}`, status: 200, want: `[{"id":2},{"id":1},{"id":3}]`}, after{}},
		{exchange{name: "update answers aliases and casts", who: "ana", method: "PATCH", path: "items?id=eq.1&select=k:id::text,owner", body: `{"price":null}`,
			status: 200, want: `[{"k":"1","owner":"ana"}]`}, after{}},
		{exchange{name: "update, minimal", who: "ana", method: "PATCH", path: "items?id=eq.1", header: minimal, body: `{"title":"t"}`, status: 204,
			headers: "Content-Range: 0-0/* | Preference-Applied: return=minimal"}, after{"select title from p1.items where id = 1", "t"}},
		{exchange{name: "update nothing", who: "ana", method: "PATCH", path: "items?id=eq.4", body: `{"title":"t"}`, status: 200, want: `[]`,
			headers: "Content-Range: */*"}, after{"select title from p1.items where id = 4", "bike"}},
		{exchange{name: "update with {}", who: "ana", method: "PATCH", path: "items", body: `{}`, status: 200, want: `[]`}, after{}},
		{exchange{name: "update with {} on no table", who: "ana", method: "PATCH", path: "item", body: `{}`, status: 404, want: `…"PGRST205"`}, after{}},
		{exchange{name: "update gives away", who: "ana", method: "PATCH", path: "items?id=eq.1", body: `{"owner":"ben"}`, status: 403, want: `…"42501"`}, after{}},
		{exchange{name: "update of several objects", who: "ana", method: "PATCH", path: "items", body: `[{"done":true},{"done":false}]`, status: 400, want: `…"PGRST102"`}, after{}},
		{exchange{name: "update with a default", who: "ana", method: "PATCH", path: "items?id=eq.3&columns=open,done&select=open,done", body: `{"done":true}`,
			header: "Prefer: missing=default, return=representation", status: 200, want: `[{"open":false,"done":true}]`}, after{}},
		{exchange{name: "update with a limit", who: "ana", method: "PATCH", path: "items?limit=1", body: `{"done":true}`, status: 400, want: `…limit and offset are not allowed`}, after{}},

		{exchange{name: "delete", who: "ana", method: "DELETE", path: "items?id=eq.1&select=title", status: 200, want: `[{"title":"milk"}]`},
			after{"select count(*)::text from p1.items", "4"}},
		{exchange{name: "delete all of one's own", who: "ben", method: "DELETE", path: "items", header: minimal + ", count=exact", status: 204,
			headers: "Content-Range: */2"}, after{"select count(*)::text from p1.items", "3"}},
		{exchange{name: "delete without the right", method: "DELETE", path: "items", status: 401, want: `…"42501"`}, after{}},

		{exchange{name: "too many updated, answered", who: "ana", method: "PATCH", path: "items", header: strict + "representation", body: `{"done":true}`,
			status: 400, want: `{"code":"PGRST124","message":"Query result exceeds max-affected preference constraint","details":"The query affects 3 rows","hint":null}`},
			after{"select count(*)::text from p1.items where done", "2"}},
		{exchange{name: "too many updated, minimal", who: "ana", method: "PATCH", path: "items", header: strict + "minimal", body: `{"done":true}`,
			status: 400, want: `…The query affects 3 rows`}, after{"select count(*)::text from p1.items where done", "2"}},
		{exchange{name: "too many deleted, answered", who: "ana", method: "DELETE", path: "items", header: strict + "representation", status: 400, want: `…"PGRST124"`},
			after{"select count(*)::text from p1.items", "5"}},
		{exchange{name: "too many deleted, minimal", who: "ana", method: "DELETE", path: "items", header: strict + "minimal", status: 400, want: `…"PGRST124"`},
			after{"select count(*)::text from p1.items", "5"}},
		{exchange{name: "few enough deleted", who: "ana", method: "DELETE", path: "items?id=eq.1", header: strict + "minimal", status: 204,
			headers: "Preference-Applied: return=minimal, handling=strict, max-affected=1"}, after{"select count(*)::text from p1.items", "4"}},
		{exchange{name: "max-affected without strict", who: "ana", method: "DELETE", path: "items", header: "Prefer: max-affected=1", status: 204},
			after{"select count(*)::text from p1.items", "2"}},
		{exchange{name: "unknown preference, strict", who: "ana", method: "DELETE", path: "items", header: "Prefer: handling=strict, foo=bar, tx=perhaps",
			status: 400, want: `…Invalid preferences: foo=bar, tx=perhaps`}, after{"select count(*)::text from p1.items", "5"}},

		{exchange{name: "no body", who: "ana", method: "POST", path: "items", status: 400, want: `…Empty or invalid json`}, after{}},
		{exchange{name: "broken body", who: "ana", method: "POST", path: "items", body: `{"title":`, status: 400, want: `…"PGRST102"`}, after{}},
		{exchange{name: "a scalar is no row", who: "ana", method: "POST", path: "items", body: `5`, status: 201, want: `[]`}, after{}},
		{exchange{name: "array of scalars", who: "ana", method: "POST", path: "items", body: `[{"title":"x"},5]`, status: 400, want: `…"All object keys must match"`}, after{}},
		{exchange{name: "different keys", who: "ana", method: "POST", path: "items", body: `[{"title":"x"},{"done":true}]`, status: 400, want: `…All object keys must match`}, after{}},
		{exchange{name: "of a key that comes twice the last counts", who: "ana", method: "POST", path: "items?select=title",
			body: `{"title":"x","\u0074itle":"y"}`, status: 201, want: `[{"title":"y"}]`}, after{}},
		{exchange{name: "NUL in a value", who: "ana", method: "POST", path: "items", body: `{"title":"a\u0000b"}`, status: 400, want: `…"22P05"`}, after{}},
		{exchange{name: "NUL in a key", who: "ana", method: "POST", path: "items", body: `{"title\u0000":"a"}`, status: 400, want: `…"PGRST102"`}, after{}},
		{exchange{name: "broken UTF-8", who: "ana", method: "POST", path: "items", body: "{\"title\":\"\xff\"}", status: 400, want: `…"PGRST102"`}, after{}},
		{exchange{name: "a bomb", who: "ana", method: "POST", path: "items", body: `{"data":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
			status: 400, want: `…nested more than`}, after{}},
		{exchange{name: "too large", who: "ana", method: "POST", path: "items", body: `{"title":"` + strings.Repeat("x", 8<<20) + `"}`, status: 413, want: `…larger than`}, after{}},
		{exchange{name: "value too long", who: "ana", method: "POST", path: "items", body: fmt.Sprintf(`{"title":%q}`, strings.Repeat("x", 81)), status: 400, want: `…"22001"`}, after{}},
		{exchange{name: "an empty key", who: "ana", method: "POST", path: "items", body: `{"":1}`, status: 400, want: `…"PGRST204"`}, after{}},

		{exchange{name: "CSV", who: "ana", method: "POST", path: "pairs", header: "Content-Type: text/csv",
			body: "a,b,note\r\n7,8,\"x, \"\"y\"\"\nz\"\n8,8,NULL\n9,8,\n", status: 201,
			want: `[{"a":7,"b":8,"note":"x, \"y\"\nz"},{"a":8,"b":8,"note":null},{"a":9,"b":8,"note":""}]`}, after{}},
		{exchange{name: "CSV without lines", who: "ana", method: "POST", path: "pairs", header: "Content-Type: text/csv", body: "a,b",
			status: 201, want: `[]`}, after{}},
		{exchange{name: "CSV with a short line", who: "ana", method: "POST", path: "pairs", header: "Content-Type: text/csv", body: "a,b\n7,8\n9",
			status: 400, want: `…All lines must have same number of fields`}, after{}},
		{exchange{name: "empty CSV", who: "ana", method: "POST", path: "pairs", header: "Content-Type: text/csv", status: 400, want: `…"PGRST102"`}, after{}},
		{exchange{name: "form", who: "ana", method: "POST", path: "pairs", header: "Content-Type: application/x-www-form-urlencoded",
			body: "a=1&a=7&b=8&note=x+%3C%22%3E", status: 201, want: `[{"a":7,"b":8,"note":"x <\">"}]`}, after{}},
		{exchange{name: "another media type", who: "ana", method: "POST", path: "pairs", header: "Content-Type: text/plain; charset=utf-8", body: "a",
			status: 400, want: `…Content-Type not acceptable: text/plain`}, after{}},

		{exchange{name: "a domain that allows no null may be left out", who: "ana", method: "POST", path: "strict", body: `{"id":1}`,
			status: 201, want: `[{"id":1,"n":5,"code":"7"}]`}, after{}},
		{exchange{name: "a domain that allows no null refuses one", who: "ana", method: "POST", path: "strict", body: `{"id":1,"n":null}`,
			status: 400, want: `…"23502"`}, after{}},
		{exchange{name: "update beside a domain that allows no null", who: "ana", method: "PATCH", path: "strict?id=eq.0", body: `{"code":"8"}`,
			status: 200, want: `[{"id":0,"n":1,"code":"8"}]`}, after{}},
		{exchange{name: "keys beside columns= are not looked at", who: "ana", method: "POST", path: "strict?columns=id", body: `[{"id":1,"n":"no number"}]`,
			status: 201, want: `[{"id":1,"n":5,"code":"7"}]`}, after{}},
		{exchange{name: "keys that only some objects have, and defaults", who: "ana", method: "POST", path: "strict?columns=id,n,code",
			header: "Prefer: missing=default, return=representation", body: `[{"id":1},{"id":2,"n":9},{"id":3,"code":null,"n":8}]`,
			status: 201, want: `[{"id":1,"n":5,"code":"7"},{"id":2,"n":9,"code":"7"},{"id":3,"n":8,"code":null}]`,
			headers: "Preference-Applied: missing=default, return=representation"}, after{}},
		{exchange{name: "defaults by sequence and by function", who: "ana", method: "POST", path: "items?columns=id,owner,title&select=id,owner,title",
			header: "Prefer: missing=default, return=representation", body: `[{"title":"x"},{"id":7,"title":"y"},{"owner":"ana","title":"z"}]`,
			status: 201, want: `[{"id":101,"owner":"ana","title":"x"},{"id":7,"owner":"ana","title":"y"},{"id":102,"owner":"ana","title":"z"}]`}, after{}},
		{exchange{name: "defaults for no such column", who: "ana", method: "POST", path: "strict?columns=id,nope",
			header: "Prefer: missing=default", body: `[{"id":1}]`, status: 400, want: `…Could not find the 'nope' column of 'strict' in the schema cache`}, after{}},
		{exchange{name: "insert answers what its rows belong to", who: "ana", method: "POST", path: "notes?select=body,items(title)",
			body: `{"id":8,"item":1,"body":"b"}`, status: 201, want: `[{"body":"b","items":{"title":"milk"}}]`}, after{}},
		{exchange{name: "update answers what belongs to its rows", who: "ana", method: "PATCH", path: "items?id=eq.1&select=title,notes(body)&notes.order=id.desc",
			body: `{"title":"t"}`, status: 200, want: `[{"title":"t","notes":[{"body":"fresh"},{"body":"two bottles"}]}]`}, after{}},
		{exchange{name: "delete by a JSON path", who: "ana", method: "DELETE", path: "items?data->n=eq.3&select=id", status: 200, want: `[{"id":3}]`}, after{}},
		{exchange{name: "an upsert that only updates", who: "ana", method: "POST", path: "pairs", body: `[{"a":1,"b":1,"note":"n"},{"a":1,"b":2,"note":"m"}]`,
			header: "Prefer: resolution=merge-duplicates", status: 200, headers: "Preference-Applied: resolution=merge-duplicates"},
			after{"select string_agg(note, ',' order by a, b) from p1.pairs", "n,m"}},
		{exchange{name: "an upsert of nothing", who: "ana", method: "POST", path: "pairs", body: `[]`,
			header: "Prefer: resolution=merge-duplicates", status: 200}, after{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fresh(t)
			c.check(t)
			if c.sql != "" {
				if got := value[string](t, c.sql); got != c.after.want {
					t.Errorf("%s is %q afterwards, want %q", c.sql, got, c.after.want)
				}
			}
		})
	}
}
