package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEditsInTheFilesOwnStyle(t *testing.T) {
	tests := map[string]struct{ before, after string }{
		"nothing": {"", "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"c\"\n    }\n  }\n}\n"},
		"blanks":  {" \n", "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"c\"\n    }\n  }\n}\n"},
		"one line": {
			`{"a":1.0,"mcpServers":{"x":{"command":"y"}}}`,
			`{"a":1.0,"mcpServers":{"x":{"command":"y"},"n":{"command":"c"}}}`,
		},
		"one line, empty": {`{"mcpServers":{}}`, `{"mcpServers":{"n":{"command":"c"}}}`},
		"tabs": {
			"{\n\t\"mcpServers\": {\n\t\t\"x\": {}\n\t},\n\t\"z\": 1e3\n}",
			"{\n\t\"mcpServers\": {\n\t\t\"x\": {},\n\t\t\"n\": {\n\t\t\t\"command\": \"c\"\n\t\t}\n\t},\n\t\"z\": 1e3\n}",
		},
		"Windows": {
			"{\r\n    \"b\": [ 1,2 ],\r\n    \"mcpServers\": {}\r\n}\r\n",
			"{\r\n    \"b\": [ 1,2 ],\r\n    \"mcpServers\": {\r\n        \"n\": {\r\n            \"command\": \"c\"\r\n        }\r\n    }\r\n}\r\n",
		},
		"null": {
			"{\n  \"mcpServers\": null\n}",
			"{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"c\"\n    }\n  }\n}",
		},
		"escaped key": {
			`{"mcp\u0053ervers":{"x":1}}`,
			`{"mcp\u0053ervers":{"x":1,"n":{"command":"c"}}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := editText(test.before)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLeavesWhatItCannotEdit(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"line comment":          {"{\n  // mine\n  \"a\": \"//\"\n}", "comments"},
		"block comment":         {`{"a": /* ", */ 1}`, "comments"},
		"trailing comma":        {`{"a": [1, 2, ], }`, "comments or trailing commas"},
		"cut off":               {"{\n\"a\": 1", "line 2"},
		"cut off in a comment":  {`{"a": 1 /*`, "line 1"},
		"cut off in a text":     {`{"a\`, "line 1"},
		"two values":            {`{} {}`, "not JSON"},
		"a list":                {`[]`, "does not hold an object"},
		"servers that are none": {`{"mcpServers": 3}`, "mcpServers"},
		"servers twice":         {`{"mcpServers": {}, "mcpServers": {}}`, "twice"},
		"server twice":          {`{"mcpServers": {"n": {}, "n": {}}}`, "twice"},
		"another server":        {`{"mcpServers": {"n": "okapi"}}`, "--force"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := editText(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "okapi") {
				t.Errorf("what is in the file is told: %v", err)
			}
		})
	}
}

// FuzzEditKeepsTheRest holds that the edit of any file adds one server and changes nothing else.
func FuzzEditKeepsTheRest(f *testing.F) {
	for _, text := range []string{
		"{}", `{"mcpServers":{}}`, "{\n\t\"a\": [1, {\"b\": \"\\\"}\"}],\n\t\"mcpServers\": {\n\t\t\"x\": {}\n\t}\n}\n",
		`{"mcpServers":{"n":{"command":"c","autoApprove":["x"]}}}`, ` { "mcpServers" : null , "n" : 1.50 } `, "{\r\n}", `{"":{"":[]}}`,
		`{"mcpServers":{"n":{"type":"stdio","command":"c","args":[],"env":{}}}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, before string) {
		after, err := editText(before)
		if errors.Is(err, errUnchanged) {
			return
		}
		if err != nil {
			return // and the file is left alone
		}
		want, got := parsed(t, before), parsed(t, after)
		servers, ok := got["mcpServers"].(map[string]any)
		if !ok || servers["n"] == nil {
			t.Fatalf("no entry in %s", after)
		}
		delete(servers, "n")
		if len(servers) == 0 && want["mcpServers"] == nil {
			delete(got, "mcpServers")
			delete(want, "mcpServers") // null
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q became %q (-want +got):\n%s", before, after, diff)
		}
		if again, err := editText(after); !errors.Is(err, errUnchanged) {
			t.Errorf("a second time: %q, %v", again, err)
		}
	})
}

// editText puts a server n with the command c into a file of mcpServers.
func editText(text string) (string, error) {
	doc, err := parseJSON([]byte(text))
	if err != nil {
		return "", err
	}
	in := installer{Request: Request{Name: "n"}}
	err = in.edit(doc, mcpClient{servers: "mcpServers"}, serverEntry{Command: "c"}, nil)
	return string(doc.text), err
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	m := make(map[string]any)
	if strings.TrimSpace(text) == "" {
		return m
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}
