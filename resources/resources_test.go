package resources

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
)

const schemaPath = "/projects/v1/admin/" + hostedtest.ProjectID + "/schema"

// newBackend has a table that callers may reach, items, and one that they may not, secrets.
func newBackend() *hostedtest.Gateway {
	g := hostedtest.New(hostedtest.Hosted)
	g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: `{"swagger":"2.0","paths":{"/items":{"get":{}}},"definitions":{"items":{
		"properties":{"id":{"format":"uuid","type":"string","description":"Note:\nThis is a Primary Key.<pk/>"}}}}}`})
	g.Script("GET", schemaPath, hostedtest.Answer{Body: `{"schema":"p0001","tables":[
		{"name":"items","columns":[{"name":"id","type":"uuid","nullable":false,"default_value":null}],"constraints":[],"rls_enabled":true,
		 "row_estimate":1,"policies":[{"name":"own","command":"SELECT","using_expression":"true","check_expression":null}]},
		{"name":"secrets","columns":[{"name":"k","type":"text","nullable":true,"default_value":null}],"constraints":[],
		 "rls_enabled":false,"row_estimate":1,"policies":[]}]}`})
	return g
}

func newServer(t *testing.T, g *hostedtest.Gateway, change func(*Options)) *server.MCPServer {
	t.Helper()
	client, err := core.New(core.Config{
		Base: "http://localhost", ProjectID: hostedtest.ProjectID, AnonKey: g.AnonKey(), ServiceKey: g.ServiceKey(),
		Transport: core.Handler(g),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Client: client, Clean: withoutOverrides, CallerPlane: true, Admin: true, ProjectID: hostedtest.ProjectID, Backend: "a test",
		Callers: func(context.Context) (auth.Caller, error) {
			return auth.Caller{Token: g.Token("authenticated"), ID: "user-1", Role: "authenticated", Verified: true}, nil
		},
	}
	if change != nil {
		change(&o)
	}
	s := New(o)
	m := server.NewMCPServer("functions-mcp", "test", s.ServerOptions()...)
	s.Register(m)
	return m
}

// withoutOverrides stands for tools.Clean.
func withoutOverrides(raw json.RawMessage) json.RawMessage {
	return bytes.ReplaceAll(raw, []byte("\u202e"), nil)
}

type answer struct {
	Result struct {
		Contents   []struct{ URI, MIMEType, Text string }
		Completion struct {
			Values  []string
			Total   int
			HasMore bool
		}
		Resources         []struct{ URI, Name, Description string }
		ResourceTemplates []struct{ URITemplate string }
	}
	Error *struct {
		Code    int
		Message string
	}
}

func rpc(t *testing.T, m *server.MCPServer, method string, params any) answer {
	t.Helper()
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(m.HandleMessage(t.Context(), request))
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return a
}

func read(t *testing.T, m *server.MCPServer, uri string) (text, failure string) {
	t.Helper()
	a := rpc(t, m, "resources/read", map[string]any{"uri": uri})
	if a.Error != nil {
		return "", a.Error.Message
	}
	if len(a.Result.Contents) != 1 || a.Result.Contents[0].URI != uri || a.Result.Contents[0].MIMEType != contentType {
		t.Fatalf("%s: %+v", uri, a.Result.Contents)
	}
	return a.Result.Contents[0].Text, ""
}

func callerOnly(o *Options)  { o.Admin = false }
func adminOnly(o *Options)   { o.CallerPlane = false }
func nothingElse(o *Options) { o.Admin, o.CallerPlane = false, false }

func TestResourcesShowWhatTheReaderMaySee(t *testing.T) {
	for name, test := range map[string]struct {
		change    func(*Options)
		uri, want string
	}{
		"project": {nil, "run402://project", `{"project_id":"` + hostedtest.ProjectID + `","backend":"a test","caller_plane":true,` +
			`"admin_plane":true,"caller":{"signed_in":true,"id":"user-1","system_role":"authenticated","verified":true}}`},
		"tables": {nil, "run402://tables", `[{"name":"items","uri":"run402://tables/items","columns":["id uuid"]}]`},
		"tables without an anon key": {adminOnly, "run402://tables", `[{"name":"items","uri":"run402://tables/items",` +
			`"columns":["id uuid"]},{"name":"secrets","uri":"run402://tables/secrets","columns":["k text"]}]`},
		"a table": {callerOnly, "run402://tables/items", `{"name":"items","columns":[{"name":"id","type":"uuid","primary_key":true}],` +
			`"insertable":false,"updatable":false,"deletable":false}`},
		"a table, as operator": {nil, "run402://tables/items", `{"name":"items","columns":[{"name":"id","type":"uuid","primary_key":true}],` +
			`"insertable":false,"updatable":false,"deletable":false,"rls_enabled":true,` +
			`"policies":[{"name":"own","command":"SELECT","using_expression":"true","check_expression":null}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, failure := read(t, newServer(t, newBackend(), test.change), test.uri)
			if diff := cmp.Diff(test.want, got); diff != "" || failure != "" {
				t.Errorf("%s%s", failure, diff)
			}
		})
	}
}

func TestWithoutAPlaneThereIsOnlyTheProject(t *testing.T) {
	m := newServer(t, newBackend(), nothingElse)
	list := rpc(t, m, "resources/list", map[string]any{}).Result.Resources
	if len(list) != 1 || list[0].URI != projectURI {
		t.Errorf("%+v", list)
	}
	if templates := rpc(t, m, "resources/templates/list", map[string]any{}).Result.ResourceTemplates; len(templates) != 0 {
		t.Errorf("%+v", templates)
	}
}

func TestATableThatIsNotTheirsIsNotFound(t *testing.T) {
	for _, change := range []func(*Options){nil, callerOnly} {
		m := newServer(t, newBackend(), change)
		for _, table := range []string{"secrets", "none", "%2e%2e"} {
			if text, failure := read(t, m, "run402://tables/"+table); !strings.Contains(failure, "resource not found") {
				t.Errorf("%s: %q, %q", table, text, failure)
			}
		}
	}
}

func TestNamesOfTablesComplete(t *testing.T) {
	many := hostedtest.New(hostedtest.Hosted)
	var paths, definitions []string
	for i := range 150 {
		paths = append(paths, fmt.Sprintf(`"/t%03d":{"get":{}}`, i))
		definitions = append(definitions, fmt.Sprintf(`"t%03d":{"properties":{"id":{"format":"uuid","type":"string"}}}`, i))
	}
	many.Script("GET", "/rest/v1/", hostedtest.Answer{Body: fmt.Sprintf(`{"swagger":"2.0","paths":{%s},"definitions":{%s}}`,
		strings.Join(paths, ","), strings.Join(definitions, ","))})
	for name, test := range map[string]struct {
		g             *hostedtest.Gateway
		uri, argument string
		prefix        string
		values, total int
	}{
		"all":              {newBackend(), tableURI, "table", "", 1, 1},
		"by prefix":        {newBackend(), tableURI, "table", "IT", 1, 1},
		"none":             {newBackend(), tableURI, "table", "sec", 0, 0},
		"another argument": {newBackend(), tableURI, "column", "", 0, 0},
		"another template": {newBackend(), "run402://x/{table}", "table", "", 0, 0},
		"too many":         {many, tableURI, "table", "t", 100, 150},
		"no backend":       {hostedtest.New(hostedtest.Core), tableURI, "table", "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := rpc(t, newServer(t, test.g, nil), "completion/complete", map[string]any{
				"ref":      map[string]any{"type": "ref/resource", "uri": test.uri},
				"argument": map[string]any{"name": test.argument, "value": test.prefix},
			})
			if got.Error != nil {
				t.Fatal(got.Error.Message)
			}
			if c := got.Result.Completion; len(c.Values) != test.values || c.Total != test.total || c.HasMore != (test.total > test.values) {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestNamesAndCommentsHideNothing(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: `{"swagger":"2.0","paths":{"/it\u202eems":{"get":{}}},"definitions":{"it\u202eems":{
		"description":"a \u202ecomment","properties":{"i\u202ed":{"format":"uuid","type":"string","description":"another \u202eone"}}}}}`})
	m := newServer(t, g, callerOnly)
	list, failure := read(t, m, "run402://tables")
	if want := `[{"name":"items","uri":"run402://tables/it%E2%80%AEems","columns":["id uuid"]}]`; list != want {
		t.Errorf("%s%s", list, failure)
	}
	text, failure := read(t, m, "run402://tables/it%E2%80%AEems")
	if !strings.Contains(text, "a comment") || !strings.Contains(text, "another one") || strings.Contains(text, "\u202e") {
		t.Errorf("%s%s", text, failure)
	}
	got := rpc(t, m, "completion/complete", map[string]any{
		"ref": map[string]any{"type": "ref/resource", "uri": tableURI}, "argument": map[string]any{"name": "table", "value": ""},
	})
	if diff := cmp.Diff([]string{"items"}, got.Result.Completion.Values); diff != "" {
		t.Error(diff)
	}
	g.Script("GET", "/rest/v1/", hostedtest.Answer{Status: 400, Body: `{"code":"BROKEN","message":"it is \u202ebroken"}`})
	if _, failure := read(t, m, "run402://tables"); failure != "read run402://tables: BROKEN: it is broken" {
		t.Error(failure)
	}
}

func TestWhatBreaksInsideStaysInside(t *testing.T) {
	for name, callers := range map[string]auth.Callers{
		"panic": func(context.Context) (auth.Caller, error) { panic("hunter2") },
		"error": func(context.Context) (auth.Caller, error) { panic(errors.New("hunter2")) },
	} {
		var log bytes.Buffer
		m := newServer(t, newBackend(), func(o *Options) {
			o.Callers, o.Log = callers, slog.New(slog.NewTextHandler(&log, nil))
		})
		_, failure := read(t, m, "run402://tables")
		if !strings.Contains(failure, "report it with the id") || strings.Contains(failure+log.String(), "hunter2") {
			t.Errorf("%s: %q, log %s", name, failure, log.String())
		}
	}
}

func TestABackendThatRefusesIsQuotedShortly(t *testing.T) {
	g := newBackend()
	g.Script("GET", "/rest/v1/", hostedtest.Answer{
		Status: 401, Body: `{"error":"authentication_required","code":"AUTHENTICATION_REQUIRED","message":"Sign in again."}`,
	})
	_, failure := read(t, newServer(t, g, nil), "run402://tables")
	if want := "read run402://tables: AUTHENTICATION_REQUIRED: Sign in again."; failure != want {
		t.Errorf("got %q, want %q", failure, want)
	}
}
