package acceptance

import "testing"

func TestCall(t *testing.T) {
	get := func(name, path string, status int, want string) exchange {
		return exchange{name: "GET " + name, who: "ana", path: "rpc/" + path, status: status, want: want}
	}
	call := func(name, path, body string, status int, want string) exchange {
		return exchange{name: "POST " + name, who: "ana", method: "POST", path: "rpc/" + path, body: body, status: status, want: want}
	}
	run(t, []exchange{
		get("scalar", "add?a=1&b=2", 200, "3"),
		call("scalar", "add", `{"a":1,"b":2}`, 200, "3"),
		get("default", "add?a=1", 200, "11"),
		call("default", "add", `{"a":1}`, 200, "11"),
		get("text", "greet?name=Ana", 200, `"Hello, Ana"`),
		call("no body", "greet", "", 200, `"Hello, guest"`),
		call("empty object", "greet", "{}", 200, `"Hello, guest"`),
		call("null", "absent", "", 200, "null"),
		get("variadic", "join_words?words=so&words=it&words=goes", 200, `"so it goes"`),
		call("variadic", "join_words", `{"words":["so","it","goes"]}`, 200, `"so it goes"`),
		call("its own limit of time", "dawdle", "", 500, `…"57014"`),
		call("its own isolation", "strictly", "", 200, `"serializable"`),
		get("its own isolation", "strictly", 200, `"serializable"`),
		get("array", "sum_of?numbers={1,2,3}", 200, "6"),
		call("array", "sum_of", `{"numbers":[1,2,3]}`, 200, "6"),
		call("single unnamed JSON parameter", "kind_of", `[{"a":1}]`, 200, `"array"`),
		call("single unnamed JSON parameter, an object", "kind_of", `{"a":1}`, 200, `"object"`),
		{name: "POST single unnamed text parameter", who: "ana", method: "POST", path: "rpc/shout", header: "Content-Type: text/plain",
			body: "quiet, please", status: 200, want: `"QUIET, PLEASE"`},
		call("JSON argument", "pick", `{"doc":{"a":[1]},"key":"a"}`, 200, "[1]"),
		get("set of scalars", "even_numbers?most=6", 200, "[2,4,6]"),
		get("out parameters", "price_range", 200, `{"lowest":3.20,"highest":12.50}`),
		get("table", "pages_by_author?order=author", 200, `[{"author":"Selma Varga","pages":508},{"author":"Tomas Reed","pages":254}]`),
		get("one row", "first_author?select=id,name", 200, `{"id":1,"name":"Selma Varga"}`),
		get("set with filters", "longer_than?pages=100&select=id&title=like.*t*&order=id", 200, ids("1 2 3")),
		call("set with filters", "longer_than?select=id&author_id=eq.1&order=id.desc", `{"pages":100}`, 200, ids("2 1")),
		get("set with a filter on its argument's name", "longer_than?pages=100&pages=gt.300&select=id", 200, ids("1")),
		get("set with embedding", "longer_than?pages=300&select=id,authors(name)", 200, `[{"id":1,"authors":{"name":"Selma Varga"}}]`),
		call("set with an inner embedding", "longer_than?select=id,authors!inner()&authors.name=like.Tomas*", `{"pages":1}`, 200, ids("3")),
		get("logic", "longer_than?pages=1&select=id&or=(id.eq.1,id.eq.3)&order=id", 200, ids("1 3")),
		{name: "GET count and range", who: "ana", path: "rpc/longer_than?pages=1&select=id&order=id&limit=2", header: "Prefer: count=exact", status: 206,
			want: ids("1 2"), headers: "Content-Range: 0-1/4"},
		{name: "HEAD", who: "ana", method: "HEAD", path: "rpc/longer_than?pages=1", header: "Prefer: count=exact", status: 200, headers: "Content-Range: 0-3/4"},
		{name: "one object", who: "ana", path: "rpc/longer_than?pages=300&select=id", header: "Accept: application/vnd.pgrst.object+json", status: 200, want: `{"id":1}`},
		{name: "CSV", who: "ana", path: "rpc/longer_than?pages=300&select=id,title", header: "Accept: text/csv", status: 200, want: "id,title\n1,\"Salt Harbour\""},
		call("void", "nothing", "", 204, ""),
		get("void", "quiet", 204, ""),
		call("overload by arguments", "overloaded", `{"a":1}`, 200, `"one"`),
		get("overload by arguments", "overloaded?a=1&b=2", 200, `"two"`),
		call("who calls", "whoami", "", 200, `…authenticated…ana…POST`),
		{name: "nobody calls", path: "rpc/whoami", status: 200, want: `…anon…GET`},
		{name: "the admin calls", who: "admin", path: "rpc/whoami", status: 200, want: `…service_role`},
	})
	runFresh(t, []exchange{
		call("that writes", "drop_copies?select=id&order=id", `{"most":102}`, 200, `[{"id":101},{"id":102}]`),
		get("that would write", "drop_copies?most=102", 405, `…"25006"`),
		call("stable that writes after all", "sneaky", "", 405, `…"25006"`),
		{name: "POST within max-affected", who: "ana", method: "POST", path: "rpc/drop_copies?select=id", header: "Prefer: handling=strict, max-affected=1",
			body: `{"most":101}`, status: 200, want: `[{"id":101}]`},
		{name: "POST beyond max-affected", who: "ana", method: "POST", path: "rpc/drop_copies", header: "Prefer: handling=strict, max-affected=1",
			body: `{"most":102}`, status: 400, want: `…"PGRST124"…The query affects 2 rows`},
		{name: "POST max-affected of no set", who: "ana", method: "POST", path: "rpc/nothing", header: "Prefer: handling=strict, max-affected=1",
			status: 400, want: `…"PGRST128"`},
	})
	run(t, []exchange{
		get("no such function", "ad?a=1", 404, `…"PGRST202"…project.ad(a)…Perhaps you meant to call the function project.add`),
		get("other arguments", "add?c=1", 404, `…"PGRST202"…Perhaps you meant to call the function project.add(a, b)`),
		call("no such function without arguments", "nowhere_at_all", "", 404, `…"PGRST202"…without parameters`),
		call("ambiguous", "torn", `{"a":1}`, 300, `…"PGRST203"…Could not choose the best candidate function between: project.torn(a => `),
		call("bad body", "add", `{"a":`, 400, `…"PGRST102"`),
		call("bad value", "add", `{"a":"x"}`, 400, `…"22P02"`),
		get("bad value", "add?a=x", 400, `…"22P02"`),
		get("not granted", "unreachable", 403, `…"42501"`),
		{name: "PATCH", who: "ana", method: "PATCH", path: "rpc/add", body: `{"a":1}`, status: 405, want: `…"PGRST101"…Cannot use the PATCH method on RPC`},
		{name: "DELETE", who: "ana", method: "DELETE", path: "rpc/add", status: 405, want: `…"PGRST101"`},
	})
}

func TestErrorsThatFunctionsRaise(t *testing.T) {
	raise := func(code string, status int) exchange {
		return exchange{name: code, who: "ana", method: "POST", path: "rpc/raises", body: `{"code":"` + code + `"}`, status: status,
			want: `{"code":"` + code + `","message":"raised","details":"why","hint":"what now"}`}
	}
	run(t, []exchange{
		{name: "a status", who: "ana", method: "POST", path: "rpc/teapot", status: 418, want: `{"code":"PT418","message":"short","details":"and stout","hint":"tip me"}`},
		{name: "in full", who: "ana", method: "POST", path: "rpc/raises_in_full", status: 423, headers: "X-Desk: north",
			want: `{"code":"L-17","message":"The desk is closed","details":"until nine","hint":"come back"}`},
		{name: "headers and status of an answer", who: "ana", method: "POST", path: "rpc/sets_headers", status: 202, want: `"done"`,
			headers: "X-Shelf: sea | Cache-Control: max-age=60"},
		{name: "headers that are none", who: "ana", method: "POST", path: "rpc/set_bad_headers", status: 500, want: `…"PGRST111"`},
		{name: "a status that is none", who: "ana", method: "POST", path: "rpc/set_bad_status", status: 500, want: `…"PGRST112"`},
		raise("P0001", 400), raise("22000", 400), raise("23503", 409), raise("23505", 409), raise("25006", 405), raise("25001", 500),
		raise("28000", 403), raise("40001", 500), raise("42501", 403), raise("53300", 503), raise("53400", 500), raise("54000", 500),
		raise("57014", 500), raise("42P01", 404), raise("42P17", 500), raise("P0002", 500), raise("XX000", 500), raise("22023", 400),
	})
}
