package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever comes in, what goes out is JSON-RPC: process.end reads every line. In this session much goes wrong.
func TestStdoutHoldsOnlyJSONRPC(t *testing.T) {
	t.Parallel()
	l := newLine(shared.serve(t, "RUN402_TOOLSET=typo", "RUN402_OPEN_GRANTS=1"))
	l.hello(t, "2025-06-18")
	for _, text := range []string{
		"", "   ", "{", "[]", "null", "42", `"text"`, `{"jsonrpc":"1.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0"}`,
		`{"jsonrpc":"2.0","method":"nothing/known"}`, `{"jsonrpc":"2.0","id":null,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}`, "\x00\xff\xfe", strings.Repeat("x", 1<<16),
		`{"jsonrpc":"2.0","id":9001,"method":"tools/call"}`, `{"jsonrpc":"2.0","id":9002,"method":"tools/call","params":[]}`,
		`{"jsonrpc":"2.0","id":9003,"method":"tools/call","params":{"name":"whoami","arguments":"x"}}`,
		`{"jsonrpc":"2.0","id":9004,"method":"tools/call","params":{"name":7}}`,
		`{"jsonrpc":"2.0","id":9005,"method":"resources/read","params":{}}`,
		`{"jsonrpc":"2.0","id":9006,"method":"completion/complete","params":{}}`,
		`[{"jsonrpc":"2.0","id":9007,"method":"ping"}]`,
	} {
		l.send(t, text)
	}
	for _, call := range []map[string]any{
		callTool("query_table", args{"table": "nowhere"}), callTool("query_table", args{"tabel": "notes"}),
		callTool("insert_rows", args{"table": "canaries", "rows": []args{{"id": 1, "text": marker}}}),
		callTool("admin_insert_rows", args{"table": "canaries", "rows": []args{{"id": 1, "text": marker}}}), // exists
		callTool("admin_sql", args{"sql": "selec '" + marker + "'"}),
		callTool("admin_sql", args{"sql": "do $$ begin raise exception '" + marker + "'; end $$", "read_only": false}),
		callTool("admin_sql", args{"sql": "do $$ begin raise warning '" + marker + "'; end $$", "read_only": false}),
		callTool("admin_sql", args{"sql": "select $1::int", "params": []string{marker}}),
	} {
		if m := l.request(t, "tools/call", call); m.Error != nil {
			t.Errorf("%v was answered with a protocol error: %s", call, m.Error.Message)
		}
	}
	if m := l.request(t, "ping", nil); m.Error != nil {
		t.Errorf("it does not answer ping any more: %s", m.Error.Message)
	}
	if !strings.Contains(l.server.stderr.text(), "RUN402_TOOLSETS?") {
		t.Error("a misspelt variable gets no warning")
	}
}

// The tests that read the log for secrets are worth something only while the log tells of the calls.
func TestLogSaysWhoCalledWhat(t *testing.T) {
	t.Parallel()
	a := shared.agent(t, shared.as(t, "logged@example.com"))
	id := a.call(t, "insert_rows", args{"table": "notes", "rows": []args{{"text": marker}}}).column("owner")[0]
	a.refused(t, "query_table", args{"table": "nowhere", "filters": []args{{"column": "x", "value": marker}}}, "PGRST205")
	a.server.end()
	var got []map[string]any
	for line := range strings.Lines(a.server.stderr.text()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("the log has a line that is not JSON: %s", line)
		}
		if audit, ok := entry["audit"].(map[string]any); ok {
			delete(audit, "duration")
			got = append(got, audit)
		}
	}
	entry := func(tool, target, outcome string, rows float64) map[string]any {
		return map[string]any{
			"principal": id, "plane": "caller",
			"tool": tool, "target": target, "outcome": outcome, "rows": rows,
		}
	}
	want := []map[string]any{entry("insert_rows", "notes", "ok", 1), entry("query_table", "nowhere", "PGRST205", 0)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every revision that clients speak today, in its own words.
func TestEveryProtocolRevisionWorks(t *testing.T) {
	t.Parallel()
	const modern = "2026-07-28"
	for _, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", modern} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			l := newLine(shared.serve(t, shared.as(t, "eras@example.com")))
			params := func(more map[string]any) map[string]any {
				if version == modern { // every request says what initialize used to
					more["_meta"] = map[string]any{
						"io.modelcontextprotocol/protocolVersion":    modern,
						"io.modelcontextprotocol/clientCapabilities": map[string]any{},
						"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "e2e", "version": "1"},
					}
				}
				return more
			}
			var hello struct {
				ProtocolVersion   string   `json:"protocolVersion"`
				SupportedVersions []string `json:"supportedVersions"`
				Instructions      string   `json:"instructions"`
				Capabilities      struct {
					Tools, Resources, Completions *struct{}
				} `json:"capabilities"`
			}
			if version == modern {
				decode(t, l.request(t, "server/discover", params(map[string]any{})), &hello)
				if !strings.Contains(fmt.Sprint(hello.SupportedVersions), modern) {
					t.Errorf("it supports %v", hello.SupportedVersions)
				}
			} else {
				decode(t, l.hello(t, version), &hello)
				if hello.ProtocolVersion != version {
					t.Errorf("it speaks %s", hello.ProtocolVersion)
				}
			}
			if c := hello.Capabilities; c.Tools == nil || c.Resources == nil || c.Completions == nil {
				t.Errorf("it declares %+v", c)
			}
			if !strings.Contains(hello.Instructions, "eras@example.com") {
				t.Errorf("the instructions do not name the caller: %s", hello.Instructions)
			}

			var list struct {
				Tools []struct {
					Name        string          `json:"name"`
					InputSchema json.RawMessage `json:"inputSchema"`
				} `json:"tools"`
			}
			decode(t, l.request(t, "tools/list", params(map[string]any{})), &list)
			listed := false
			for _, tool := range list.Tools {
				listed = listed || tool.Name == "query_table"
				if !strings.Contains(string(tool.InputSchema), `"type":"object"`) {
					t.Errorf("%s has the schema %s", tool.Name, tool.InputSchema)
				}
			}
			if !listed {
				t.Errorf("it lists %+v", list.Tools)
			}
			var result struct {
				Content           []struct{ Type, Text string } `json:"content"`
				StructuredContent struct {
					User struct {
						Email string `json:"email"`
					} `json:"user"`
				} `json:"structuredContent"`
				IsError bool `json:"isError"`
			}
			decode(t, l.request(t, "tools/call", params(callTool("whoami", args{}))), &result)
			const email = "eras@example.com"
			if result.IsError || len(result.Content) != 1 || result.Content[0].Type != "text" ||
				!strings.Contains(result.Content[0].Text, email) || result.StructuredContent.User.Email != email {
				t.Errorf("whoami answers %+v", result)
			}
			var resources struct {
				Contents []struct{ URI, MIMEType, Text string } `json:"contents"`
			}
			decode(t, l.request(t, "resources/read", params(map[string]any{"uri": "run402://project"})), &resources)
			if len(resources.Contents) != 1 || !strings.Contains(resources.Contents[0].Text, "eras@example.com") {
				t.Errorf("run402://project is %+v", resources)
			}
		})
	}
}

func decode(t *testing.T, m message, result any) {
	t.Helper()
	if m.Error != nil {
		t.Fatalf("protocol error %d: %s", m.Error.Code, m.Error.Message)
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		t.Fatalf("%v: %s", err, m.Result)
	}
}

// What an agent can mend is an answer of the tool; only what no agent can mend is an error of the protocol.
func TestErrorsReachWhoCanActOnThem(t *testing.T) {
	t.Parallel()
	l := newLine(shared.serve(t))
	l.hello(t, "2025-11-25")
	for method, want := range map[string]int{"tools/call": -32602, "tools/destroy": -32601} {
		m := l.request(t, method, callTool("drop_everything", args{}))
		if m.Error == nil || m.Error.Code != want {
			t.Errorf("%s of what is not there: want the protocol error %d, got %s %+v", method, want, m.Result, m.Error)
		}
	}
	l.send(t, `{"jsonrpc":"2.0","id":77,"method":`)
	if m := l.next(t); m.Error == nil || m.Error.Code != -32700 {
		t.Errorf("malformed JSON: want a parse error, got %+v", m)
	}

	a := shared.agent(t, shared.as(t, "errors@example.com"))
	for _, c := range []struct {
		name     string
		tool     string
		args     args
		code     string
		says     string // somewhere in the answer
		nextStep bool
	}{
		{"a policy", "insert_rows", args{"table": "notes", "rows": []args{{"owner": "x", "text": "x"}}},
			"42501", "row level security policy refused", true},
		{"an unknown table", "query_table", args{"table": "note"}, "PGRST205", `"did_you_mean":"notes"`, false},
		{"an unknown column", "query_table", args{"table": "notes", "select": "id,txt"},
			"42703", `"valid":["id","owner","text"]`, false},
		{"an unknown argument", "query_table", args{"table": "notes", "where": "id=1"},
			"UNKNOWN_ARGUMENT", `"valid":["table","select","filters"`, false},
		{"a missing argument", "query_table", args{}, "INVALID_ARGUMENT", "table is missing", false},
		{"an operator", "query_table", args{"table": "notes", "filters": []args{{"column": "id", "op": "~", "value": "1"}}},
			"INVALID_ARGUMENT", `"valid":["eq"`, false},
		{"another type", "query_table", args{"table": "notes", "filters": []args{{"column": "id", "value": "one"}}},
			"22P02", "column's type", true},
		{"no filters", "delete_rows", args{"table": "notes", "filters": []args{}}, "INVALID_ARGUMENT", "every row", true},
		{"a write in read-only SQL", "admin_sql", args{"sql": "delete from notes"},
			"FORBIDDEN", "read_only to false", true},
		{"broken SQL", "admin_sql", args{"sql": "selec 1"}, "SQL_ERROR", "syntax error", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := a.refused(t, c.tool, c.args, c.code)
			if !strings.Contains(out.Text, c.says) || c.nextStep && out.Error.NextStep == "" {
				t.Errorf("the answer does not say %s, or not what to do next: %s", c.says, out.Text)
			}
		})
	}
}

// Claude sends lists, objects and numbers as JSON text now and then; what is meant is beyond doubt.
func TestArgumentsAsJSONTextAreUnderstood(t *testing.T) {
	t.Parallel()
	a := shared.agent(t, shared.as(t, "lenient@example.com"))
	a.call(t, "insert_rows", args{"table": "notes", "rows": `[{"text":"` + marker + ` 1"},{"text":"` + marker + ` 2"}]`})
	a.call(t, "insert_rows", args{"table": "notes", "rows": args{"text": marker + " 3"}})
	want := []string{marker + " 3", marker + " 2"}
	for _, arguments := range []any{
		args{"table": "notes", "order": "id.desc", "limit": "2"},
		args{"table": "notes", "order": []string{"id.desc"}, "limit": 2.0, "filters": "[]"},
		args{"table": "notes", "order": "-id", "limit": "2", "filters": `[{"column":"text","op":"like","value":"okapi%"}]`},
		args{"table": "notes", "order": "id desc", "limit": 2, "filters": args{"column": "id", "op": ">", "value": 0}},
	} {
		if diff := cmp.Diff(want, a.call(t, "query_table", arguments).column("text")); diff != "" {
			t.Errorf("%v: %s", arguments, diff)
		}
	}
}
