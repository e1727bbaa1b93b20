package rest

import (
	"strings"
	"testing"
)

func TestGetAnswersWhatTheRoleMaySee(t *testing.T) {
	fresh(t)
	run(t, []exchange{
		{name: "ana's rows", who: "ana", path: "items?select=id,title&order=id", status: 200,
			want:    `[{"id":1,"title":"milk"},{"id":2,"title":"tax"},{"id":3,"title":"Bread"}]`,
			headers: "Content-Range: 0-2/* | Content-Type: application/json; charset=utf-8"},
		{name: "ben's rows", who: "ben", path: "items?select=id&order=id", status: 200, want: `[{"id":4},{"id":5}]`},
		{name: "nobody's rows", path: "items?select=id&order=id", status: 200, want: `[{"id":3},{"id":5}]`},
		{name: "every row for the service", who: "service", path: "items?select=id&order=id.desc&limit=2", status: 200,
			want: `[{"id":5},{"id":4}]`, headers: "Content-Range: 0-1/* | Cache-Control: private, no-store"},
		{name: "no row", who: "ana", path: "items?id=eq.4", status: 200, want: `[]`, headers: "Content-Range: */*"},
		{name: "security invoker view", path: "open_items?order=id", status: 200,
			want: `[{"id":3,"title":"Bread"},{"id":5,"title":"news"}]`},
		{name: "every column", who: "ben", path: "items?id=eq.5", status: 200,
			want: `[{"id":5,"owner":"ben","title":"news","done":true,"price":0,"tags":[],"data":[],"open":true}]`},
		{name: "columns of a partial grant", who: "ana", path: "parts?select=id,name", status: 200, want: `[{"id":1,"name":"one"}]`},
		{name: "every column of a partial grant", who: "ana", path: "parts", status: 403, want: `…"code":"42501"`},
		{name: "nothing granted, logged in", who: "ana", path: "dark", status: 403, want: `…"42501"`},
		{name: "nothing granted, nobody", path: "pairs", status: 401, want: `…"42501"`, headers: "WWW-Authenticate: Bearer"},
		{name: "the session is the role's", who: "ana", path: "session?select=user,uid,path,timeout,read_only", status: 200,
			want: `[{"user":"authenticated","uid":"ana","path":"\"p1\", \"public\", \"auth\", \"pg_temp\"","timeout":"5s","read_only":"on"}]`},
	})
}

func TestSelect(t *testing.T) {
	fresh(t)
	run(t, []exchange{
		{name: "blanks around commas", who: "ana", path: "items?select=id , title&id=eq.1", status: 200, want: `[{"id":1,"title":"milk"}]`},
		{name: "alias", who: "ana", path: "items?select=key:id,what:title&id=eq.1", status: 200, want: `[{"key":1,"what":"milk"}]`},
		{name: "cast", who: "ana", path: "items?select=id::text,p:price::int&id=eq.1", status: 200, want: `[{"id":"1","p":2}]`},
		{name: "cast to a type of the schema", who: "ana", path: "kinds?select=m::text,x:m::mood&id=eq.1", status: 200, want: `[{"m":"ok","x":"ok"}]`},
		{name: "star and more", who: "ana", path: "pairs?select=*,n:note&b=eq.1", status: 200, want: `[{"a":1,"b":1,"note":"x","n":"x"}]`},
		{name: "nothing", who: "ana", path: "pairs?select=&b=eq.1", status: 200, want: `[{"a":1,"b":1,"note":"x"}]`},
		{name: "quoted names", who: "ana", path: `Odd "Name"?select="b.c","x,y",größe,"Col A"&"b.c"=eq.1`, status: 200,
			want: `[{"b.c":1,"x,y":"p","größe":10,"Col A":"a"}]`},
		{name: "blanks in a name", who: "ana", path: `Odd "Name"?select=Col A&order=Col A`, status: 200, want: `…"Col A"`},
		{name: "unknown type", who: "ana", path: "items?select=id::nope", status: 400, want: `…"42704"`},
		{name: "embedding", who: "ana", path: "items?select=id,notes(body)&id=eq.2", status: 200, want: `[{"id":2,"notes":[]}]`},
		{name: "JSON path", who: "ana", path: "items?select=data->n&id=eq.1", status: 200, want: `[{"n":1}]`},
		{name: "aggregate", who: "ana", path: "items?select=price.sum()", status: 400, want: `…"PGRST123"`},
		{name: "spread", who: "ana", path: "items?select=...notes(body)&id=eq.2", status: 200, want: `[{"body":[]}]`},
		{name: "reg cast", who: "ana", path: "items?select=id::regclass", status: 400, want: `…reg* types`},
		{name: "trailing comma", who: "ana", path: "items?select=id,", status: 400, want: `…"PGRST100"`},
		{name: "unclosed quote", who: "ana", path: `items?select="id`, status: 400, want: `…"PGRST100"`},
	})
}

func TestFilters(t *testing.T) {
	fresh(t)
	ids := func(name, filter, want string) exchange {
		return exchange{name: name, who: "ana", path: "items?select=id&order=id&" + filter, status: 200, want: want}
	}
	kinds := func(name, filter, want string) exchange {
		return exchange{name: name, who: "ana", path: "kinds?select=id&order=id&" + filter, status: 200, want: want}
	}
	bad := func(name, filter, code string) exchange {
		return exchange{name: name, who: "ana", path: "items?" + filter, status: 400, want: "…" + code}
	}
	run(t, []exchange{
		ids("eq", "title=eq.milk", `[{"id":1}]`),
		ids("neq", "id=neq.1", `[{"id":2},{"id":3}]`),
		ids("gt", "id=gt.2", `[{"id":3}]`),
		ids("gte and lte", "id=gte.2&id=lte.2", `[{"id":2}]`),
		ids("lt", "price=lt.1.75", `[{"id":1}]`),
		ids("like", "title=like.*il*", `[{"id":1}]`),
		ids("like is exact in case", "title=like.b*", `[]`),
		ids("ilike", "title=ilike.b*", `[{"id":3}]`),
		ids("match", "title=match.^m", `[{"id":1}]`),
		ids("imatch", "title=imatch.^b", `[{"id":3}]`),
		ids("in", "id=in.(1,3,4)", `[{"id":1},{"id":3}]`),
		ids("in nothing", "id=in.()", `[]`),
		ids("in quoted", `title=in.("milk","Bread")`, `[{"id":1},{"id":3}]`),
		ids("not in", "id=not.in.(1,3)", `[{"id":2}]`),
		ids("is null", "price=is.null", `[{"id":2}]`),
		ids("is in capitals", "price=is.NULL", `[{"id":2}]`),
		ids("is not_null", "price=is.not_null", `[{"id":1},{"id":3}]`),
		ids("not is null", "price=not.is.null", `[{"id":1},{"id":3}]`),
		ids("is true", "done=is.true", `[{"id":2}]`),
		ids("is not true", "done=not.is.true", `[{"id":1},{"id":3}]`),
		ids("isdistinct", "price=isdistinct.1.5", `[{"id":2},{"id":3}]`),
		ids("contains", "tags=cs.{food}", `[{"id":1},{"id":3}]`),
		ids("contained", "tags=cd.{food}", `[{"id":3}]`),
		ids("overlap", "tags=ov.{shop,x}", `[{"id":1}]`),
		ids("contains JSON", `data=cs.{"n":1}`, `[{"id":1}]`),
		ids("any", "id=eq(any).{1,2}", `[{"id":1},{"id":2}]`),
		ids("like any", "title=like(any).{m*,t*}", `[{"id":1},{"id":2}]`),
		ids("like all", "title=like(all).{*i*,m*}", `[{"id":1}]`),
		ids("or", "or=(id.eq.1,title.eq.tax)", `[{"id":1},{"id":2}]`),
		ids("not or", "not.or=(id.eq.1,title.eq.tax)", `[{"id":3}]`),
		ids("nested", "or=(id.eq.1,and(done.is.false,not.or(id.lt.2,price.is.null)))", `[{"id":1},{"id":3}]`),
		ids("or with in and blanks", "or=( id.in.(1,2) , title.eq.Bread)", `[{"id":1},{"id":2},{"id":3}]`),
		ids("or with an array", "or=(tags.cs.{food,shop},id.eq.2)", `[{"id":1},{"id":2}]`),
		ids("or with not", "or=(id.not.gt.1,id.not.in.(1,2))", `[{"id":1},{"id":3}]`),
		ids("repeated filters are one and", "id=gt.1&id=lt.3", `[{"id":2}]`),
		ids("form encoding", "title=in.%28%22milk%22%2C%22tax%22%29", `[{"id":1},{"id":2}]`),
		kinds("enum", "m=eq.ok", `[{"id":1}]`),
		kinds("enum list", "m=in.(ok,happy)", `[{"id":1},{"id":3}]`),
		kinds("date", "d=gte.2024-06-01", `[{"id":3}]`),
		kinds("time with offset", "ts=eq.2024-01-02T04:04:05%2B01:00", `[{"id":1}]`),
		kinds("uuid", "u=eq.00000000-0000-0000-0000-000000000003", `[{"id":3}]`),
		kinds("range left", "r=sl.[5,6)", `[{"id":1}]`),
		kinds("range adjacent", "r=adj.[9,12)", `[{"id":3}]`),
		kinds("per cent", "txt=eq.a%25b", `[{"id":1}]`),
		kinds("quotes and parentheses", `txt=eq.say "hi", (you)`, `[{"id":3}]`),
		kinds("escaped list", `txt=in.("say \"hi\", (you)",x)`, `[{"id":3}]`),
		kinds("escaped in or", `or=(txt.eq."say \"hi\", (you)",id.eq.2)`, `[{"id":2},{"id":3}]`),
		{name: "column named or", who: "ana", path: `Odd "Name"?select="or"&or=("or".eq.2)`, status: 200, want: `[{"or":2}]`},
		bad("no operator", "id=5", "expecting"),
		bad("unknown operator", "id=noop.5", "operator (eq"),
		bad("bare operator", "id=eq", "PGRST100"),
		bad("in without parentheses", "id=in.1,2", "PGRST100"),
		bad("in with more behind", "id=in.(1)x", "PGRST100"),
		bad("is something", "id=is.5", "isVal"),
		bad("unclosed or", "or=(id.eq.1", "PGRST100"),
		bad("empty or", "or=()", "PGRST100"),
		ids("full text", "title=fts.milk", `[{"id":1}]`),
		bad("full text with an unknown language", "title=fts(klingon).milk", "42704"),
		bad("filter on an embedded resource", "notes.body=eq.x", "PGRST108"),
		bad("not a number", "id=eq.abc", "22P02"),
		bad("out of range", "id=eq.99999999999", "22003"),
		bad("NUL", "title=eq.%00", "UTF-8"),
		bad("broken UTF-8", "title=eq.%ff", "UTF-8"),
		bad("bad escape", "title=eq.%zz", "percent"),
		bad("too deep", "or=("+repeat("and(", 60)+"id.eq.1"+repeat(")", 61), "nested"),
		bad("too many", repeat("id=eq.1&", 1001), "1000"),
		{name: "operator that the type has not", who: "ana", path: "items?id=like.1*", status: 404, want: `…"42883"`},
	})
}

func TestOrderAndRange(t *testing.T) {
	fresh(t)
	page := func(name, query, header string, status int, want, headers string) exchange {
		return exchange{name: name, who: "ana", path: "items?select=id&" + query, header: header, status: status, want: want, headers: headers}
	}
	count := "Prefer: count=exact"
	run(t, []exchange{
		page("desc", "order=id.desc", "", 200, `[{"id":3},{"id":2},{"id":1}]`, ""),
		page("nulls last", "order=price.desc.nullslast", "", 200, `[{"id":3},{"id":1},{"id":2}]`, ""),
		page("nulls first", "order=price.nullsfirst", "", 200, `[{"id":2},{"id":1},{"id":3}]`, ""),
		page("two columns", "order=done.desc,id.desc", "", 200, `[{"id":2},{"id":3},{"id":1}]`, ""),
		page("repeated orders", "order=done.desc&order=id.desc", "", 200, `[{"id":2},{"id":3},{"id":1}]`, ""),
		page("limit and offset", "order=id&limit=1&offset=1", "", 200, `[{"id":2}]`, "Content-Range: 1-1/*"),
		page("limit 0", "limit=0", "", 200, `[]`, "Content-Range: */*"),
		page("count", "order=id&limit=1", count, 206, `[{"id":1}]`, "Content-Range: 0-0/3 | Preference-Applied: count=exact"),
		page("count of all", "order=id", count, 200, `[{"id":1},{"id":2},{"id":3}]`, "Content-Range: 0-2/3"),
		page("count of none", "id=eq.9", count, 200, `[]`, "Content-Range: */0"),
		page("count counts what policies show", "owner=eq.ben", count, 200, `[]`, "Content-Range: */0"),
		page("estimated is exact", "limit=1&order=id", "Prefer: count=estimated", 206, `[{"id":1}]`, "Content-Range: 0-0/3 | Preference-Applied: count=estimated"),
		page("range", "order=id", "Range: 1-1", 200, `[{"id":2}]`, "Content-Range: 1-1/*"),
		page("open range", "order=id", "Range: 1-", 200, `[{"id":2},{"id":3}]`, "Content-Range: 1-2/*"),
		page("backward range", "order=id", "Range: 3-1", 416, `…PGRST103`, ""),
		page("beyond the total", "offset=9", count, 416, `…An offset of 9 was requested, but there are only 3 rows.`, "Content-Range: */3"),
		page("at the total", "offset=3", count, 206, `[]`, "Content-Range: */3"),
		page("beyond, not counted", "offset=9", "", 200, `[]`, ""),
		page("negative limit", "limit=-1", "", 416, `…greater than or equal to zero`, ""),
		page("bad direction", "order=id.up", "", 400, `…PGRST100`, ""),
		page("order by nothing", "order=", "", 400, `…PGRST100`, ""),
		{name: "head", who: "ana", method: "HEAD", path: "items", header: count, status: 200, headers: "Content-Range: 0-2/3"},
		{name: "head of an error", who: "ana", method: "HEAD", path: "nope", status: 404},
	})
}

func TestOneObject(t *testing.T) {
	fresh(t)
	object := "Accept: application/vnd.pgrst.object+json"
	run(t, []exchange{
		{name: "one", who: "ana", path: "items?select=id&id=eq.1", header: object, status: 200, want: `{"id":1}`,
			headers: "Content-Type: application/vnd.pgrst.object+json; charset=utf-8"},
		{name: "none", who: "ana", path: "items?id=eq.9", header: object, status: 406, want: `…The result contains 0 rows`},
		{name: "many", who: "ana", path: "items", header: object, status: 406, want: `…"PGRST116"`},
		{name: "nulls stripped", who: "ana", path: "kinds?id=eq.2", header: object + ";nulls=stripped", status: 200, want: `{"id":2}`},
		{name: "array of stripped", who: "ana", path: "kinds?id=eq.2", header: "Accept: application/vnd.pgrst.array+json;nulls=stripped",
			status: 200, want: `[{"id":2}]`},
		{name: "best quality", who: "ana", path: "items?select=id&id=eq.1", status: 200, want: `[{"id":1}]`,
			header: "Accept: text/html, application/vnd.pgrst.object+json;q=0.5, application/json;q=0.9"},
		{name: "nothing we have", who: "ana", path: "items", header: "Accept: text/html", status: 406, want: `…"PGRST107"`},
	})
}

func TestNamesThatDoNotExist(t *testing.T) {
	fresh(t)
	run(t, []exchange{
		{name: "table", who: "ana", path: "item", status: 404,
			want: `{"code":"PGRST205","message":"Could not find the table 'p1.item' in the schema cache","details":null,"hint":"Perhaps you meant the table 'p1.items'"}`},
		{name: "table near one that is closed", who: "ana", path: "darc", status: 404, want: `…"hint":null`},
		{name: "table like nothing", path: "zzzzzzzzz", status: 404, want: `…"hint":null`},
		{name: "column", who: "ana", path: "items?select=titel", status: 400, want: `…Perhaps you meant the column 'title'`},
		{name: "column in a filter", who: "ana", path: "items?doen=is.true", status: 400, want: `…"42703"`},
		{name: "columns are listed", who: "ana", path: "parts?select=nam", status: 400, want: `…The columns are id, name"`},
		{name: "closed column is not a hint", who: "ana", path: "parts?select=secrets", status: 400, want: `…"hint":null`},
		{name: "column of a closed table", who: "ana", path: "dark?select=secrets", status: 403, want: `…"hint":null`},
		{name: "type of a closed table's column", who: "ana", path: "dark?id=eq.abc", status: 403, want: `…"42501"`},
		{name: "operator on a closed table's column", who: "ana", path: "dark?id=like.abc", status: 403, want: `…"42501"`},
		{name: "JSON for a closed table's column, which the error quotes", who: "ana", path: `dark?data=cs.{"function%20`, status: 403, want: `{"code":"42501","message":"permission denied for table dark","details":null,"hint":null}`},
		{name: "what a closed view is made of", who: "ana", method: "DELETE", path: "dusk?id=eq.1", status: 403, want: `{"code":"42501","message":"permission denied for table dusk","details":null,"hint":null}`},
		{name: "written column", who: "ana", method: "POST", path: "items", body: `{"titel":"x"}`, status: 400,
			want: `…Could not find the 'titel' column of 'items' in the schema cache`},
		{name: "updated column", who: "ana", method: "PATCH", path: "items?id=eq.1", body: `{"titel":"x"}`, status: 400, want: `…"PGRST204"`},
		{name: "path below a table", who: "ana", path: "items/1", status: 404, want: `…"PGRST125"`},
		{name: "other schema", who: "ana", path: "auth.users", status: 404, want: `…"PGRST205"`},
		{name: "method", who: "ana", method: "TRACE", path: "items", status: 405, want: `…"PGRST117"`},
	})
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }
