package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/hostedtest"
)

// answered is a tools/call's result, after the promise that text and structure are the same was checked.
type answered struct {
	isError bool
	text    string
	body    struct {
		rendered
		Error failure `json:"error"`
	}
}

func call(t testing.TB, s *Set, tool, args string) answered {
	t.Helper()
	raw := rpc(t, newServer(s), "tools/call", map[string]any{"name": tool, "arguments": json.RawMessage(args)})
	var answer struct {
		Error  *struct{ Message string }
		Result struct {
			IsError           bool
			Content           []struct{ Type, Text string }
			StructuredContent json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != nil {
		t.Fatalf("%s: protocol error: %s", tool, answer.Error.Message)
	}
	if len(answer.Result.Content) != 1 || answer.Result.Content[0].Type != "text" {
		t.Fatalf("%s: content %+v", tool, answer.Result.Content)
	}
	got := answered{isError: answer.Result.IsError, text: answer.Result.Content[0].Text}
	var fromText, fromStructure any
	if err := json.Unmarshal([]byte(got.text), &fromText); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer.Result.StructuredContent, &fromStructure); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromText, fromStructure); diff != "" {
		t.Fatalf("%s: text and structure differ:\n%s", tool, diff)
	}
	if err := json.Unmarshal([]byte(got.text), &got.body); err != nil {
		t.Fatal(err)
	}
	return got
}

// openAPI says that the caller may reach items(id, title, owner_id).
const openAPI = `{"swagger":"2.0","paths":{"/items":{"get":{},"post":{},"patch":{}}},"definitions":{"items":{"required":["title"],
	"properties":{"id":{"format":"uuid","type":"string","default":"gen_random_uuid()","description":"Note:\nThis is a Primary Key.<pk/>"},
	"title":{"format":"text","type":"string"},"owner_id":{"format":"uuid","type":"string",
	"description":"Note:\nThis is a Foreign Key to ` + "`members.id`" + `.<fk table='members' column='id'/>"}}}}}`

// adminSchema says that there is a table secrets as well, which callers cannot reach.
const adminSchema = `{"schema":"p0001","tables":[
	{"name":"items","columns":[{"name":"id","type":"uuid","nullable":false,"default_value":"gen_random_uuid()"},
		{"name":"title","type":"text","nullable":false,"default_value":null}],
	 "constraints":[{"name":"items_pkey","type":"PRIMARY KEY","definition":"PRIMARY KEY (id)"}],
	 "rls_enabled":true,"row_estimate":7,"grants":{"anon":["SELECT"]},
	 "policies":[{"name":"own","command":"SELECT","roles":["authenticated"],"using_expression":"owner_id = auth.uid()","check_expression":null}]},
	{"name":"secrets","columns":[{"name":"k","type":"text","nullable":true,"default_value":null}],"constraints":[],
	 "rls_enabled":false,"row_estimate":1,"policies":[],"dark":"row level security is off: alter table secrets enable row level security"}]}`

func newBackend(flavor hostedtest.Flavor) *hostedtest.Gateway {
	g := hostedtest.New(flavor)
	g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: openAPI})
	g.Script("GET", "/projects/v1/admin/"+hostedtest.ProjectID+"/schema", hostedtest.Answer{Body: adminSchema})
	return g
}

func asUser(g *hostedtest.Gateway) func(*Options) {
	return func(o *Options) {
		o.Callers = func(context.Context) (auth.Caller, error) {
			return auth.Caller{Token: g.Token("authenticated"), ID: "user-1", Email: "ana@example.com", Role: "authenticated", Verified: true}, nil
		}
	}
}

func TestAPageSaysWhetherThereIsAnother(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`, `{"id":2}`, `{"id":3}`)
	s := newSet(t, g, asUser(g))
	got := call(t, s, "query_table", `{"table":"items","limit":2,"count":true,"order":"id"}`)
	if len(got.body.Rows) != 2 || !got.body.HasMore || got.body.NextOffset != 2 || *got.body.Count != 3 {
		t.Errorf("first page: %s", got.text)
	}
	if got = call(t, s, "query_table", `{"table":"items","limit":3}`); got.body.HasMore || got.body.Count != nil {
		t.Errorf("whole table: %s", got.text)
	}
	sent := g.Requests()[0]
	if want := "order=id.asc&limit=3"; sent.Query != want {
		t.Errorf("sent %s, want %s", sent.Query, want)
	}
}

func TestEachToolStaysOnItsPlane(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	s := newSet(t, g, asUser(g))
	for tool, args := range map[string]string{
		"query_table":     `{"table":"items"}`,
		"insert_rows":     `{"table":"items","rows":[{"id":2}]}`,
		"update_rows":     `{"table":"items","set":{"id":2},"filters":[{"column":"id","value":"1"}]}`,
		"delete_rows":     `{"table":"items","filters":[{"column":"id","value":"1"}]}`,
		"describe_tables": `{}`,
	} {
		for _, plane := range []struct{ tool, prefix, other string }{
			{tool, "/rest/v1/", g.ServiceKey()}, {"admin_" + tool, "/", g.Token("authenticated")},
		} {
			before := len(g.Requests())
			if got := call(t, s, plane.tool, args); got.isError {
				t.Errorf("%s: %s", plane.tool, got.text)
			}
			for _, r := range g.Requests()[before:] {
				if r.Path == "/health" {
					continue
				}
				isAdmin := strings.HasPrefix(r.Path, "/admin/") || strings.HasPrefix(r.Path, "/projects/v1/admin/")
				if !strings.HasPrefix(r.Path, plane.prefix) || isAdmin != strings.HasPrefix(plane.tool, "admin_") {
					t.Errorf("%s went to %s", plane.tool, r.Path)
				}
				if strings.Contains(fmt.Sprint(r.Header), plane.other) {
					t.Errorf("%s carried the other plane's credential", plane.tool)
				}
			}
		}
	}
}

func TestAWholeTableIsTouchedOnlyByAnAdminWhoSaysSo(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	s := newSet(t, g, asUser(g))
	for _, test := range []struct{ tool, args, argument string }{
		{"update_rows", `{"table":"items","set":{"a":1},"filters":[]}`, "filters"},
		{"update_rows", `{"table":"items","set":{"a":1}}`, "filters"},
		{"update_rows", `{"table":"items","set":{"a":1},"filters":[],"all_rows":true}`, "all_rows"},
		{"update_rows", `{"table":"items","set":{ },"filters":[{"column":"a","value":1}]}`, "set"},
		{"delete_rows", `{"table":"items","filters":"[]"}`, "filters"},
		{"admin_update_rows", `{"table":"items","set":{"a":1}}`, "filters"},
		{"admin_delete_rows", `{"table":"items"}`, "filters"},
		{"admin_delete_rows", `{"table":"items","all_rows":true,"filters":[{"column":"a","value":1}]}`, "all_rows"},
		{"insert_rows", `{"table":"items","rows":[]}`, "rows"},
	} {
		if got := call(t, s, test.tool, test.args); !got.isError || got.body.Error.Argument != test.argument {
			t.Errorf("%s %s: %s", test.tool, test.args, got.text)
		}
	}
	if n := len(g.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	s.o.Confirm = ConfirmOff
	if got := call(t, s, "admin_delete_rows", `{"table":"items","all_rows":true}`); got.isError || *got.body.Affected != 1 {
		t.Errorf("all_rows: %s", got.text)
	}
}

func TestALimitOfRowsThatCannotBeAtomicIsSaidToBeSo(t *testing.T) {
	g := newBackend(hostedtest.Hosted) // says nothing of what it honours
	g.Table("items", `{"id":1}`, `{"id":2}`, `{"id":3}`)
	s := newSet(t, g, asUser(g))
	s.o.Confirm = ConfirmOff
	got := call(t, s, "delete_rows", `{"table":"items","filters":[{"column":"id","op":"gt","value":0}]}`)
	if got.isError || *got.body.Affected != 3 || !strings.Contains(got.body.Notice, "not atomically") {
		t.Errorf("within the limit: %s", got.text)
	}
	got = call(t, s, "delete_rows", `{"table":"items","max_rows":2,"filters":[{"column":"id","op":"gt","value":0}]}`)
	if !got.isError || !strings.Contains(got.body.Error.Message, "3 rows") || !strings.Contains(got.body.Error.NextStep, "max_rows") {
		t.Errorf("beyond the limit: %s", got.text)
	}
}

func TestAnEmptyAnswerSaysWhoseViewItIs(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items")
	user, anon := newSet(t, g, asUser(g)), newSet(t, g, nil)
	if got := call(t, user, "query_table", `{"table":"items"}`); !strings.Contains(got.body.Notice, "role authenticated") {
		t.Errorf("user: %s", got.text)
	}
	if got := call(t, anon, "query_table", `{"table":"items"}`); !strings.Contains(got.body.Notice, "role anon") ||
		!strings.Contains(got.body.Notice, "Nobody is signed in") {
		t.Errorf("anon: %s", got.text)
	}
	if got := call(t, user, "admin_query_table", `{"table":"items"}`); got.body.Notice != "" {
		t.Errorf("admin: %s", got.text)
	}
}

// postgrest is an error as the REST routes send it.
func postgrest(status int, code, message, details string) hostedtest.Answer {
	body, _ := json.Marshal(map[string]any{"code": code, "message": message, "details": details, "hint": nil})
	return hostedtest.Answer{Status: status, Body: string(body)}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	const query = `{"table":"items","filters":[{"column":"titel","value":"x"}]}`
	const insert = `{"table":"items","rows":[{"title":"x"}]}`
	const policy = `new row violates row-level security policy for table "items"`
	for name, test := range map[string]struct {
		tool, args, path string
		answer           hostedtest.Answer
		anonymous        bool
		want             failure
		next             string
	}{
		"unknown column": {
			"query_table", query, "GET /rest/v1/items", postgrest(400, "42703", "column items.titel does not exist", ""), false,
			failure{Valid: []string{"id", "title", "owner_id"}, DidYouMean: "title"}, "",
		},
		"unknown column of a body": {
			"insert_rows", insert, "POST /rest/v1/items",
			postgrest(400, "PGRST204", "Could not find the 'owner' column of 'items' in the schema cache", ""), false,
			failure{Valid: []string{"id", "title", "owner_id"}, DidYouMean: "owner_id"}, "",
		},
		"unknown column as admin": {
			"admin_query_table", query, "GET /admin/v1/rest/items", postgrest(400, "42703", "column items.titel does not exist", ""),
			false, failure{Valid: []string{"id", "title"}, DidYouMean: "title"}, "",
		},
		"unknown table": {
			"query_table", `{"table":"item"}`, "", hostedtest.Answer{}, false,
			failure{Code: "PGRST205", Valid: []string{"items"}, DidYouMean: "items"}, "",
		},
		"unknown table as admin": {
			"admin_query_table", `{"table":"secret"}`, "", hostedtest.Answer{}, false,
			failure{Code: "PGRST205", Valid: []string{"items", "secrets"}, DidYouMean: "secrets"}, "",
		},
		"policy, signed in": {
			"insert_rows", insert, "POST /rest/v1/items", postgrest(403, "42501", policy, ""), false,
			failure{}, "policy refused this row for role authenticated: the row must pass the policies for this verb, and those for " +
				"reading it back. Owner columns usually hold the caller's id: see whoami. admin_insert_rows works as the service role",
		},
		"policy, anonymous": {
			"insert_rows", insert, "POST /rest/v1/items", postgrest(401, "42501", policy, ""), true,
			failure{}, "Nobody is signed in: ask the person to sign in (RUN402_USER_TOKEN",
		},
		"no grant": {
			"query_table", query, "GET /rest/v1/items", postgrest(403, "42501", "permission denied for table items", ""), false,
			failure{}, "No grant lets role authenticated do this. describe_tables shows what this caller may do.",
		},
		"duplicate": {
			"insert_rows", insert, "POST /rest/v1/items",
			postgrest(409, "23505", `duplicate key value violates unique constraint "items_pkey"`, "Key (id)=(1) already exists."), false,
			failure{Details: "Key (id)=(1) already exists."}, `use another value, or upsert with on_conflict "id"`,
		},
		"missing parent": {
			"insert_rows", insert, "POST /rest/v1/items", postgrest(409, "23503", "insert or update on table",
				`Key (owner_id)=(9) is not present in table "members".`), false,
			failure{Details: `Key (owner_id)=(9) is not present in table "members".`}, "Insert the row that owner_id refers to first",
		},
		"null": {
			"insert_rows", insert, "POST /rest/v1/items",
			postgrest(400, "23502", `null value in column "title" of relation "items" violates not-null constraint`, ""), false,
			failure{}, "Give a value for title.",
		},
		"too many requests": {
			"insert_rows", insert, "POST /rest/v1/items", hostedtest.Answer{
				Status: 429, Body: `{"error":"rate_limited","code":"RATE_LIMITED","message":"Slow down.","retryable":true,` +
					`"safe_to_retry":false,"retry_after":7,"trace_id":"trc_1"}`,
			}, false,
			failure{Retryable: true, RetryAfter: 7, TraceID: "trc_1"}, "",
		},
		"SQL that writes": {
			"admin_sql", `{"sql":"delete from items"}`, "POST /projects/v1/admin/" + hostedtest.ProjectID + "/sql",
			hostedtest.Answer{Status: 400, Body: `{"error":"sql_error","message":"SQL error: cannot execute DELETE in a read-only transaction",` +
				`"details":{"sqlstate":"25006"}}`}, false,
			failure{Code: "SQL_ERROR", Details: `{"sqlstate":"25006"}`}, "Set read_only to false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newBackend(hostedtest.Hosted)
			if method, path, ok := strings.Cut(test.path, " "); ok {
				g.Script(method, path, test.answer)
			}
			change := asUser(g)
			if test.anonymous {
				change = nil
			}
			got := call(t, newSet(t, g, change), test.tool, test.args)
			if !got.isError {
				t.Fatalf("no error: %s", got.text)
			}
			if !strings.Contains(got.body.Error.NextStep, test.next) {
				t.Errorf("next step %q lacks %q", got.body.Error.NextStep, test.next)
			}
			f := got.body.Error
			test.want.Message, test.want.NextStep = f.Message, f.NextStep
			if test.want.Code == "" {
				test.want.Code = f.Code
			}
			if diff := cmp.Diff(test.want, f); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoTextNamesAToolThatIsNotEnabled(t *testing.T) {
	for _, answer := range []hostedtest.Answer{
		postgrest(403, "42501", "permission denied for table items", ""),
		postgrest(403, "42501", `new row violates row-level security policy for table "items"`, ""),
		postgrest(400, "42703", "column items.x does not exist", ""),
		postgrest(404, "42P01", `relation "items" does not exist`, ""),
		{Body: "[]"},
	} {
		g := hostedtest.New(hostedtest.Hosted) // nobody may reach a table
		g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: `{"swagger":"2.0","paths":{},"definitions":{}}`})
		g.Script("GET", "/rest/v1/items", answer)
		s := newSet(t, g, func(o *Options) { asUser(g)(o); o.Toolsets = []string{"data"} })
		for _, tool := range []string{"query_table", "describe_tables"} {
			if got := call(t, s, tool, `{"table":"items"}`); strings.Contains(got.text, "admin_") {
				t.Errorf("%s", got.text)
			}
		}
	}
}

type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) Record(_ context.Context, e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func TestEveryCallIsRecordedWithoutItsArguments(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`, `{"id":2}`)
	var r recorder
	s := newSet(t, g, func(o *Options) { asUser(g)(o); o.Audit = &r })
	call(t, s, "query_table", `{"table":"items"}`)
	call(t, s, "admin_sql", `{"sql":"select 'hunter2'"}`)
	call(t, s, "insert_rows", `{"table":"items","rowz":"hunter2"}`)
	call(t, s, "query_table", `{"table":"none","filters":[{"column":"a","value":"hunter2"}]}`)
	want := []Event{
		{Principal: "user-1", Verified: true, Tool: "query_table", Plane: "caller", Target: "items", Outcome: "ok", Rows: 2},
		{Principal: "user-1", Verified: true, Tool: "admin_sql", Plane: "admin", Outcome: "ok", Rows: 1},
		{Principal: "user-1", Verified: true, Tool: "insert_rows", Plane: "caller", Outcome: "INVALID_ARGUMENT"},
		{Principal: "user-1", Verified: true, Tool: "query_table", Plane: "caller", Target: "none", Outcome: "PGRST205"},
	}
	for i := range r.events {
		if r.events[i].Duration <= 0 {
			t.Errorf("%s took %v", r.events[i].Tool, r.events[i].Duration)
		}
		r.events[i].Duration = 0
	}
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Error(diff)
	}
}

func TestWhatBreaksInsideStaysInside(t *testing.T) {
	const secret = "postgres://user:hunter2@db"
	var log bytes.Buffer
	g := newBackend(hostedtest.Hosted)
	s := newSet(t, g, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for name, fn := range map[string]func(context.Context, struct{}) (rows, error){
		"panics":       func(context.Context, struct{}) (rows, error) { panic(secret) },
		"panics_error": func(context.Context, struct{}) (rows, error) { panic(errors.New(secret)) },
		"fails_oddly":  func(context.Context, struct{}) (rows, error) { return rows{}, errors.New(secret) },
	} {
		s.tools = nil
		if err := s.add([]*tool{define(spec{name: name}, fn)}); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		got := call(t, s, name, `{}`)
		if got.body.Error.Code != codeInternal || got.body.Error.TraceID == "" || strings.Contains(got.text, "hunter2") {
			t.Errorf("%s: %s", name, got.text)
		}
		if !strings.Contains(log.String(), got.body.Error.TraceID) || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s: log %s", name, log.String())
		}
	}
}

func TestACallEndsWithinItsTime(t *testing.T) {
	s := newSet(t, newBackend(hostedtest.Hosted), func(o *Options) { o.Timeout = time.Millisecond })
	s.tools = nil
	err := s.add([]*tool{define(spec{name: "a_tool"}, func(ctx context.Context, _ struct{}) (rows, error) {
		<-ctx.Done()
		return rows{}, fmt.Errorf("query: %w", ctx.Err())
	})})
	if err != nil {
		t.Fatal(err)
	}
	if got := call(t, s, "a_tool", `{}`); got.body.Error.Code != codeTimeout || !got.body.Error.Retryable {
		t.Errorf("%s", got.text)
	}
}

func TestACredentialThatIsRefusedStopsEveryTool(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	s := newSet(t, g, func(o *Options) {
		o.Callers = func(context.Context) (auth.Caller, error) {
			return auth.Caller{}, errors.New("the token has expired: renew it")
		}
	})
	for _, tool := range s.Names() {
		if got := call(t, s, tool, `{"table":"items"}`); got.body.Error.Code != codeInvalidToken ||
			!strings.Contains(got.body.Error.Message, "renew it") {
			t.Errorf("%s: %s", tool, got.text)
		}
	}
	if n := len(g.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// One call as stdio makes it, without the pipe: decode, call, encode.
func BenchmarkQueryTable(b *testing.B) {
	g := newBackend(hostedtest.Hosted)
	var rows []string
	for i := range 10 {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"title":"Printer on the second floor is out of paper","done":false,`+
			`"owner":"3b1f9a52-0c53-4b0e-9d0c-0a3c1a0f5a10"}`, i))
	}
	g.Table("items", rows...)
	m := newServer(newSet(b, g, asUser(g)))
	request := json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query_table","arguments":` +
		`{"table":"items","filters":[{"column":"done","value":"false"}],"order":"id.desc","limit":10}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(m.HandleMessage(b.Context(), request)); err != nil {
			b.Fatal(err)
		}
	}
}
