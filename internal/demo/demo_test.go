package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
	"github.com/run402/functions-mcp/internal/install"
)

// The demo starts the program that it is part of, so it is the built program that is tested.
func TestDemo(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "functions-mcp")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("plays, and leaves nothing behind", func(t *testing.T) { testDemoPlays(t, exe) })
	t.Run("keeps a project for the clients that it says how to connect", func(t *testing.T) { testDemoKeeps(t, exe) })
	t.Run("ends when it is interrupted", func(t *testing.T) { testDemoInterrupted(t, exe) })
	t.Run("ends when nobody reads it", func(t *testing.T) { testDemoUnread(t, exe) })
}

// run is one run of the demo in a world of its own: whatever it leaves is in or names dir.
type demoRun struct {
	*exec.Cmd
	dir    string
	stderr bytes.Buffer
}

func newDemoRun(t *testing.T, exe string, args ...string) *demoRun {
	t.Helper()
	dir := pgtest.Dir(t)
	r := &demoRun{Cmd: exec.CommandContext(t.Context(), exe, append([]string{"demo"}, args...)...), dir: dir}
	r.Env = []string{"TMPDIR=" + dir, "RUN402_DATA_DIR=" + filepath.Join(dir, "data")}
	for _, name := range []string{"PATH", "HOME", "RUN402_PG_BIN"} {
		r.Env = append(r.Env, name+"="+os.Getenv(name))
	}
	r.Stderr = &r.stderr
	return r
}

func testDemoPlays(t *testing.T, exe string) {
	r := newDemoRun(t, exe)
	// What the user has set for servers of their own does not matter here.
	r.Env = append(r.Env, "RUN402_USER_TOKEN=nonsense", "RUN402_TOOLSETS=data", "RUN402_PROJECT_ID=prj_0000000000000000",
		"RUN402_SERVICE_KEY=nonsense")
	out, err := r.Output()
	if err != nil || r.stderr.Len() > 0 {
		t.Fatalf("%v\n%s\n%s", err, out, &r.stderr)
	}
	checkScreen(t, exe, string(out))
	for i := range session() {
		if heading := fmt.Sprintf("\n%2d  ", i+1); !strings.Contains(string(out), heading) {
			t.Errorf("step %d is missing", i+1)
		}
	}
	checkNothingLeft(t, r.dir)
}

// checkScreen holds the output to 80 columns, but for what is to be pasted, and to the secrets that it must not show.
func checkScreen(t *testing.T, exe, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if columns(line) > 80 && !strings.Contains(line, exe) && !strings.Contains(line, "RUN402_") &&
			!strings.Contains(line, os.TempDir()) {
			t.Errorf("a line has %d columns: %s", columns(line), line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
			t.Errorf("a line has control characters, and this is no terminal: %q", line)
		}
	}
	if secret := regexp.MustCompile(`eyJ[\w-]+\.[\w-]+|[0-9a-f]{64}`).FindString(out); secret != "" {
		t.Errorf("the output holds a token, a key or a secret: %s", secret)
	}
}

// checkNothingLeft wants dir empty, and no process that was started in it.
func checkNothingLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("left behind: %s", entry.Name())
	}
	deadline := time.Now().Add(10 * time.Second) // PostgreSQL drops its files a moment before it ends
	for len(processesOf(dir)) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, process := range processesOf(dir) {
		t.Errorf("still running: %s", process)
	}
}

// processesOf lists the processes that name dir in their arguments or environment, where there is a /proc.
func processesOf(dir string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well-formed
	for _, file := range files {
		args, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
		if bytes.Contains(args, []byte(dir)) || bytes.Contains(env, []byte(dir)) {
			found = append(found, string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func testDemoKeeps(t *testing.T, exe string) {
	r := newDemoRun(t, exe, "--keep")
	out, err := r.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &r.stderr)
	}
	checkScreen(t, exe, string(out))

	for _, line := range installLines(t, string(out)) {
		run := exec.CommandContext(t.Context(), "sh", "-c", line)
		run.Dir, run.Env = r.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(r.dir, "home")}
		if said, err := run.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, said)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "home", ".claude.json"))
	if err != nil {
		t.Fatal(err)
	}
	var installed struct {
		MCPServers map[string]struct {
			Command string
			Env     map[string]string
		}
	}
	if err := json.Unmarshal(text, &installed); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	entry := installed.MCPServers["helpdesk"]
	if who := whoAnswers(t, entry.Command, entry.Env); !strings.Contains(who, `"email":"ana@example.com"`) {
		t.Errorf("whoami of the server that was installed: %s", who)
	}

	tokens, err := filepath.Glob(filepath.Join(r.dir, "data", "demo", "*.token"))
	if err != nil || len(tokens) != 2 {
		t.Errorf("tokens are %v, want ana's and ben's (%v)", tokens, err)
	}
	for _, token := range tokens {
		if info, err := os.Stat(token); err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is not for its owner alone: %v", token, info.Mode())
		}
	}

	again := exec.CommandContext(t.Context(), exe, "demo", "--keep")
	again.Env = r.Env
	said, err := again.CombinedOutput()
	if again.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), "exists already") {
		t.Errorf("a second --keep: %v\n%s", err, said)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "data", "demo", "pg")); err != nil {
		t.Errorf("the second --keep did not leave the project alone: %v", err)
	}
}

// installLines are what a reader would paste into a shell, one line for each client.
func installLines(t *testing.T, out string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, " install ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != len(install.Clients()) {
		t.Fatalf("%d lines install a client, want %d:\n%s", len(lines), len(install.Clients()), out)
	}
	return lines
}

// whoAnswers starts a server as a client with nearly no environment does, and asks it who the caller is.
func whoAnswers(t *testing.T, command string, env map[string]string) string {
	t.Helper()
	start := func(ctx context.Context, command string, _, _ []string) (*exec.Cmd, error) {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), command)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Stderr = io.Discard // else the client closes it before the server has ended
		return cmd, nil
	}
	c, err := client.NewStdioMCPClientWithOptions(command, nil, nil, transport.WithCommandFunc(start))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := c.Initialize(t.Context(), mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	a, err := (&agent{client: c}).call(t.Context(), "whoami", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	return string(a.text)
}

func testDemoInterrupted(t *testing.T, exe string) {
	r := newDemoRun(t, exe)
	out := startReading(t, r)
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	checkFails(t, r, "interrupted")
}

func testDemoUnread(t *testing.T, exe string) {
	r := newDemoRun(t, exe)
	if err := startReading(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	checkFails(t, r, "broken pipe")
}

// startReading starts a run and reads up to the first line about PostgreSQL, which is up then.
func startReading(t *testing.T, r *demoRun) io.ReadCloser {
	t.Helper()
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	var read []byte
	for buf := make([]byte, 4096); !bytes.Contains(read, []byte("PostgreSQL is up")); {
		n, err := out.Read(buf)
		if read = append(read, buf[:n]...); err != nil {
			t.Fatalf("%v\n%s\n%s", err, read, &r.stderr)
		}
	}
	return out
}

func checkFails(t *testing.T, r *demoRun, why string) {
	t.Helper()
	if err := r.Wait(); !errors.As(err, new(*exec.ExitError)) || r.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	if !strings.Contains(r.stderr.String(), why) {
		t.Errorf("it says %q, want %q", &r.stderr, why)
	}
	checkNothingLeft(t, r.dir)
}

func TestWantsFailOnAnythingElse(t *testing.T) {
	yes := func(text string) answer { return answer{text: json.RawMessage(text)} }
	no := func(text string) answer { return answer{text: json.RawMessage(text), refused: true} }
	tests := map[string]struct {
		want want
		good answer
		bad  []answer
	}{
		"says":       {says("ana"), yes(`{"email":"ana"}`), []answer{yes(`{}`), no(`{"error":{"message":"ana"}}`)}},
		"keepsQuiet": {keepsQuiet("dark"), yes(`{}`), []answer{yes(`{"x":"dark"}`)}},
		"touches": {touches(0), yes(`{"affected":0}`),
			[]answer{yes(`{"affected":1}`), yes(`{"rows":[]}`), no(`{"affected":0}`), yes(`no JSON`)}},
		"refuses": {refuses("42501", "policy"), no(`{"error":{"code":"42501","message":"policy"}}`), []answer{
			yes(`{"error":{"code":"42501","message":"policy"}}`), no(`{"error":{"code":"42703","message":"policy"}}`),
			no(`{"error":{"code":"42501"}}`), no(`{}`),
		}},
		"all": {all(says("a"), keepsQuiet("b")), yes(`{"a":1}`), []answer{yes(`{"a":1,"b":2}`), yes(`{"b":2}`), yes(`{}`)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := test.want(t.Context(), nil, test.good); err != nil {
				t.Errorf("%s: %v", test.good.text, err)
			}
			for _, bad := range test.bad {
				if test.want(t.Context(), nil, bad) == nil {
					t.Errorf("%s (refused: %t) passes", bad.text, bad.refused)
				}
			}
		})
	}
}

func TestScreenKeepsToItsWidth(t *testing.T) {
	long := strings.Repeat("ünïcödé ", 30) + strings.Repeat("x", 200)
	var b bytes.Buffer
	s := newScreen(&b, func(string) (string, bool) { return "", false })
	s.text("  ", long)
	s.heading(1, long)
	s.call("query_table", long)
	s.timed("label", plain, long, time.Second)
	value, err := json.Marshal(map[string]any{"rows": []any{map[string]any{"x": long}, 1, 2, 3, 4}, "notice": long})
	if err != nil {
		t.Fatal(err)
	}
	s.answer("ana", answer{text: value}, []string{"notice", "rows", "missing"})
	s.answer("ana", answer{text: json.RawMessage("no JSON " + long)}, nil)
	for line := range strings.Lines(b.String()) {
		if n := columns(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(b.String(), "and 2 more") {
		t.Errorf("rows that are left out are not counted:\n%s", &b)
	}
}

func TestAProgramOfGoRunIsToBeBuiltFirst(t *testing.T) {
	var b bytes.Buffer
	p := &player{
		out:   newScreen(&b, func(string) (string, bool) { return "", false }),
		local: config.Local{Project: "demo", Dir: "/data/demo", PGBin: "/pg 15/bin"},
	}
	o := Options{
		Exe: "/tmp/go-build1/functions-mcp", Clients: []string{"cursor"}, Environ: []string{"RUN402_ANON_KEY=okapi", "A=b"},
		Lasting: func(string) error { return errors.New("gone") },
	}
	p.connect(o, false)
	p.connect(o, true)
	for _, want := range []string{
		"\nmake build\n", "\nbin/functions-mcp install cursor\n", "too: RUN402_ANON_KEY.",
		"\nRUN402_PG_BIN='/pg 15/bin' bin/functions-mcp install cursor --name helpdesk --local-project demo " +
			"--data-dir /data --user-token-file /data/demo/ana.token\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "go-build") || strings.Contains(b.String(), "okapi") {
		t.Errorf("it shows what it should not:\n%s", &b)
	}
}

func TestAServersAuditIsLeftOut(t *testing.T) {
	const audit = `{"level":"INFO","msg":"call","audit":{"tool":"admin_sql"}}` + "\n"
	const warning, panicked = `{"level":"WARN","msg":"careful"}` + "\n", "panic: no JSON\n"
	const said, want = warning + audit + panicked, warning + panicked
	for size := 1; size <= len(said); size++ {
		var b bytes.Buffer
		l := &lines{w: &b}
		for part := range slices.Chunk([]byte(said), size) {
			if n, err := l.Write(part); n != len(part) || err != nil {
				t.Fatalf("wrote %d of %d bytes: %v", n, len(part), err)
			}
		}
		if b.String() != want {
			t.Errorf("in parts of %d bytes: %q", size, &b)
		}
	}
}

func TestShellReadsBackWhatWasQuoted(t *testing.T) {
	words := []string{"/opt/x", "A=b c", "it's", `$HOME "x" \`, "~/x", "*"}
	script := "printf '%s\\n'"
	for _, w := range words {
		script += " " + shellQuote(w)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); !slices.Equal(got, words) {
		t.Errorf("%q, want %q", got, words)
	}
}
