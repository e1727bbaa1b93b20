package rest

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// part is a member of a document, found by its keys.
func part(t *testing.T, doc any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		o, ok := doc.(map[string]any)
		if !ok || o[k] == nil {
			t.Errorf("the document has no %q", keys)
			return nil
		}
		doc = o[k]
	}
	return doc
}

func TestDocument(t *testing.T) {
	h := library(t, nil)
	ddl(t, `create domain lib.email as varchar(60) default 'nobody';
		create type lib.mood as enum ('dull', 'grand');
		create table lib.borrowers (id bigint generated always as identity primary key, mail lib.email not null, feels lib.mood default 'grand',
			tags text[], shelf smallint references lib.shelves, secret text, code text default 'it''s', at timestamptz default now());
		comment on table lib.borrowers is E'Who may borrow\n\nOnce a week.'; comment on column lib.borrowers.shelf is 'the nearest';
		grant select (id, mail, feels, tags, shelf, code, at), insert (mail) on lib.borrowers to authenticated;
		create function lib.feel(how lib.mood) returns int language sql stable return 1;
		grant execute on function lib.feel to authenticated;
		create function lib.tally(since date, variadic kinds int[]) returns int language sql stable return 1;
		comment on function lib.tally is 'Counts';
		create function lib.reset(hard boolean default false) returns void language sql as '';
		grant execute on function lib.tally, lib.reset to authenticated;
		comment on schema lib is E'Library\nOf books'`)
	x := exchange{who: "ana", path: "", via: h, header: "Accept: application/openapi+json"}
	w := x.serve(t)
	var doc any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(w.Code, err)
	}
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"info"}, `{"title":"Library","description":"Of books","version":"1"}`},
		{[]string{"host"}, `"gateway"`},
		{[]string{"basePath"}, `"/rest/v1"`},
		{[]string{"schemes"}, `["http"]`},
		{[]string{"definitions", "borrowers"}, `{"type":"object","description":"Who may borrow\n\nOnce a week.","required":["id","mail"],"properties":{
			"id":{"type":"integer","format":"int64","description":"Note:\nThis is a Primary Key.<pk/>","x-has-default":true},
			"mail":{"type":"string","format":"character varying","maxLength":60,"default":"nobody"},
			"feels":{"type":"string","format":"lib.mood","enum":["dull","grand"],"default":"grand"},
			"tags":{"type":"array","format":"text[]","items":{"type":"string"}},
			"shelf":{"type":"integer","format":"int32","description":` +
			`"the nearest\n\nNote:\nThis is a Foreign Key to ` + "`shelves.id`" + `.<fk table='shelves' column='id'/>"},
			"code":{"type":"string","format":"text","default":"it''s"},
			"at":{"type":"string","format":"timestamp with time zone","default":"now()"}}}`},
		{[]string{"paths", "/borrowers", "post"}, `{"tags":["borrowers"],"summary":"Who may borrow","description":"Once a week.",
			"parameters":[{"$ref":"#/parameters/body.borrowers"},{"$ref":"#/parameters/select"},{"$ref":"#/parameters/preferPost"}],
			"responses":{"201":{"description":"Created"}}}`},
		{[]string{"paths", "/rpc/tally", "get", "parameters"}, `[{"name":"since","in":"query","required":true,"type":"string","format":"date"},
			{"name":"kinds","in":"query","required":true,"type":"array","collectionFormat":"multi","items":{"type":"integer","format":"int32"}}]`},
		{[]string{"paths", "/rpc/tally", "post", "parameters"}, `[{"name":"args","in":"body","required":true,"schema":{"type":"object",
			"description":"Counts","required":["since","kinds"],"properties":{"since":{"type":"string","format":"date"},
			"kinds":{"type":"array","format":"integer[]","items":{"type":"integer"}}}}},{"$ref":"#/parameters/preferParams"}]`},
		{[]string{"paths", "/rpc/feel", "get", "parameters"}, `[{"name":"how","in":"query","required":true,"type":"string","format":"mood"}]`},
		{[]string{"parameters", "rowFilter.borrowers.shelf"}, `{"name":"shelf","in":"query","required":false,"type":"string","description":"the nearest"}`},
		{[]string{"parameters", "preferReturn"}, `{"name":"Prefer","in":"header","required":false,"type":"string","description":"Preference",
			"enum":["return=representation","return=minimal","return=none"]}`},
	} {
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, part(t, doc, c.keys...)); diff != "" {
			t.Errorf("%q: %s", c.keys, diff)
		}
	}
	paths := part(t, doc, "paths").(map[string]any)
	if borrowers := paths["/borrowers"].(map[string]any); borrowers["patch"] != nil || borrowers["delete"] != nil {
		t.Error("the role may neither update nor delete borrowers")
	}
	if reset := paths["/rpc/reset"].(map[string]any); reset["get"] != nil {
		t.Error("a volatile function is not called by GET")
	}
	if paths["/ledger"] != nil {
		t.Error("a closed table is described")
	}
}

func TestDocumentIsNegotiated(t *testing.T) {
	const is = "Content-Type: application/openapi+json; charset=utf-8"
	run(t, []exchange{
		{name: "any", path: "", status: 200, want: `…"swagger":"2.0"`, headers: is},
		{name: "JSON", path: "", header: "Accept: application/json", status: 200, want: `…"swagger":"2.0"`, headers: is},
		{name: "JSON after another", path: "", header: "Accept: text/csv, application/*;q=0.5", status: 200, want: `…"swagger":"2.0"`, headers: is},
		{name: "not CSV", path: "", header: "Accept: text/csv", status: 406, want: `…"PGRST107"`},
		{name: "not an object", path: "", header: "Accept: application/vnd.pgrst.object+json", status: 406, want: `…"PGRST107"`},
		{name: "not of a table", who: "ana", path: "items", header: "Accept: application/openapi+json", status: 406, want: `…"PGRST107"`},
		{name: "HEAD", method: http.MethodHead, path: "", status: 200, want: "", headers: is},
		{name: "a write", method: http.MethodPost, path: "", status: 405, want: `…"PGRST117"`},
		{name: "through a proxy", path: "", header: "X-Forwarded-Proto: https", status: 200, want: `…"schemes":["https"]`},
	})
}
