package acceptance

import (
	"testing"

	"github.com/run402/functions-mcp/gateway"
)

// An aggregate whose type is a domain named after a media type makes answers of that type: of the rows of its table, or
// of any rows.
func TestMediaHandlers(t *testing.T) {
	if err := library.run(t.Context(), "postgres", `
		create schema press; grant usage on schema press to anon, authenticated;
		create domain press."text/x-poem" as text; create domain press."text/x-lines" as text; create domain press."application/json" as json;
		create domain press."*/*" as bytea;
		create table press.verses (id int primary key, q text); insert into press.verses values (1, 'so cold'), (2, 'so sweet');
		create table press.blobs (id int primary key, data bytea); insert into press.blobs values (1, '\x00ff');
		create table press.seals (id int primary key); insert into press.seals values (1), (2);
		create function press.add_verse(press."text/x-poem", press.verses) returns press."text/x-poem" language sql immutable
			as $$ select (concat_ws(E'\n', nullif($1, ''), $2.q))::press."text/x-poem" $$;
		create aggregate press.poem(press.verses) (sfunc = press.add_verse, stype = press."text/x-poem", initcond = '');
		create function press.add_line(text, anyelement) returns text language sql immutable as $$ select $1 || $2::text || ';' $$;
		create function press.end_lines(text) returns press."text/x-lines" language sql immutable as $$ select $1::press."text/x-lines" $$;
		create aggregate press.lines(anyelement) (sfunc = press.add_line, stype = text, finalfunc = press.end_lines, initcond = '');
		create function press.add_blob(press."*/*", press.blobs) returns press."*/*" language sql immutable as $$ select ($1 || $2.data)::press."*/*" $$;
		create aggregate press.blob(press.blobs) (sfunc = press.add_blob, stype = press."*/*", initcond = '');
		create function press.add_seal(press."application/json", press.seals) returns press."application/json" language sql immutable
			as $$ select json_build_object('last', $2.id)::press."application/json" $$;
		create aggregate press.seal(press.seals) (sfunc = press.add_seal, stype = press."application/json", initcond = '{}');
		create function press.all_verses() returns setof press.verses language sql stable as 'select * from press.verses order by id';
		grant all on all tables in schema press to anon, authenticated`); err != nil {
		t.Fatal(err)
	}
	url := outside(t, gateway.Own{Schemas: []string{"press"}})
	const poem, lines = "Accept: text/x-poem", "Accept: text/x-lines"
	run(t, at(url, []exchange{
		{name: "a table's rows", who: "ana", path: "verses?order=id", header: poem, status: 200, want: "so cold\nso sweet",
			headers: "Content-Type: text/x-poem | Content-Range: 0-1/*"},
		{name: "some of them, counted", who: "ana", path: "verses?order=id&limit=1", header: poem + " | Prefer: count=exact", status: 206, want: "so cold",
			headers: "Content-Range: 0-0/2"},
		{name: "not of some columns", who: "ana", path: "verses?select=q", header: poem, status: 406, want: `…"PGRST107"`},
		{name: "not of another table", who: "ana", path: "blobs", header: "Accept: text/x-poem;q=0.5, application/pdf", status: 200, want: "\x00\xff",
			headers: "Content-Type: application/octet-stream"},
		{name: "nor of one that has none", who: "ana", path: "seals", header: poem, status: 406, want: `…"PGRST107"`},
		{name: "any rows", who: "ana", path: "seals?order=id", header: lines, status: 200, want: "(1);(2);", headers: "Content-Type: text/x-lines"},
		{name: "any columns", who: "ana", path: "verses?select=q&order=id", header: lines, status: 200, want: `("so cold");("so sweet");`},
		{name: "no rows", who: "ana", path: "seals?id=eq.9", header: lines, status: 200, want: "", headers: "Content-Range: */*"},
		{name: "instead of JSON", who: "ana", path: "seals?order=id", header: "Accept: application/json", status: 200, want: `{"last" : 2}`},
		{name: "but not of single objects", who: "ana", path: "seals?id=eq.2", header: "Accept: application/vnd.pgrst.object+json", status: 200, want: `{"id":2}`},
		{name: "rows of a function", who: "ana", path: "rpc/all_verses?id=gt.1", header: poem, status: 200, want: "so sweet"},
		{name: "rows of a write", who: "ana", method: "POST", path: "verses", header: poem + " | " + representation, body: `[{"id":3,"q":"a"},{"id":4,"q":"b"}]`,
			status: 201, want: "a\nb"},
		{name: "a write without rows", who: "ana", method: "DELETE", path: "verses?id=gt.2", header: poem + " | " + minimal, status: 204},
		{name: "HEAD", who: "ana", method: "HEAD", path: "verses", header: poem, status: 200, headers: "Content-Type: text/x-poem | Content-Range: 0-1/*"},
		{name: "the usual", who: "ana", path: "verses?id=eq.1", status: 200, want: `[{"id":1,"q":"so cold"}]`},
	}))
}
