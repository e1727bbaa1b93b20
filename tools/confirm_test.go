package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/hostedtest"
)

const sqlPath = "/projects/v1/admin/" + hostedtest.ProjectID + "/sql"

// newBigBackend honours limits and has 250 items, which every write touches.
func newBigBackend() *hostedtest.Gateway {
	g := newBackend(hostedtest.Hosted)
	g.Script("GET", "/health", hostedtest.Answer{Body: `{"status":"ok","honours":["max-affected","sql-read-only"]}`})
	g.Table("items", slices.Repeat([]string{`{"id":1}`}, 250)...)
	return g
}

// confirms sets how calls are confirmed, for a user.
func confirms(g *hostedtest.Gateway, c Confirm) func(*Options) {
	return func(o *Options) { asUser(g)(o); o.Confirm = c }
}

// with returns the arguments with another one.
func with(t testing.TB, args, name string, value any) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(args), &m); err != nil {
		t.Fatal(err)
	}
	m[name] = value
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// writes are the limits that the backend was sent with each write.
func writes(g *hostedtest.Gateway) []string {
	var limits []string
	for _, r := range g.Requests() {
		if r.Method == "PATCH" || r.Method == "DELETE" {
			_, limit, _ := strings.Cut(r.Header.Get("Prefer"), "max-affected=")
			limits = append(limits, limit)
		}
	}
	return limits
}

const (
	manyRows = `{"table":"items","filters":[{"column":"id","op":"gt","value":"0"}]}`
	allRows  = `{"table":"items","all_rows":true}`
)

func TestACallThatChangesMuchIsConfirmedByToken(t *testing.T) {
	update := `{"table":"items","set":{"a":1},"filters":[{"column":"id","op":"gt","value":"0"}]`
	for _, test := range []struct{ tool, args, first string }{
		{"delete_rows", manyRows, "100"},
		{"delete_rows", with(t, manyRows, "max_rows", 20), "20"},
		{"delete_rows", with(t, manyRows, "max_rows", 100000), "100"}, // a call may narrow, never widen
		{"update_rows", update + "}", "100"},
		{"admin_update_rows", update + "}", "100"},
		{"admin_delete_rows", manyRows, "100"},
		{"admin_delete_rows", allRows, "0"},
		{"admin_update_rows", `{"table":"items","set":{"a":1},"all_rows":true,"max_rows":1000}`, "0"},
	} {
		t.Run(test.tool+test.args, func(t *testing.T) {
			g := newBigBackend()
			var r recorder
			s := newSet(t, g, func(o *Options) { asUser(g)(o); o.Audit = &r })
			got := call(t, s, test.tool, test.args)
			e := got.body.Error
			if e.Code != codeConfirm || e.ConfirmToken == "" || !strings.Contains(e.Message, test.tool+" would touch 250 rows of items") ||
				!strings.Contains(e.NextStep, "Ask the person") || e.MutationState != "rolled_back" {
				t.Fatalf("%s", got.text)
			}
			got = call(t, s, test.tool, with(t, test.args, "confirm_token", e.ConfirmToken))
			if got.isError || *got.body.Affected != 250 {
				t.Fatalf("%s", got.text)
			}
			if diff := cmp.Diff([]string{test.first, "250"}, writes(g)); diff != "" {
				t.Errorf("limits: %s", diff)
			}
			for i, want := range []Event{{Outcome: codeConfirm}, {Outcome: "ok", Confirmed: "token"}} {
				if got := r.events[i]; got.Outcome != want.Outcome || got.Confirmed != want.Confirmed {
					t.Errorf("recorded %+v", got)
				}
			}
		})
	}
}

func TestACallWithinItsLimitIsNotAsked(t *testing.T) {
	for _, c := range []Confirm{"", ConfirmElicit, ConfirmDeny, ConfirmOff} {
		g := newBigBackend()
		g.Table("items", slices.Repeat([]string{`{"id":1}`}, 100)...)
		s := newSet(t, g, confirms(g, c))
		if got := call(t, s, "delete_rows", manyRows); got.isError || *got.body.Affected != 100 {
			t.Errorf("%s: %s", c, got.text)
		}
		g.Table("items")
		if got := call(t, s, "admin_delete_rows", allRows); got.isError || *got.body.Affected != 0 {
			t.Errorf("%s, an empty table: %s", c, got.text)
		}
	}
}

func TestAConfirmTokenFitsOneCall(t *testing.T) {
	other := func(o *Options) {
		o.Callers = func(context.Context) (auth.Caller, error) {
			return auth.Caller{Token: "header.user-authenticated.signature", ID: "user-2", Role: "authenticated", Verified: true}, nil
		}
	}
	unverified := func(o *Options) {
		o.Callers = func(context.Context) (auth.Caller, error) {
			return auth.Caller{Token: "header.user-authenticated.signature", ID: "user-1", Email: "ana@example.com", Role: "authenticated"}, nil
		}
	}
	spelled := `{"max_rows":"100","filters":"[{\"op\":\">\",\"column\":\"id\",\"value\":0}]","table":"items"}`
	for name, test := range map[string]struct {
		tool, args string
		change     func(*Options)
		later      time.Duration
		secret     string
		code       string // empty when it is taken
		token      func(s *Set, token string) string
	}{
		"the same call":              {tool: "admin_delete_rows", args: manyRows},
		"the same, spelled anew":     {tool: "admin_delete_rows", args: spelled},
		"just in time":               {tool: "admin_delete_rows", args: manyRows, later: proofLife - time.Second},
		"too late":                   {tool: "admin_delete_rows", args: manyRows, later: proofLife, code: codeNotConfirmed},
		"another tool":               {tool: "delete_rows", args: manyRows, code: codeNotConfirmed},
		"another value":              {tool: "admin_delete_rows", args: strings.Replace(manyRows, `"0"`, `"1"`, 1), code: codeNotConfirmed},
		"another table":              {tool: "admin_delete_rows", args: strings.Replace(manyRows, "items", "members", 1), code: codeNotConfirmed},
		"the whole table":            {tool: "admin_delete_rows", args: allRows, code: codeNotConfirmed},
		"another caller":             {tool: "admin_delete_rows", args: manyRows, change: other, code: codeNotConfirmed},
		"a caller nobody checked":    {tool: "admin_delete_rows", args: manyRows, change: unverified, code: codeNotConfirmed},
		"another server's":           {tool: "admin_delete_rows", args: manyRows, secret: "another", code: codeNotConfirmed},
		"a server that denies":       {tool: "admin_delete_rows", args: manyRows, change: func(o *Options) { o.Confirm = ConfirmDeny }, code: codeNotConfirmed},
		"a server that elicits only": {tool: "admin_delete_rows", args: manyRows, change: func(o *Options) { o.Confirm = ConfirmElicit }, code: codeNotConfirmed},
		"cut short": {tool: "admin_delete_rows", args: manyRows, code: codeNotConfirmed,
			token: func(_ *Set, token string) string { return token[1:] }},
		"the state of an elicitation": {tool: "admin_delete_rows", args: manyRows, code: codeNotConfirmed,
			token: func(s *Set, _ string) string { return s.states.seal(grant{rows: 250}, subject("x"), s.now()) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := newBigBackend()
			secret := func(o *Options) { asUser(g)(o); o.Secret = []byte("the service key") }
			asked := call(t, newSet(t, g, secret), "admin_delete_rows", manyRows).body.Error
			if asked.ConfirmToken == "" {
				t.Fatal("no token")
			}
			s := newSet(t, g, func(o *Options) {
				secret(o)
				if test.secret != "" {
					o.Secret = []byte(test.secret)
				}
				if test.change != nil {
					test.change(o)
				}
			})
			now := time.Now().Add(test.later)
			s.now = func() time.Time { return now }
			if test.token != nil {
				asked.ConfirmToken = test.token(s, asked.ConfirmToken)
			}
			got := call(t, s, test.tool, with(t, test.args, "confirm_token", asked.ConfirmToken))
			if got.body.Error.Code != test.code {
				t.Errorf("%s", got.text)
			}
			if n := len(writes(g)); test.code != "" && n != 1 {
				t.Errorf("%d writes were sent", n)
			}
		})
	}
}

func TestMoreRowsThanWereConfirmedAreAskedAnew(t *testing.T) {
	g := newBigBackend()
	s := newSet(t, g, asUser(g))
	first := call(t, s, "delete_rows", manyRows).body.Error.ConfirmToken
	g.Table("items", slices.Repeat([]string{`{"id":1}`}, 251)...)
	got := call(t, s, "delete_rows", with(t, manyRows, "confirm_token", first))
	if got.body.Error.Code != codeConfirm || !strings.Contains(got.body.Error.Message, "251 rows") {
		t.Fatalf("%s", got.text)
	}
	got = call(t, s, "delete_rows", with(t, manyRows, "confirm_token", got.body.Error.ConfirmToken))
	if got.isError || *got.body.Affected != 251 {
		t.Errorf("%s", got.text)
	}
}

func TestTheOperatorDecidesHowCallsAreConfirmed(t *testing.T) {
	for c, want := range map[Confirm]struct{ code, next string }{
		ConfirmToken:  {codeConfirm, "confirm_token"},
		ConfirmElicit: {codeConfirmDenied, "--confirm=elicit"},
		ConfirmDeny:   {codeConfirmDenied, "--confirm=deny"},
		ConfirmOff:    {"PGRST124", "raise max_rows"},
	} {
		g := newBigBackend()
		s := newSet(t, g, confirms(g, c))
		got := call(t, s, "delete_rows", manyRows)
		if e := got.body.Error; e.Code != want.code || !strings.Contains(e.NextStep, want.next) || (e.ConfirmToken != "") != (c == ConfirmToken) {
			t.Errorf("%s: %s", c, got.text)
		}
		if got := call(t, s, "admin_delete_rows", with(t, allRows, "max_rows", 250)); got.isError == (c == ConfirmOff) {
			t.Errorf("%s, a whole table: %s", c, got.text)
		}
	}
	if _, err := ParseConfirm("ask"); err == nil || !strings.Contains(err.Error(), "[token elicit deny off]") {
		t.Errorf("ask: %v", err)
	}
	if c, err := ParseConfirm(""); c != ConfirmToken || err != nil {
		t.Errorf("the default is %q, %v", c, err)
	}
	o := Options{Client: newClient(t, newBigBackend()), Callers: auth.AnonymousCaller, Confirm: "ask"}
	if _, err := New(o); err == nil {
		t.Error("New takes a setting that does not exist")
	}
}

func TestARefusalWithoutACountIsNotConfirmable(t *testing.T) {
	g := newBigBackend()
	g.Script("DELETE", "/rest/v1/items", postgrest(400, "PGRST124", "Query result exceeds max-affected preference constraint", ""))
	got := call(t, newSet(t, g, asUser(g)), "delete_rows", manyRows)
	if e := got.body.Error; e.Code != "PGRST124" || e.ConfirmToken != "" || strings.Contains(e.NextStep, "raise") {
		t.Errorf("%s", got.text)
	}
}

// sent is what the SQL route was asked.
func sent(t testing.TB, g *hostedtest.Gateway) []map[string]any {
	t.Helper()
	var bodies []map[string]any
	for _, r := range g.Requests() {
		if r.Path != sqlPath {
			continue
		}
		body := map[string]any{"plain": r.Body}
		if r.Header.Get("Content-Type") == "application/json" {
			body = map[string]any{}
			if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
				t.Fatal(err)
			}
			delete(body, "sql")
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func envelope(code, details string) hostedtest.Answer {
	return hostedtest.Answer{Status: 400, Body: fmt.Sprintf(`{"error":"%s","code":"%s","message":"m","mutation_state":"rolled_back",`+
		`"trace_id":"trc_1","details":%s}`, strings.ToLower(code), code, details)}
}

func TestSQLThatDestroysIsConfirmedAsAWhole(t *testing.T) {
	const args = `{"sql":"delete from a; drop table b","read_only":false,"max_rows":1000}`
	const digest = "0123456789abcdef"
	g := newBigBackend()
	g.Script("POST", sqlPath,
		envelope("DESTRUCTIVE_SQL", `{"destroys":["drop table project.b","drop view project.\u202ev"],"digest":"`+digest+`","affected":250}`),
		hostedtest.Answer{Body: `{"status":"ok","rows":[],"row_count":250}`})
	s := newSet(t, g, asUser(g))
	got := call(t, s, "admin_sql", args)
	want := failure{
		Code: codeConfirm, MutationState: "rolled_back", TraceID: "trc_1", ConfirmToken: got.body.Error.ConfirmToken,
		Message:  "admin_sql would drop table project.b, drop view project.v, and change 250 rows. It was not done.",
		NextStep: got.body.Error.NextStep, Destroys: []string{"drop table project.b", "drop view project.v"},
	}
	if diff := cmp.Diff(want, got.body.Error); diff != "" {
		t.Fatal(diff)
	}
	if got := call(t, s, "admin_sql", with(t, args, "confirm_token", got.body.Error.ConfirmToken)); got.isError || *got.body.Affected != 250 {
		t.Fatalf("%s", got.text)
	}
	if diff := cmp.Diff([]map[string]any{
		{"max_rows": 100.0, "destroy": "nothing"}, {"max_rows": 250.0, "destroy": digest},
	}, sent(t, g)); diff != "" {
		t.Error(diff)
	}
}

func TestSQLThatWritesMuchIsConfirmedForItsRowsAlone(t *testing.T) {
	g := newBigBackend()
	g.Script("POST", sqlPath, envelope("MAX_ROWS_EXCEEDED", `{"affected":500,"max_rows":100}`),
		hostedtest.Answer{Body: `{"status":"ok","rows":[],"row_count":500}`})
	s := newSet(t, g, asUser(g))
	const args = `{"sql":"delete from a","read_only":"false"}`
	token := call(t, s, "admin_sql", args).body.Error.ConfirmToken
	if got := call(t, s, "admin_sql", with(t, args, "confirm_token", token)); got.isError {
		t.Fatalf("%s", got.text)
	}
	if diff := cmp.Diff([]map[string]any{
		{"max_rows": 100.0, "destroy": "nothing"}, {"max_rows": 500.0, "destroy": "nothing"},
	}, sent(t, g)); diff != "" {
		t.Error(diff)
	}
}

func TestSQLIsAskedForFirstWhereNothingCouldUndoIt(t *testing.T) {
	const args = `{"sql":"delete from a","read_only":false}`
	g := newBackend(hostedtest.Core) // says nothing of what it honours
	s := newSet(t, g, asUser(g))
	got := call(t, s, "admin_sql", args)
	if got.body.Error.Code != codeConfirm || got.body.Error.MutationState != "not_started" || len(sent(t, g)) != 0 {
		t.Fatalf("%s", got.text)
	}
	got = call(t, s, "admin_sql", with(t, args, "confirm_token", got.body.Error.ConfirmToken))
	if got.isError || !strings.Contains(got.body.Notice, "max_rows did not hold") {
		t.Fatalf("%s", got.text)
	}
	if diff := cmp.Diff([]map[string]any{{"plain": "delete from a"}}, sent(t, g)); diff != "" {
		t.Error(diff)
	}
	// What was confirmed on a backend that counts is not good for one that cannot.
	counted := s.tokens.seal(grant{rows: 5}, subjectOf(t, s, "admin_sql", &sqlInput{SQL: "delete from a"}), s.now())
	if got := call(t, s, "admin_sql", with(t, args, "confirm_token", counted)); got.body.Error.Code != codeConfirm {
		t.Errorf("%s", got.text)
	}
}

// subjectOf is what a proof for a call by asUser's user is about.
func subjectOf(t testing.TB, s *Set, tool string, arguments any) [32]byte {
	t.Helper()
	raw, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.o.Callers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return subject(tool, c.ID, c.Role, c.ProjectID, "true", string(raw))
}

func TestSQLThatReadsOrIsNotConfirmedHasNoBounds(t *testing.T) {
	g := newBigBackend()
	s := newSet(t, g, confirms(g, ConfirmOff))
	call(t, s, "admin_sql", `{"sql":"drop table a","read_only":false,"max_rows":5000}`)
	call(t, newSet(t, g, asUser(g)), "admin_sql", `{"sql":"select 1","max_rows":5000}`)
	if diff := cmp.Diff([]map[string]any{{"max_rows": 5000.0}, {"max_rows": 5000.0, "read_only": true}}, sent(t, g)); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyToolsThatDestroyTakeAConfirmToken(t *testing.T) {
	for mode, want := range map[string][]string{
		"all":       {"admin_delete_rows", "admin_sql", "admin_update_rows", "delete_rows", "update_rows"},
		"read_only": nil,
	} {
		list, _ := listTools(t, newServer(newSet(t, newBigBackend(), modes[mode])))
		var got []string
		for _, tool := range list {
			if _, ok := tool.InputSchema["properties"].(map[string]any)["confirm_token"]; ok {
				got = append(got, tool.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
}
