package rest

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestCalls(t *testing.T) {
	fresh(t)
	post := func(name, path, body string, status int, want string) exchange {
		return exchange{name: name, who: "ana", method: "POST", path: "rpc/" + path, body: body, status: status, want: want}
	}
	get := func(name, path string, status int, want string) exchange {
		return exchange{name: name, who: "ana", path: "rpc/" + path, status: status, want: want}
	}
	object := "Accept: application/vnd.pgrst.object+json"
	run(t, []exchange{
		post("scalar", "add", `{"a":1,"b":2}`, 200, `3`),
		post("default", "add", `{"a":1}`, 200, `11`),
		post("null", "add", `{"a":null}`, 200, `null`),
		get("scalar by GET", "add?a=1&b=2", 200, `3`),
		get("argument that is no number", "add?a=x", 400, `…"22P02"`),
		post("rows under policies", "pick?select=id&order=id.desc", `{"n":5}`, 200, `[{"id":3},{"id":2},{"id":1}]`),
		get("rows with filters", "pick?n=5&select=id&id=gt.1&order=id&limit=1", 200, `[{"id":2}]`),
		{name: "rows counted", who: "ana", path: "rpc/pick?n=5&select=id&limit=1&order=id", header: "Prefer: count=exact", status: 206,
			want: `[{"id":1}]`, headers: "Content-Range: 0-0/3"},
		{name: "rows as one object", who: "ana", path: "rpc/pick?n=1&select=id", header: object, status: 200, want: `{"id":1}`},
		{name: "rows that are not one", who: "ana", path: "rpc/pick?n=2", header: object, status: 406, want: `…"PGRST116"`},
		get("one row", "first_item?select=id,title", 200, `{"id":1,"title":"milk"}`),
		get("set of values", "evens?n=6", 200, `[2,4,6]`),
		get("out arguments", "pair_of", 200, `{"x":1,"y":"two"}`),
		get("variadic", "total?n=1&n=2&n=3", 200, `6`),
		post("variadic by POST", "total", `{"n":[1,2]}`, 200, `3`),
		post("the body as a whole", "echo", `{"any":{"thing":[1]}}`, 200, `{"any": {"thing": [1]}}`),
		post("types of the schema", "feel", `{"m":"ok","at":"2024-05-06"}`, 200, `"ok2024-05-06"`),
		post("void", "nothing", ``, 204, ``),
		post("no such argument", "add", `{"a":1,"c":2}`, 404, `…"hint":"Perhaps you meant to call the function p1.add(a, b)"`),
		post("missing argument", "add", `{"b":1}`, 404, `…Could not find the function p1.add(b) in the schema cache`),
		post("near miss", "evenz", `{"n":1}`, 404, `…Perhaps you meant to call the function p1.evens`),
		post("near a closed one", "close", ``, 404, `…"hint":null`),
		post("closed", "closed", ``, 403, `…"42501"`),
		{name: "closed for nobody", method: "POST", path: "rpc/closed", status: 401, want: `…"42501"`},
		post("closed, with arguments that do not fit", "closed", `{"a":1}`, 403, `…"42501"`),
		{name: "closed and ambiguous", who: "ana", method: "POST", path: "rpc/dim", body: `{"a":1}`, status: 403, want: `{"code":"42501","message":"permission denied for function dim","details":null,"hint":null}`},
		{name: "closed, by GET", who: "ana", path: "rpc/dim?a=1", status: 403, want: `…"42501"`},
		get("ambiguous", "twice?a=1", 300, `…"PGRST203"`),
		get("by GET that writes", "rename_all?t=z", 405, `…"25006"`),
		get("by GET that could write but does not", "nothing", 204, ``),
		{name: "other verb", who: "ana", method: "PATCH", path: "rpc/add", status: 405, want: `…"PGRST101"`},
		post("of an array the first object", "add", `[{"a":1},{"a":2}]`, 200, `11`),
		post("only the arguments of columns=", "add?columns=a", `{"a":1,"b":5,"c":7}`, 200, `11`),
		{name: "form", who: "ana", method: "POST", path: "rpc/total", header: "Content-Type: application/x-www-form-urlencoded", body: "n=1&n=2",
			status: 200, want: `3`},
		{name: "text as a whole", who: "ana", method: "POST", path: "rpc/shout", header: "Content-Type: text/plain", body: `a "b"`, status: 200, want: `"A \"B\""`},
		{name: "bytes as a whole", who: "ana", method: "POST", path: "rpc/size", header: "Content-Type: application/octet-stream", body: "\x00\xff\\", status: 200, want: `3`},
		{name: "text as a whole for a function of other arguments", who: "ana", method: "POST", path: "rpc/add", header: "Content-Type: text/plain", body: "1",
			status: 404, want: `{"code":"PGRST202","message":"Could not find the function p1.add in the schema cache","details":` +
				`"Searched for the function p1.add with a single unnamed text parameter, but no matches were found in the schema cache.","hint":null}`},
		post("details of what was searched", "add", `{"z":1,"a":2}`, 404, `…"Searched for the function p1.add with parameters a, z or with a single `+
			`unnamed json/jsonb parameter, but no matches were found in the schema cache."`),
		get("a record without a type", "anything?n=1", 200, `{"id":1,"title":"milk"}`),
		get("one output argument", "one_out", 200, `{"x":7}`),
		get("embedding in rows of a table", "pick?n=1&select=title,notes(body)", 200, `[{"title":"milk","notes":[{"body":"two bottles"},{"body":"fresh"}]}]`),
		{name: "a scalar is counted", who: "ana", path: "rpc/add?a=1", header: "Prefer: count=exact", status: 200, want: `11`, headers: "Content-Range: 0-0/1"},
		{name: "what may write is called once and counted", who: "ana", method: "POST", path: "rpc/rename_all?select=id&order=id&limit=1&id=gt.1", body: `{"t":"z"}`,
			header: "Prefer: count=exact", status: 206, want: `[{"id":2}]`, headers: "Content-Range: 0-0/2"},
		{name: "its own status and headers", who: "ana", method: "POST", path: "rpc/shape", body: `{"status":"201","headers":[{"X-One":"a"},{"x-one":"b"},{"Content-Length":"9"},{"Cache-Control":"public"}]}`,
			status: 201, want: `"shaped"`, headers: "X-One: a | Cache-Control: public | Content-Length: 8"},
		post("a status that is none", "shape", `{"status":"teapot","headers":null}`, 500, `…"PGRST112"`),
		post("headers that are none", "shape", `{"status":null,"headers":{"a":"b"}}`, 500, `…"PGRST111"`),
		{name: "an answer raised", who: "ana", method: "POST", path: "rpc/answer", body: `{"msg":"{\"code\":\"X1\",\"message\":\"m\",\"hint\":\"h\"}","det":"{\"status\":402,\"headers\":{\"X-Why\":\"b\"}}"}`,
			status: 402, want: `{"code":"X1","message":"m","details":null,"hint":"h"}`, headers: "X-Why: b | Proxy-Status: PostgREST; error=X1"},
		post("an answer raised without a body", "answer", `{"msg":"x","det":"{}"}`, 500, `…Invalid JSON value for MESSAGE: 'x'`),
		post("an answer raised without a status", "answer", `{"msg":"{\"code\":\"X1\",\"message\":\"m\"}","det":"{}"}`, 500, `…Invalid JSON value for DETAIL: '{}'`),
		{name: "a page", who: "ana", path: "rpc/page", header: "Accept: text/html,application/xml;q=0.9,*/*;q=0.8", status: 200,
			want: `<p>"hi"</p>`, headers: "Content-Type: text/html"},
		{name: "a page as JSON", who: "ana", path: "rpc/page", status: 200, want: `"<p>\"hi\"</p>"`, headers: "Content-Type: application/json; charset=utf-8"},
		{name: "a picture", who: "ana", method: "POST", path: "rpc/dot", header: "Accept: image/png", status: 200, want: "\x89PNG",
			headers: "Content-Type: image/png | Content-Length: 4"},
		{name: "a picture as text", who: "ana", path: "rpc/dot", header: "Accept: text/plain", status: 406, want: `…"PGRST107"`},
		{name: "whatever is asked", who: "ana", path: "rpc/whatever", header: "Accept: audio/mpeg", status: 200, want: "a,b",
			headers: "Content-Type: application/octet-stream"},
		{name: "time zone", who: "ana", path: "rpc/zone", header: "Prefer: timezone=Asia/Tokyo", status: 200, want: `"Asia/Tokyo"`, headers: "Preference-Applied: timezone=Asia/Tokyo"},
		{name: "no such time zone", who: "ana", path: "rpc/zone", header: "Prefer: timezone=Moon/Base", status: 400, want: `…"22023"`},
		post("raised status", "boom", `{"code":"PT418","msg":"teapot"}`, 418, `{"code":"PT418","message":"teapot","details":"why","hint":"what"}`),
		post("raised", "boom", `{"code":"P0001","msg":"m"}`, 400, `…"P0001"`),
		post("raised elsewhere", "boom", `{"code":"P0002","msg":"m"}`, 500, `…"P0002"`),
		{name: "as one object but several: undone", who: "ana", method: "POST", path: "rpc/rename_all", body: `{"t":"z"}`, header: object, status: 406, want: `…contains 3 rows`},
		{name: "too many: undone", who: "ana", method: "POST", path: "rpc/rename_all", body: `{"t":"z"}`,
			header: "Prefer: handling=strict, max-affected=2", status: 400, want: `…"PGRST124"`},
		{name: "max-affected of one value", who: "ana", method: "POST", path: "rpc/add", body: `{"a":1}`,
			header: "Prefer: handling=strict, max-affected=2", status: 400, want: `…"PGRST128"`},
		post("a write", "rename_all?select=title", `{"t":"z"}`, 200, `[{"title":"z"},{"title":"z"},{"title":"z"}]`),
		{name: "injection in an argument name", who: "ana", path: `rpc/add?a=1&b"=>2);--=1`, status: 404, want: `…"PGRST202"`},
		get("injection in a function name", `add"();--`, 404, `…"PGRST202"`),
	})
	if n := value[int](t, "select count(*) from p1.items where title = 'z'"); n != 3 {
		t.Errorf("%d rows were renamed, want 3", n)
	}
}

func TestRootFollowsPrivileges(t *testing.T) {
	type document struct {
		Swagger     string
		Paths       map[string]map[string]any
		Definitions map[string]struct {
			Required   []string
			Properties map[string]map[string]any
		}
	}
	read := func(who string) (d document) {
		w := exchange{who: who, path: ""}.serve(t)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/openapi+json; charset=utf-8" {
			t.Fatal(w.Code, w.Header(), w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	verbs := func(d document, path, want string) {
		t.Helper()
		got := ""
		for _, v := range []string{"get", "post", "patch", "delete"} {
			if d.Paths[path][v] != nil {
				got += v + " "
			}
		}
		if got != want {
			t.Errorf("%s has verbs %q, want %q", path, got, want)
		}
	}
	d := read("ana")
	verbs(d, "/items", "get post patch delete ")
	verbs(d, "/inbox", "post ")
	verbs(d, "/parts", "get ")
	verbs(d, "/dark", "")
	verbs(d, "/open_items", "get ")
	verbs(d, "/rpc/add", "get post ")
	verbs(d, "/rpc/nothing", "post ")
	verbs(d, "/rpc/closed", "")
	if _, ok := d.Definitions["parts"].Properties["secret"]; ok {
		t.Error("a column that is not granted is described")
	}
	id := d.Definitions["items"].Properties["id"]
	if id["format"] != "int32" || id["type"] != "integer" || id["description"] != "Note:\nThis is a Primary Key.<pk/>" {
		t.Errorf("items.id is %v", id)
	}
	item := d.Definitions["notes"].Properties["item"]
	if item["description"] != "Note:\nThis is a Foreign Key to `items.id`.<fk table='items' column='id'/>" {
		t.Errorf("notes.item is %v", item)
	}
	title := d.Definitions["items"].Properties["title"]
	if title["maxLength"] != 80.0 || title["format"] != "character varying" || title["description"] != "what to do" {
		t.Errorf("items.title is %v", title)
	}
	if m := d.Definitions["kinds"].Properties["m"]; m["format"] != "mood" && m["format"] != "p1.mood" || len(m["enum"].([]any)) != 3 {
		t.Errorf("kinds.m is %v", m)
	}
	if done := d.Definitions["items"].Properties["done"]; fmt.Sprint(done["default"]) != "false" {
		t.Errorf("items.done is %v", done)
	}
	nobody := read("")
	verbs(nobody, "/items", "get ")
	verbs(nobody, "/notes", "")
	if len(nobody.Definitions) != 2 {
		t.Errorf("nobody may see %d tables, want 2", len(nobody.Definitions))
	}
}
