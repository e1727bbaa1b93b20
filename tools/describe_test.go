package tools

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core/hostedtest"
)

func TestDescriptionsAreShortUntilMoreIsAsked(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	s := newSet(t, g, asUser(g))
	for name, test := range map[string]struct{ tool, args, want string }{
		"caller": {"describe_tables", `{}`, `{"role":"authenticated","tables":[{"name":"items","columns":["id uuid pk",` +
			`"title text required","owner_id uuid -> members.id"],"writes":["insert","update"]}]}`},
		"admin": {"admin_describe_tables", `{}`, `{"role":"service_role","tables":[{"name":"items","columns":["id uuid",` +
			`"title text required"],"keys":["PRIMARY KEY (id)"],"rls":true,"policies":["own: SELECT to authenticated"],"rows_estimate":7},` +
			`{"name":"secrets","columns":["k text"],"rls":false,"dark":"row level security is off: alter table secrets enable row level ` +
			`security","rows_estimate":1}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, call(t, s, test.tool, test.args).text); diff != "" {
				t.Error(diff)
			}
		})
	}
	one := call(t, s, "describe_tables", `{"table":"items"}`).text
	all := call(t, s, "describe_tables", `{"detail":"true"}`).text
	if one != all || !strings.Contains(one, `"references":"members.id"`) {
		t.Errorf("one in full: %s\nall in full: %s", one, all)
	}
	if full := call(t, s, "admin_describe_tables", `{"table":"items"}`).text; !strings.Contains(full, "owner_id = auth.uid()") ||
		!strings.Contains(full, `"grants":{"anon":["SELECT"]}`) || strings.Contains(full, "secrets") {
		t.Errorf("admin, in full: %s", full)
	}
}

func TestATableThatTheCallerCannotReachDoesNotExistForThem(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	s := newSet(t, g, asUser(g))
	got := call(t, s, "describe_tables", `{"table":"secrets"}`)
	if !got.isError || got.body.Error.Code != codeUnknownTable {
		t.Fatalf("%s", got.text)
	}
	if diff := cmp.Diff([]string{"items"}, got.body.Error.Valid); diff != "" {
		t.Error(diff)
	}
}

func TestManyTablesAreListedByNameWhereTheirColumnsDoNotFit(t *testing.T) {
	for _, count := range []int{200, 5000} {
		properties := strings.Repeat(`"%s_%d":{"format":"text","type":"string"},`, 20)
		definitions, paths := map[string]json.RawMessage{}, map[string]any{}
		for i := range count {
			var columns []any
			for c := range 20 {
				columns = append(columns, "column", c)
			}
			name := fmt.Sprintf("table_%04d", i)
			definitions[name] = json.RawMessage(`{"properties":{` + strings.TrimSuffix(fmt.Sprintf(properties, columns...), ",") + `}}`)
			paths["/"+name] = map[string]any{"get": map[string]any{}}
		}
		document, err := json.Marshal(map[string]any{"swagger": "2.0", "definitions": definitions, "paths": paths})
		if err != nil {
			t.Fatal(err)
		}
		g := hostedtest.New(hostedtest.Hosted)
		g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: string(document)})
		text := call(t, newSet(t, g, nil), "describe_tables", `{}`).text
		var got struct {
			Notice string
			Tables []struct{ Name string }
			More   []string
			Left   int `json:"more_not_listed"`
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if len(text) > maxResult || len(got.Tables) < 50 || got.Notice == "" || len(got.Tables)+len(got.More)+got.Left != count {
			t.Errorf("%d tables: %d described, %d named, %d left, %d bytes, notice %q",
				count, len(got.Tables), len(got.More), got.Left, len(text), got.Notice)
		}
	}
}

func TestWhoamiKeepsTheSystemRoleApart(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"user": {asUser(g), `{"user":{"id":"user-1","role":"authenticated","email":"ana@example.com"},"system_role":"authenticated",` +
			`"verified":true,"verified_by":"server","project_id":"` + hostedtest.ProjectID + `","backend":"a test",` +
			`"planes":["caller","admin"],"toolsets":["data","admin","email","ai","assets","functions"],"read_only":false}`},
		"anon": {nil, `{"user":null,"system_role":"anon","verified":false,"project_id":"` + hostedtest.ProjectID + `","backend":"a test",` +
			`"planes":["caller","admin"],"toolsets":["data","admin","email","ai","assets","functions"],"read_only":false,` +
			`"notice":"Nobody is signed in: the caller's tools work as anon."}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, call(t, newSet(t, g, test.change), "whoami", `{}`).text); diff != "" {
				t.Error(diff)
			}
		})
	}
}
