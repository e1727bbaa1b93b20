package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func newClient(t testing.TB, g *hostedtest.Gateway) *core.Client {
	t.Helper()
	client, err := core.New(core.Config{
		Base: "http://localhost", ProjectID: hostedtest.ProjectID, AnonKey: g.AnonKey(), ServiceKey: g.ServiceKey(),
		Transport: core.Handler(g),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newSet returns the tools over a backend; change alters the options, nil leaves them.
func newSet(t testing.TB, g *hostedtest.Gateway, change func(*Options)) *Set {
	t.Helper()
	o := Options{
		Client: newClient(t, g), Callers: auth.AnonymousCaller, CallerPlane: true, AdminPlane: true,
		ProjectID: hostedtest.ProjectID, Backend: "a test",
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newServer(s *Set) *server.MCPServer {
	m := server.NewMCPServer("functions-mcp", "test", s.ServerOptions()...)
	s.Register(m)
	return m
}

// rpc sends one JSON-RPC request through the server, as a transport does, and returns the encoded answer.
func rpc(t testing.TB, m *server.MCPServer, method string, params any) json.RawMessage {
	t.Helper()
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := json.Marshal(m.HandleMessage(context.Background(), request))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

type listedTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema map[string]any  `json:"inputSchema"`
	Annotations map[string]bool `json:"annotations"`
}

func listTools(t testing.TB, m *server.MCPServer) ([]listedTool, json.RawMessage) {
	t.Helper()
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(rpc(t, m, "tools/list", map[string]any{}), &answer); err != nil {
		t.Fatal(err)
	}
	var list struct{ Tools []listedTool }
	if err := json.Unmarshal(answer.Result, &list); err != nil {
		t.Fatalf("%v: %s", err, answer.Result)
	}
	return list.Tools, answer.Result
}

var modes = map[string]func(*Options){
	"all":       nil,
	"read_only": func(o *Options) { o.ReadOnly = true },
}

// The surface is what every client pays for and every agent learns, so a change to it shows as a change to these files.
func TestToolsListIsTheGoldenFile(t *testing.T) {
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			_, got := listTools(t, newServer(newSet(t, hostedtest.New(hostedtest.Hosted), change)))
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", "tools_list_"+mode+".json")
			if *update {
				if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("the surface changed (-update writes it anew):\n%s", diff)
			}
		})
	}
}

func TestEveryToolKeepsTheRulesOfTheSurface(t *testing.T) {
	const budget = 20 << 10 // what agents pay for every session
	name := regexp.MustCompile(`^([a-z]+(_[a-z]+)+|whoami|translate|moderate)$`)
	for mode, change := range modes {
		t.Run(mode, func(t *testing.T) {
			list, raw := listTools(t, newServer(newSet(t, hostedtest.New(hostedtest.Hosted), change)))
			t.Logf("%d tools in %d bytes", len(list), len(raw))
			if len(raw) > budget {
				t.Errorf("tools/list has %d bytes, more than %d", len(raw), budget)
			}
			for _, tool := range list {
				if len(tool.Name) > 30 || !name.MatchString(tool.Name) {
					t.Errorf("%s: the name is not verb_object of at most 30 characters", tool.Name)
				}
				if n := len(tool.Description); n == 0 || n > 200 {
					t.Errorf("%s: the description has %d characters", tool.Name, n)
				}
				for _, hint := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
					if _, ok := tool.Annotations[hint]; !ok {
						t.Errorf("%s: no %s", tool.Name, hint)
					}
				}
				if mode == "read_only" && !tool.Annotations["readOnlyHint"] {
					t.Errorf("%s: it writes in a server that only reads", tool.Name)
				}
				if more, ok := tool.InputSchema["additionalProperties"].(bool); more || !ok {
					t.Errorf("%s: unknown arguments are not refused", tool.Name)
				}
				delete(tool.InputSchema, "additionalProperties")
				checkPortable(t, tool.Name, tool.InputSchema)
			}
		})
	}
}

// checkPortable fails on a keyword that some client or model provider refuses (anchors.md, part D).
func checkPortable(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	if _, ok := schema["type"].(string); !ok {
		t.Errorf("%s: no type, or a union", path)
	}
	for keyword, value := range schema {
		switch keyword {
		case "type", "description", "enum", "default", "minimum", "maximum", "required":
		case "items":
			checkPortable(t, path+"[]", value.(map[string]any))
		case "properties":
			for name, property := range value.(map[string]any) {
				checkPortable(t, path+"."+name, property.(map[string]any))
			}
		default:
			t.Errorf("%s: keyword %s", path, keyword)
		}
	}
}

func TestASchemaThatIsNotPortableIsRefusedAtStart(t *testing.T) {
	type deep struct {
		A []struct {
			B []struct {
				C struct {
					D string `json:"d"`
				} `json:"c"`
			} `json:"b"`
		} `json:"a"`
	}
	type nullable struct {
		A string `json:"a" jsonschema:"nullable"`
	}
	type untyped struct {
		A any `json:"a"`
	}
	type float struct {
		A float64 `json:"a"`
	}
	type pattern struct {
		A string `json:"a" jsonschema:"pattern=^a$"`
	}
	type badDefault struct {
		A int `json:"a" jsonschema:"default=0,minimum=1"`
	}
	for name, broken := range map[string]*tool{
		"deep":       define(spec{name: "a_tool"}, func(context.Context, deep) (rows, error) { return rows{}, nil }),
		"nullable":   define(spec{name: "a_tool"}, func(context.Context, nullable) (rows, error) { return rows{}, nil }),
		"untyped":    define(spec{name: "a_tool"}, func(context.Context, untyped) (rows, error) { return rows{}, nil }),
		"float":      define(spec{name: "a_tool"}, func(context.Context, float) (rows, error) { return rows{}, nil }),
		"pattern":    define(spec{name: "a_tool"}, func(context.Context, pattern) (rows, error) { return rows{}, nil }),
		"badDefault": define(spec{name: "a_tool"}, func(context.Context, badDefault) (rows, error) { return rows{}, nil }),
	} {
		s := newSet(t, hostedtest.New(hostedtest.Hosted), nil)
		if err := s.add([]*tool{broken}); err == nil {
			t.Errorf("%s: offered", name)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	s := newSet(t, hostedtest.New(hostedtest.Hosted), nil)
	if err := s.add([]*tool{s.whoamiTool()}); err == nil || !strings.Contains(err.Error(), "whoami") {
		t.Errorf("a second whoami: %v", err)
	}
}

func TestOnlyToolsWithAPlaneAndAnOpenToolsetExist(t *testing.T) {
	data := []string{"delete_rows", "describe_tables", "insert_rows", "query_table", "update_rows", "whoami"}
	admin := []string{
		"admin_delete_rows", "admin_describe_tables", "admin_insert_rows", "admin_query_table", "admin_sql",
		"admin_update_rows",
	}
	sorted := func(lists ...[]string) []string { return slices.Sorted(slices.Values(slices.Concat(lists...))) }
	assets := []string{"delete_asset", "get_asset", "list_assets", "put_asset", "sign_asset"}
	functions := []string{"invoke_function"}
	ai := []string{"generate_image", "moderate", "translate"}
	email := []string{"create_mailbox", "get_email", "list_emails", "list_mailboxes", "send_email"}
	for name, test := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"all":            {func(*Options) {}, sorted(admin, ai, assets, data, functions, email)},
		"data only":      {func(o *Options) { o.Toolsets = []string{"data"} }, data},
		"admin only":     {func(o *Options) { o.Toolsets = []string{"admin"} }, sorted(admin, []string{"whoami"})},
		"assets only":    {func(o *Options) { o.Toolsets = []string{"assets"} }, sorted(assets, []string{"whoami"})},
		"functions only": {func(o *Options) { o.Toolsets = []string{"functions"} }, sorted(functions, []string{"whoami"})},
		"no service key": {func(o *Options) { o.AdminPlane = false }, sorted(data, functions)},
		"no anon key":    {func(o *Options) { o.CallerPlane = false }, sorted(admin, ai, assets, email, []string{"whoami"})},
		"ai only":        {func(o *Options) { o.Toolsets = []string{"ai"} }, sorted(ai, []string{"whoami"})},
		"email only":     {func(o *Options) { o.Toolsets = []string{"email"} }, sorted(email, []string{"whoami"})},
		"read only": {func(o *Options) { o.ReadOnly = true }, []string{
			"admin_describe_tables", "admin_query_table", "admin_sql", "describe_tables", "generate_image", "get_asset", "get_email",
			"list_assets", "list_emails", "list_mailboxes", "moderate", "query_table", "sign_asset", "translate", "whoami",
		}},
		"HTTP": {func(o *Options) { o.Shared = true }, data},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t, hostedtest.New(hostedtest.Hosted), test.change)
			list, _ := listTools(t, newServer(s))
			var got []string
			for _, tool := range list {
				got = append(got, tool.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.want, s.Names()); diff != "" {
				t.Error(diff)
			}
			all := newSet(t, hostedtest.New(hostedtest.Hosted), nil).Names()
			text := s.Instructions(context.Background())
			for _, tool := range all {
				if regexp.MustCompile(`\b`+tool+`\b`).MatchString(text) && !slices.Contains(test.want, tool) {
					t.Errorf("the instructions name %s, which is not enabled: %s", tool, text)
				}
			}
		})
	}
}

func TestAnUnknownToolsetIsRefused(t *testing.T) {
	client, err := core.New(core.Config{Base: "http://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{Client: client, Callers: auth.AnonymousCaller, Toolsets: []string{"dat"}})
	if err == nil || !strings.Contains(err.Error(), "data, admin, email, ai, assets, functions") {
		t.Errorf("toolset dat: %v", err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newSet(b, hostedtest.New(hostedtest.Hosted), nil)
	}
}
