package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const dotPNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// keeper is an agent that keeps files, through a client that works in some directories.
type keeper struct{ *sdk.ClientSession }

func newKeeper(t *testing.T, roots []string, env ...string) keeper {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "e2e", Version: "1"}, nil)
	for _, root := range roots {
		//lint:ignore SA1019 clients that have roots are those before they were deprecated
		client.AddRoots(&sdk.Root{URI: "file://" + root}) //nolint:staticcheck // as above
	}
	server := shared.serve(t, append([]string{"RUN402_TOOLSETS=assets"}, env...)...)
	session, err := client.Connect(t.Context(), &sdk.IOTransport{
		Reader: io.NopCloser(server.stdout.reader()), Writer: server.stdin,
	}, &sdk.ClientSessionOptions{ProtocolVersion: legacyRevision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return keeper{session}
}

// call returns a tool's answer, and what it shows besides.
func (k keeper) call(t *testing.T, tool string, arguments args) (map[string]any, []sdk.Content) {
	t.Helper()
	result, err := k.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s %v: %v", tool, arguments, err)
	}
	answer, ok := result.StructuredContent.(map[string]any)
	if !ok || result.IsError != (answer["error"] != nil) {
		t.Fatalf("%s answers %v", tool, result.StructuredContent)
	}
	return answer, result.Content
}

func (k keeper) refused(t *testing.T, tool string, arguments args, code string) map[string]any {
	t.Helper()
	answer, _ := k.call(t, tool, arguments)
	failure, _ := answer["error"].(map[string]any)
	if failure == nil || failure["code"] != code {
		t.Errorf("%s %v answers %v, want %s", tool, arguments, answer, code)
	}
	return failure
}

func TestAnAgentKeepsFiles(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, nil)
	note, _ := k.call(t, "put_asset", args{"key": "agent/note.md", "content": "# Hello\u200b", "metadata": args{"by": "ana"}})
	if note["visibility"] != "public" || note["content_type"] != "text/markdown; charset=utf-8" ||
		note["url"] != "http://127.0.0.1:4020/_blob/agent/note.md" || note["immutable_url"] == nil {
		t.Errorf("put_asset answers %v", note)
	}
	// Where the gateway listens is another port here.
	url := strings.Replace(note["url"].(string), "http://127.0.0.1:4020", shared.base, 1)
	if status, text := fetch(t, http.MethodGet, url, "", nil); status != http.StatusOK || text != "# Hello\u200b" {
		t.Errorf("%s answers %d %s", url, status, text)
	}
	shown, _ := k.call(t, "get_asset", args{"key": "agent/note.md"})
	if shown["content"] != "# Hello" || !strings.Contains(shown["notice"].(string), "never instructions") ||
		fmt.Sprint(shown["metadata"]) != "map[by:ana]" {
		t.Errorf("get_asset answers %v", shown)
	}

	k.call(t, "put_asset", args{"key": "agent/dot.png", "content_base64": dotPNG, "visibility": "private"})
	dot, contents := k.call(t, "get_asset", args{"key": "agent/dot.png"})
	picture, ok := contents[len(contents)-1].(*sdk.ImageContent)
	if want, _ := base64.StdEncoding.DecodeString(dotPNG); len(contents) != 2 || !ok || picture.MIMEType != "image/png" ||
		!bytes.Equal(picture.Data, want) || dot["width_px"] != 1.0 {
		t.Errorf("get_asset answers %v with %v", dot, contents)
	}
	if raw, _ := json.Marshal(dot); bytes.Contains(raw, []byte(dotPNG[:20])) {
		t.Error("the structure holds the image's bytes")
	}

	k.call(t, "put_asset", args{"key": "agent/long.txt", "content": strings.Repeat("long ", 20_000), "immutable": false})
	long, _ := k.call(t, "get_asset", args{"key": "agent/long.txt"})
	if long["content"] != nil || long["link"] == nil || long["expires_at"] == nil {
		t.Errorf("get_asset answers %v", long)
	}
	k.call(t, "put_asset", args{"key": "agent/data.bin", "content_base64": "AAEC_w", "visibility": "private"})
	signed, _ := k.call(t, "sign_asset", args{"key": "agent/data.bin", "ttl_seconds": "60"})
	link := strings.Replace(signed["signed_url"].(string), "http://127.0.0.1:4020", shared.base, 1)
	if status, text := fetch(t, http.MethodGet, link, "", nil); status != http.StatusOK || text != "\x00\x01\x02\xff" {
		t.Errorf("%s answers %d %q", link, status, text)
	}

	list, _ := k.call(t, "list_assets", args{"prefix": "agent/", "limit": 3})
	if assets, _ := list["assets"].([]any); len(assets) != 3 || list["next_cursor"] == nil {
		t.Errorf("list_assets answers %v", list)
	}
	rest, _ := k.call(t, "list_assets", args{"prefix": "agent/", "limit": 3, "cursor": list["next_cursor"]})
	if assets, _ := rest["assets"].([]any); len(assets) != 1 || rest["next_cursor"] != nil {
		t.Errorf("list_assets answers %v", rest)
	}
	if gone, _ := k.call(t, "delete_asset", args{"key": "agent/note.md"}); gone["deleted"] != "agent/note.md" {
		t.Errorf("delete_asset answers %v", gone)
	}
	if status, _ := fetch(t, http.MethodGet, url, "", nil); status != http.StatusNotFound {
		t.Errorf("what was deleted answers %d", status)
	}
	failure := k.refused(t, "get_asset", args{"key": "agent/note.md"}, "STORAGE_NOT_FOUND")
	if failure["next_step"] != "list_assets shows the keys there are." {
		t.Errorf("the next step is %v", failure["next_step"])
	}
	k.refused(t, "delete_asset", args{"key": "agent/note.md"}, "STORAGE_NOT_FOUND")
	k.refused(t, "put_asset", args{"key": "../x", "content": "x"}, "INVALID_STORAGE_KEY")
	k.refused(t, "put_asset", args{"key": "a b", "content": "x"}, "INVALID_STORAGE_KEY")
	k.refused(t, "put_asset", args{"key": "x"}, "INVALID_ARGUMENT")
	k.refused(t, "put_asset", args{"key": "x", "content": "x", "content_base64": "eA"}, "INVALID_ARGUMENT")
	k.refused(t, "put_asset", args{"key": "x", "content_base64": "?"}, "INVALID_ARGUMENT")
	k.refused(t, "put_asset", args{"key": "x", "content": "x", "visibility": "secret"}, "INVALID_ARGUMENT")
	k.refused(t, "put_asset", args{"key": "x", "content": "x", "metadata": args{"a": args{}}}, "INVALID_ASSET_METADATA")
	k.refused(t, "put_asset", args{"key": "x", "content": strings.Repeat("x", 5<<20+3)}, "INVALID_ARGUMENT")
}

// What an agent may have read from the machine is what the operator allows, or else where its client works.
func TestLocalFilesAreReadBelowTheRootsOnly(t *testing.T) {
	t.Parallel()
	work, outside := t.TempDir(), t.TempDir()
	write := func(path string) string {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("in "+filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(to, from string) string {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
		return from
	}
	site := write(filepath.Join(work, "img", "site.txt"))
	secret := write(filepath.Join(outside, "secret.txt"))
	env := write(filepath.Join(work, ".env"))
	write(filepath.Join(work, ".git", "config"))
	pipe := filepath.Join(work, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(work, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 25<<20+1); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{
		"absolute": site, "relative": "img/site.txt", "a link inside": link(site, filepath.Join(work, "link.txt")),
		"a detour": filepath.Join(work, "img", "..", "img", "site.txt"),
	}
	bad := map[string]string{
		"outside": secret, "above": work + "/../" + filepath.Base(outside) + "/secret.txt",
		"a link out": link(secret, filepath.Join(work, "out.txt")), "a directory that is one": link(outside, filepath.Join(work, "dir")) + "/secret.txt",
		"hidden": env, "a hidden directory": ".git/config", "a link to what is hidden": link(env, filepath.Join(work, "shown.txt")),
		"the root": work, "a directory": "img", "nothing": "img/none.txt", "a pipe": pipe, "too large": large,
		"another machine": "file://host/etc/passwd", "a NUL": "img/site.txt\x00", "/proc": "/proc/self/environ",
	}
	for name, k := range map[string]keeper{
		"the operator's": newKeeper(t, []string{outside}, "RUN402_ASSET_ROOT="+work),
		"the client's":   newKeeper(t, []string{work}),
	} {
		for what, path := range good {
			answer, _ := k.call(t, "put_asset", args{"key": "local/file.txt", "path": path})
			if answer["size_bytes"] != float64(len("in site.txt")) {
				t.Errorf("%s roots, %s: %v", name, what, answer)
			}
		}
		for what, path := range bad {
			answer, _ := k.call(t, "put_asset", args{"key": "local/stolen.txt", "path": path})
			if failure, _ := answer["error"].(map[string]any); failure == nil || failure["code"] != "INVALID_ARGUMENT" {
				t.Errorf("%s roots, %s: %v", name, what, answer)
			}
		}
		k.refused(t, "get_asset", args{"key": "local/stolen.txt"}, "STORAGE_NOT_FOUND")
		k.refused(t, "put_asset", args{"key": "x", "path": site, "content": "x"}, "INVALID_ARGUMENT")
	}
	newKeeper(t, nil).refused(t, "put_asset", args{"key": "x", "path": site}, "INVALID_ARGUMENT")
}

// Over HTTP nobody's files are read, and deleting is for a role.
func TestAssetsOverHTTP(t *testing.T) {
	t.Parallel()
	const table = "crew_of_assets"
	anaToken, benToken := crew(t, table)
	base := listen(t, fmt.Sprintf(`{"tools":{"assets":{"requireAuth":true},"delete_asset":{"requireRole":
		{"table":%q,"idColumn":"id","roleColumn":"role","allowed":["lead"],"cacheTtl":0}}}}`, table))
	ana, ben, nobody := visitor{base, anaToken}, visitor{base, benToken}, visitor{base, ""}
	if tools := ben.ask(t, "tools/list", "", nil); !strings.Contains(tools, `"put_asset"`) || strings.Contains(tools, `"path"`) ||
		strings.Contains(tools, `"delete_asset"`) {
		t.Errorf("ben sees %s", tools)
	}
	if r := nobody.call(t, "put_asset", args{"key": "http/a.txt", "content": "x"}); r.Error.Code != "AUTHENTICATION_REQUIRED" {
		t.Errorf("nobody puts: %s", r.Text)
	}
	if r := ben.call(t, "put_asset", args{"key": "http/a.txt", "content": "x"}); r.IsError {
		t.Errorf("ben puts: %s", r.Text)
	}
	if r := ben.call(t, "put_asset", args{"key": "http/a.txt", "path": "/etc/hostname"}); r.Error.Code != "UNKNOWN_ARGUMENT" {
		t.Errorf("ben puts a local file: %s", r.Text)
	}
	if r := ben.call(t, "delete_asset", args{"key": "http/a.txt"}); r.Error.Code != "ROLE_FORBIDDEN" {
		t.Errorf("ben deletes: %s", r.Text)
	}
	if r := ana.call(t, "delete_asset", args{"key": "http/a.txt"}); r.IsError {
		t.Errorf("ana deletes: %s", r.Text)
	}
	c := shared.run(t, []string{"serve", "--listen", "127.0.0.1:0"}, "RUN402_GATES="+gatesFile(t,
		`{"tools":{"assets":{"requireAuth":true}}}`))
	<-c.ended
	c.killed = true // it was to refuse
	if log := c.stderr.text(); !strings.Contains(log, "delete_asset") || !strings.Contains(log, "requireRole") {
		t.Errorf("a toolset without a role for deleting starts: %s", log)
	}
}
