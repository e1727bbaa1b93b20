// Package npm drives the libraries that Run402 functions use, unchanged, against the built program's gateway: what an
// author runs against a local project is what runs in the cloud. They are @run402/functions and PostgREST's own client,
// postgrest-js.
package npm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/ai/aitest"
)

func TestLibraries(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		skip(t, "Node.js is not installed")
	}
	if _, err := os.Stat("node_modules"); errors.Is(err, fs.ErrNotExist) {
		skip(t, "the libraries are not installed")
	}

	project := newProject(t)
	models := aitest.New(t)
	project.env = append(project.env,
		"RUN402_AI_BASE_URL="+models.BaseURL, "RUN402_AI_API_KEY="+aitest.Key, "RUN402_AI_TRANSLATE_MODEL="+aitest.ChatModel,
		"RUN402_AI_IMAGE_MODEL="+aitest.ImageModel, "RUN402_AI_IMAGES_PER_MONTH=3",
	)
	base := project.serveGateway(t)
	environment := append(os.Environ(), variables(project.run(t, "env"))...)
	environment = append(environment,
		"RUN402_API_BASE="+base,
		"ANA_TOKEN="+strings.TrimSpace(project.run(t, "token", "--email", "ana@example.com")),
		"BEN_TOKEN="+strings.TrimSpace(project.run(t, "token", "--email", "ben@example.com")),
	)

	tests := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec",
		"functions.test.mjs", "users.test.mjs", "assets.test.mjs", "email.test.mjs", "postgrest.test.mjs", "ai.test.mjs")
	tests.Env = environment
	report, err := tests.CombinedOutput()
	if err != nil {
		t.Errorf("node --test: %v\n%s", err, report)
	}
	if !regexp.MustCompile(`(?m)^ℹ pass [1-9]`).Match(report) {
		t.Errorf("no test ran:\n%s", report)
	}
	if testing.Verbose() {
		t.Logf("%s", report)
	}
}

// variables returns the assignments of an .env file as a process's environment has them.
func variables(dotenv string) []string {
	var assignments []string
	for line := range strings.Lines(dotenv) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			assignments = append(assignments, name+"="+strings.Trim(value, `"'`))
		}
	}
	return assignments
}

// skip skips where a developer runs only the Go tests, and fails where everything is meant to run.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and this is CI", why)
	}
	t.Skipf("%s: make test installs it", why)
}

// project is a local project of its own, and the program that serves it.
type project struct {
	program string
	env     []string
}

func newProject(t *testing.T) project {
	t.Helper()
	program := filepath.Join(t.TempDir(), "functions-mcp")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	// As root the database runs as another user, who must be able to reach it: t.TempDir is root's alone.
	data, err := os.MkdirTemp("", "functions-mcp-npm-") //nolint:usetesting // for the reason above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"RUN402_DATA_DIR=" + data}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "RUN402_") || strings.HasPrefix(variable, "RUN402_PG_BIN=") {
			env = append(env, variable)
		}
	}
	return project{program: program, env: env}
}

// run runs one command of the program to its end and returns what it printed.
func (p project) run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.program, args...)
	command.Env = p.env
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("functions-mcp %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// serveGateway starts the gateway on a port of the system's choice, stops it when the test ends, and returns its URL.
func (p project) serveGateway(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	gateway := exec.CommandContext(ctx, p.program, "gateway", "--listen", "127.0.0.1:0")
	gateway.Env = p.env
	gateway.Cancel = func() error { return gateway.Process.Signal(syscall.SIGTERM) }
	gateway.WaitDelay = 10 * time.Second
	output, input := io.Pipe()
	gateway.Stdout, gateway.Stderr = input, input
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = gateway.Wait()
		_ = input.Close()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})

	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	var said strings.Builder
	for lines := bufio.NewScanner(output); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if base := address.FindString(lines.Text()); base != "" {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return base
		}
	}
	t.Fatalf("the gateway ended without saying where it listens:\n%s", &said)
	return ""
}
