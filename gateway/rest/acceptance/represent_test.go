package acceptance

import (
	"testing"

	"github.com/run402/functions-mcp/gateway"
)

// A domain may say how its values look in answers, in bodies and in filters. The hue of a paint is a number to
// PostgreSQL and "#rrggbb" to clients, who may say it without the "#".
func TestDomainRepresentations(t *testing.T) {
	if err := library.run(t.Context(), "postgres", `
		create schema atelier; grant usage on schema atelier to anon, authenticated;
		create domain atelier.hue as int check (value between 0 and 16777215);
		create domain atelier.volume as numeric; -- which has none
		create function atelier.shown(atelier.hue) returns json language sql immutable
			as $$ select to_json(coalesce('#' || lpad(to_hex($1), 6, '0'), 'clear')) $$;
		create function atelier.heard(text) returns atelier.hue language sql immutable
			as $$ select ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int::atelier.hue $$;
		create function atelier.heard(json) returns atelier.hue language sql immutable as $$ select atelier.heard($1 #>> '{}') $$;
		create cast (atelier.hue as json) with function atelier.shown(atelier.hue) as implicit;
		create cast (text as atelier.hue) with function atelier.heard(text) as implicit;
		create cast (json as atelier.hue) with function atelier.heard(json) as implicit;
		create table atelier.lines (id int primary key, name text);
		create table atelier.paints (id int primary key, line int references atelier.lines, hue atelier.hue default 255, volume atelier.volume, extra jsonb);
		create view atelier.tins as select id, hue from atelier.paints;
		create table atelier.swatches (hue atelier.hue primary key, name text);
		create function atelier.all_paints() returns setof atelier.paints language sql stable as 'select * from atelier.paints';
		insert into atelier.lines values (1, 'coast');
		insert into atelier.paints values (1, 1, 255, 0.5, '{"hue": 9}'), (2, 1, 65280, null, null), (3, null, null, 2, null);
		grant all on all tables in schema atelier to anon, authenticated`); err != nil {
		t.Fatal(err)
	}
	url := outside(t, gateway.Own{Schemas: []string{"atelier"}})
	get := func(name, path, want string) exchange {
		return exchange{name: name, who: "ana", path: path, status: 200, want: want}
	}
	write := func(method, path, body string, status int, want string) exchange {
		return exchange{name: method + " " + path, who: "ana", method: method, path: path, header: representation, body: body, status: status, want: want}
	}
	run(t, at(url, []exchange{
		get("a column", "paints?select=hue&id=eq.1", `[{"hue":"#0000ff"}]`),
		get("under another name", "paints?select=h:hue&id=eq.1", `[{"h":"#0000ff"}]`),
		get("every column", "paints?id=eq.2", `[{"id":2,"line":1,"hue":"#00ff00","volume":null,"extra":null}]`),
		get("a star with more", "tins?select=*,again:hue&id=eq.2", `[{"id":2,"hue":"#00ff00","again":"#00ff00"}]`),
		get("null is the function's", "tins?id=eq.3", `[{"id":3,"hue":"clear"}]`),
		get("a cast is of what is shown", "tins?select=hue::text&id=eq.1", `[{"hue":"\"#0000ff\""}]`),
		get("inside", "lines?select=name,paints(hue)&paints.order=id", `[{"name":"coast","paints":[{"hue":"#0000ff"},{"hue":"#00ff00"}]}]`),
		get("every column, inside", "lines?select=paints(*)&paints.id=eq.1",
			`[{"paints":[{"id":1,"line":1,"hue":"#0000ff","volume":0.5,"extra":{"hue": 9}}]}]`),
		get("spread", "lines?select=name,...paints(hue)&paints.id=eq.2", `[{"name":"coast","hue":["#00ff00"]}]`),
		get("rows of a function", "rpc/all_paints?select=id,hue&hue=eq.00ff00", `[{"id":2,"hue":"#00ff00"}]`),
		get("eq", "paints?select=id&hue=eq.0000ff", ids("1")),
		get("not eq", "paints?select=id&hue=not.eq.%230000ff", ids("2")),
		get("gt", "paints?select=id&hue=gt.0000ff", ids("2")),
		get("in", "paints?select=id&hue=in.(0000ff,00ff00)&order=id", ids("1 2")),
		get("any", "paints?select=id&hue=eq(any).{0000ff,00ff00}&order=id", ids("1 2")),
		get("or", "paints?select=id&or=(hue.eq.0000ff,hue.is.null)&order=id", ids("1 3")),
		get("of an embedded resource", "lines?select=paints(id)&paints.hue=eq.00ff00", `[{"paints":[{"id":2}]}]`),
		get("the order is of what is stored", "paints?select=id&order=hue.desc.nullslast", ids("2 1 3")),
		get("a domain that has none", "paints?select=id&volume=gt.0.5", ids("3")),
		{name: "one object", who: "ana", path: "tins?id=eq.1", header: "Accept: application/vnd.pgrst.object+json", status: 200, want: `{"id":1,"hue":"#0000ff"}`},
		{name: "a value that it does not read", who: "ana", path: "paints?hue=eq.green", status: 400, want: `…"22P02"`},
		write("POST", "paints?select=id,hue", `{"id":4,"hue":"#010203"}`, 201, `[{"id":4,"hue":"#010203"}]`),
		write("POST", "paints?select=id,hue", `[{"id":5,"hue":"00000a"},{"id":6,"hue":null}]`, 201, `[{"id":5,"hue":"#00000a"},{"id":6,"hue":"clear"}]`),
		write("POST", "paints?select=id,hue&columns=id,hue", `{"id":7,"hue":"00000b","gone":1}`, 201, `[{"id":7,"hue":"#00000b"}]`),
		{name: "a default is no JSON", who: "ana", method: "POST", path: "paints?select=id,hue&columns=id,hue", header: representation + " | Prefer: missing=default",
			body: `[{"id":8},{"id":9,"hue":"#00000c"}]`, status: 201, want: `[{"id":8,"hue":"#0000ff"},{"id":9,"hue":"#00000c"}]`},
		write("PATCH", "paints?select=id,hue&hue=eq.00000a", `{"hue":"#0a0a0a"}`, 200, `[{"id":5,"hue":"#0a0a0a"}]`),
		write("PATCH", "tins?id=eq.6", `{"hue":"#0b0b0b"}`, 200, `[{"id":6,"hue":"#0b0b0b"}]`),
		write("PUT", "swatches?hue=eq.00000f", `{"hue":"#00000f","name":"ink"}`, 201, `[{"hue":"#00000f","name":"ink"}]`),
		write("DELETE", "paints?select=id&hue=eq.0b0b0b", "", 200, ids("6")),
	}))
	if err := library.run(t.Context(), "postgres", "drop cast (atelier.hue as json); notify pgrst"); err != nil {
		t.Fatal(err)
	}
	run(t, at(url, []exchange{{name: "a failure over a name makes it look again", who: "ana", method: "POST", path: "paints?select=nothing", header: representation,
		body: `{"id":20}`, status: 400, want: `…"42703"`}, get("after the cast is gone", "tins?id=eq.1", `[{"id":1,"hue":255}]`)}))
}
