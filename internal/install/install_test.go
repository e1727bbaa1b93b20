package install

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/run402/functions-mcp/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// secretValue is in every secret that the tests set: it may appear nowhere.
const secretValue = "r402_okapi_7731"

// machine is where a test installs: a home of its own, a program, and an environment.
type machine struct {
	t    *testing.T
	home string
	exe  string
	env  map[string]string
}

func newMachine(t *testing.T, env map[string]string) *machine {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, home: home, exe: filepath.Join(home, "bin", "functions-mcp"), env: map[string]string{"HOME": home}}
	m.write(m.exe, "#!/bin/sh\n")
	for name, value := range env {
		m.env[name] = strings.ReplaceAll(value, "$HOME", home)
	}
	t.Chdir(home)
	return m
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(path string) string {
	m.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m *machine) lookup(name string) (string, bool) {
	value, ok := m.env[name]
	return value, ok
}

// install runs a command and returns what it printed, with the error as a last line, as a user sees it.
func (m *machine) install(c Request) (out, says string, err error) {
	m.t.Helper()
	if c.Name == "" {
		c.Name = "run402"
	}
	if c.Scope == "" {
		c.Scope = scopeUser
	}
	if c.LocalProject == "" {
		c.LocalProject = "default"
	}
	var pasted, remarks bytes.Buffer
	err = Run(c, Machine{
		GOOS: "linux", Lookup: m.lookup, Exe: m.exe, MCPPath: "/mcp", Now: time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC),
		Out: &pasted, Remarks: &remarks,
	})
	if err != nil {
		remarks.WriteString("functions-mcp: " + err.Error() + "\n")
	}
	for _, text := range []string{pasted.String(), remarks.String()} {
		if strings.Contains(text, secretValue) {
			m.t.Errorf("a secret is printed:\n%s", text)
		}
	}
	return m.blur(pasted.String()), m.blur(remarks.String()), err
}

// blur takes the test's own directory out of a text.
func (m *machine) blur(text string) string { return strings.ReplaceAll(text, m.home, "$HOME") }

var link = regexp.MustCompile(`https://\S+/mcp/install\S+|https://\S+/install-mcp\S+`) // which has the directory encoded

// installCase is one section of each client's golden file: what is there before is read from it.
type installCase struct {
	name    string
	command Request
	env     map[string]string
}

func installCases() []installCase {
	remote := map[string]string{
		"RUN402_PROJECT_ID": "prj_1", "RUN402_ANON_KEY": secretValue + "a", "RUN402_SERVICE_KEY": secretValue + "s",
		"RUN402_USER_TOKEN_FILE": "$HOME/token",
	}
	options := Request{Name: "desk"}
	options.LocalProject, options.DataDir, options.Toolsets, options.ReadOnly = "demo", "data", []string{"data"}, true
	return []installCase{
		{name: "fresh"},
		{name: "others"},
		{name: "same"},
		{name: "different"},
		{name: "forced", command: Request{Force: true}},
		{name: "comments"},
		{name: "broken"},
		{name: "options", command: options},
		{name: "remote", env: remote},
		{name: "url", command: Request{URL: "http://127.0.0.1:8402"},
			env: map[string]string{"RUN402_USER_TOKEN": secretValue + "t"}},
		{name: "relay", env: map[string]string{
			"RUN402_SMTP_URL": "smtps://u:" + secretValue + "@smtp.example.com", "RUN402_EMAIL_FROM_DOMAIN": "example.com",
			"RUN402_AI_BASE_URL": "https://ai.example.com/v1", "RUN402_AI_API_KEY": secretValue + "k",
			"RUN402_AI_TRANSLATE_MODEL": "small",
		}},
		{name: "print", command: Request{Print: true}},
	}
}

func TestInstall(t *testing.T) {
	golden, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Clients() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(golden, name+".txtar")
			want, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: want.Comment}
			for _, c := range installCases() {
				t.Run(c.name, func(t *testing.T) { installGolden(t, name, c, want, got) })
			}
			text := txtar.Format(got)
			if *update {
				if err := os.WriteFile(file, text, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(txtar.Format(want)), string(text)); diff != "" {
				t.Errorf("go test -run TestInstall -update writes %s anew (-want +got):\n%s", file, diff)
			}
		})
	}
}

// installGolden runs one case on what want has before, and adds what came of it to got.
func installGolden(t *testing.T, name string, c installCase, want, got *txtar.Archive) {
	m := newMachine(t, c.env)
	client, err := clientNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := client.user(Machine{GOOS: "linux", Lookup: m.lookup})
	if err != nil {
		t.Fatal(err)
	}
	add := func(part, text string) {
		if text != "" {
			got.Files = append(got.Files, txtar.File{Name: c.name + ": " + part, Data: []byte(text)})
		}
	}
	var before string
	for _, f := range want.Files {
		if f.Name == c.name+": before" {
			before = string(f.Data)
			m.write(path, strings.ReplaceAll(before, "$HOME", m.home))
		}
	}
	c.command.Client, c.command.UserTokenFile = name, m.env["RUN402_USER_TOKEN_FILE"]
	out, says, err := m.install(c.command)
	after := m.blur(m.read(path))
	add("before", before)
	if after != before {
		add("after", after)
	}
	add("prints", out)
	add("says", link.ReplaceAllString(says, "https://…"))
	if strings.Contains(after, secretValue) {
		t.Errorf("a secret is written:\n%s", after)
	}
	if err != nil && after != before {
		t.Errorf("it failed, and yet changed the file:\n%s", after)
	}
	if err != nil || c.command.Print || c.command.URL != "" && client.noHTTP != nil {
		return
	}
	m.checkBackup(path, before, after)
	if _, says, err := m.install(c.command); err != nil || m.blur(m.read(path)) != after {
		t.Errorf("a second time it says %s, %v, and leaves:\n%s", says, err, m.read(path))
	}
	if found, _ := filepath.Glob(path + ".bak-*"); len(found) > 1 {
		t.Errorf("a second time it keeps a backup too: %v", found)
	}
}

// checkBackup wants the old text beside a file that has changed, and nothing else that was not there.
func (m *machine) checkBackup(path, before, after string) {
	m.t.Helper()
	wantFiles := []string{filepath.Base(path)}
	backup := path + ".bak-20261123-150405.000"
	if before != "" && after != before {
		wantFiles = append(wantFiles, filepath.Base(backup))
		if got := m.blur(m.read(backup)); got != before {
			m.t.Errorf("the backup is not what was there:\n%s", got)
		}
	}
	if filepath.Dir(path) == m.home {
		wantFiles = append(wantFiles, "bin")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		m.t.Fatal(err)
	}
	var files []string
	for _, entry := range entries {
		files = append(files, entry.Name())
	}
	slices.Sort(wantFiles)
	if diff := cmp.Diff(wantFiles, files); diff != "" {
		m.t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestKeepsWhatTheFileIs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are otherwise there")
	}
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o666} {
		t.Run(mode.String(), func(t *testing.T) {
			m := newMachine(t, nil)
			kept, symlink := filepath.Join(m.home, "dotfiles", "mcp.json"), filepath.Join(m.home, ".cursor", "mcp.json")
			m.write(kept, "{}\n")
			if err := errors.Join(os.Chmod(kept, mode), os.Mkdir(filepath.Dir(symlink), 0o755),
				os.Symlink("../dotfiles/mcp.json", symlink)); err != nil {
				t.Fatal(err)
			}
			if _, says, err := m.install(Request{Client: "cursor"}); err != nil {
				t.Fatal(says)
			}
			info, err := os.Lstat(kept)
			if err != nil || info.Mode() != mode || info.Size() < 10 {
				t.Errorf("the file is %v, %v, want one of mode %s", info, err, mode)
			}
			backup, err := os.Stat(kept + ".bak-20261123-150405.000")
			if err != nil || backup.Mode() != mode {
				t.Errorf("the backup is %v, %v, want one of mode %s", backup, err, mode)
			}
			if info, err := os.Lstat(symlink); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("the link is %v, %v now", info, err)
			}
		})
	}
}

func TestMakesAFileForTheUserAlone(t *testing.T) {
	m := newMachine(t, nil)
	for scope, want := range map[string]fs.FileMode{scopeUser: 0o600, scopeProject: 0o644} {
		if _, says, err := m.install(Request{Client: "claude-code", Scope: scope}); err != nil {
			t.Fatal(says)
		}
		path := map[string]string{scopeUser: ".claude.json", scopeProject: ".mcp.json"}[scope]
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&^want != 0 {
			t.Errorf("%s: %v, %v, want mode %s at most", path, info, err, want)
		}
	}
}

func TestLosesNothingThatAClientWroteMeanwhile(t *testing.T) {
	m := newMachine(t, nil)
	path := filepath.Join(m.home, ".claude.json")
	for _, before := range []string{"", `{"a": 1}`} {
		if before != "" {
			m.write(path, before)
		}
		file, err := readConfigFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m.write(path, `{"a": 2}`)
		if _, err := file.write([]byte("ours"), 0o600, time.Now()); err == nil || m.read(path) != `{"a": 2}` {
			t.Errorf("%q: got %v and %s", before, err, m.read(path))
		}
		if left, _ := filepath.Glob(filepath.Join(m.home, ".*.tmp")); left != nil {
			t.Errorf("left behind: %v", left)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefuses(t *testing.T) {
	tests := map[string]struct {
		command Request
		env     map[string]string
		want    string
	}{
		"a name that clients refuse":  {command: Request{Client: "cursor", Name: "a b"}, want: "letters, digits"},
		"no project of that client":   {command: Request{Client: "cline", Scope: scopeProject}, want: "leave out --scope"},
		"a url without a scheme":      {command: Request{Client: "cursor", URL: "localhost:1"}, want: "not a URL"},
		"a url with a password":       {command: Request{Client: "cursor", URL: "http://u:" + secretValue + "@localhost"}, want: "leave out user"},
		"tokens in clear":             {command: Request{Client: "cursor", URL: "http://example.com/mcp"}, want: "use https"},
		"a token file with a url":     {command: Request{Client: "cursor", URL: "http://[::1]/", UserTokenFile: "f"}, want: "leave it out"},
		"two tokens":                  {command: Request{Client: "cursor", UserTokenFile: "f"}, env: map[string]string{"RUN402_USER_TOKEN": secretValue}, want: "unset one"},
		"half a backend":              {command: Request{Client: "cursor"}, env: map[string]string{"RUN402_PROJECT_ID": "prj_1"}, want: "without any project key"},
		"a home that cannot be found": {command: Request{Client: "cursor"}, env: map[string]string{"HOME": ""}, want: "set it, or take --print"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, test.env)
			_, says, err := m.install(test.command)
			if err == nil || !strings.Contains(says, test.want) {
				t.Errorf("it says %q, want %q", says, test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(m.home, ".*")); left != nil {
				t.Errorf("it wrote %v", left)
			}
		})
	}
}

func TestFindsFilesOnEachSystem(t *testing.T) {
	const home = "/home/ana"
	env := map[string]string{"HOME": home, "USERPROFILE": home, "APPDATA": home + "/Roaming"}
	tests := []struct{ client, goos, variable, value, want string }{
		{client: "claude-code", goos: "linux", want: home + "/.claude.json"},
		{client: "claude-code", goos: "windows", want: home + "/.claude.json"},
		{client: "claude-code", goos: "linux", variable: "CLAUDE_CONFIG_DIR", value: "/c", want: "/c/.claude.json"},
		{client: "claude-desktop", goos: "darwin", want: home + "/Library/Application Support/Claude/claude_desktop_config.json"},
		{client: "claude-desktop", goos: "windows", want: home + "/Roaming/Claude/claude_desktop_config.json"},
		{client: "claude-desktop", goos: "linux", want: home + "/.config/Claude/claude_desktop_config.json"},
		{client: "claude-desktop", goos: "linux", variable: "XDG_CONFIG_HOME", value: "/x", want: "/x/Claude/claude_desktop_config.json"},
		{client: "cursor", goos: "darwin", want: home + "/.cursor/mcp.json"},
		{client: "cursor", goos: "windows", want: home + "/.cursor/mcp.json"},
		{client: "cline", goos: "linux", want: home + "/.cline/data/settings/cline_mcp_settings.json"},
		{client: "cline", goos: "linux", variable: "CLINE_DIR", value: "/c", want: "/c/data/settings/cline_mcp_settings.json"},
		{client: "cline", goos: "linux", variable: "CLINE_DATA_DIR", value: "/c", want: "/c/settings/cline_mcp_settings.json"},
		{client: "cline", goos: "linux", variable: "CLINE_MCP_SETTINGS_PATH", value: "/c.json", want: "/c.json"},
		{client: "vscode", goos: "linux", want: home + "/.config/Code/User/mcp.json"},
		{client: "vscode", goos: "darwin", want: home + "/Library/Application Support/Code/User/mcp.json"},
		{client: "vscode", goos: "windows", want: home + "/Roaming/Code/User/mcp.json"},
	}
	for _, test := range tests {
		client, err := clientNamed(test.client)
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.path(Machine{GOOS: test.goos, Lookup: func(name string) (string, bool) {
			if name == test.variable {
				return test.value, true
			}
			value, ok := env[name]
			return value, ok
		}}, scopeUser)
		if err != nil || filepath.ToSlash(got) != test.want {
			t.Errorf("%s on %s with %s: got %s, %v, want %s", test.client, test.goos, test.variable, got, err, test.want)
		}
	}
}

// A variable that this program comes to honour must be carried, kept secret, or named here.
func TestKnowsWhatToDoWithEachVariable(t *testing.T) {
	listeners := []string{"RUN402_PUBLIC_URL", "RUN402_ALLOWED_ORIGINS", "RUN402_AUTH_SERVER"}
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := fmtVars(reflect.TypeFor[config.ProjectFlags](), reflect.TypeFor[config.ToolFlags]())
	known := slices.Concat(listeners, flags, carried(), secretNames())
	for _, name := range regexp.MustCompile(`RUN402_[A-Z]+(_[A-Z]+)*`).FindAllString(string(doc), -1) {
		if !slices.Contains(known, name) {
			t.Errorf("%s is documented, and install neither carries it nor leaves it out for a reason", name)
		}
	}
	if len(flags) < 4 {
		t.Errorf("found %v only", flags)
	}
}

func fmtVars(structs ...reflect.Type) []string {
	var names []string
	for _, s := range structs {
		for field := range s.Fields() {
			names = append(names, field.Tag.Get("var"))
		}
	}
	return names
}

// The links of the README are those that install prints for a server that listens where the README says.
func TestLinksOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, nil)
	for _, client := range []string{"cursor", "vscode"} {
		_, says, err := m.install(Request{Client: client, URL: "http://127.0.0.1:8402/mcp", Print: true})
		if err != nil {
			t.Fatal(err)
		}
		want := link.FindString(says)
		if want == "" || !strings.Contains(string(readme), want) {
			t.Errorf("the README lacks %q", want)
		}
	}
}

func TestLinksHoldTheEntry(t *testing.T) {
	entry := serverEntry{Command: "/opt/a b/é+&", Env: map[string]string{"A": "${input:x}"}}
	inputs := []input{{Type: "promptString", ID: "x", Description: "a & b", Password: true}}
	decode := func(link, key string, into any, plain func(string) ([]byte, error)) {
		t.Helper()
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		text, err := plain(u.Query().Get(key))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Errorf("%s in %s: %v", key, link, err)
		}
	}
	var got [2]serverEntry
	var gotInputs []input
	link, err := cursorLink("n", entry, inputs)
	if err != nil {
		t.Fatal(err)
	}
	decode(link, "config", &got[0], base64.StdEncoding.DecodeString)
	link, err = vscodeLink("n", entry, inputs)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) ([]byte, error) { return []byte(s), nil }
	decode(link, "config", &got[1], text)
	decode(link, "inputs", &gotInputs, text)
	if diff := cmp.Diff([]any{entry, entry, inputs}, []any{got[0], got[1], gotInputs}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(link, "+") {
		t.Errorf("a blank became a plus, which JavaScript does not read back: %s", link)
	}
}
