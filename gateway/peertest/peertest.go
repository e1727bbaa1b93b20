// Package peertest builds and starts the servers of other people that tests talk to. They are pinned in e2e/peers.
package peertest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Build returns the path of a tool of e2e/peers, which the go command builds once and keeps in its cache. Where it
// cannot be built, as without a network, the test fails.
func Build(t testing.TB, tool string) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "tool", "-n", tool)
	build.Dir = filepath.Join(strings.TrimSpace(string(root)), "e2e", "peers")
	var said bytes.Buffer
	build.Stderr = &said
	path, err := build.Output()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", tool, err, &said)
	}
	return strings.TrimSpace(string(path))
}

// FreePort returns an address of this machine that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Start starts a program and waits until it answers HTTP at a URL, whatever it answers. It is stopped when the test
// ends; what it says is shown when it does not start.
func Start(t testing.TB, url string, env []string, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	log, err := os.CreateTemp(t.TempDir(), "peer")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	deadline := time.After(30 * time.Second)
	for {
		answer, err := http.Get(url)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("%s ended: %v\n%s", program, err, said)
		case <-deadline:
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer at %s: %v\n%s", program, url, err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// S3 starts a real S3 server, versitygw, with an empty bucket, and returns that bucket's URL. It sets the credentials
// in the environment of the test, which cannot be a parallel one.
func S3(t *testing.T) string {
	t.Helper()
	program := Build(t, "versitygw")
	const key, secret, bucket = "tester", "tester-secret", "assets"
	dir := t.TempDir()
	for _, sub := range []string{"data/" + bucket, "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	addr := FreePort(t)
	Start(t, "http://"+addr+"/", []string{"ROOT_ACCESS_KEY=" + key, "ROOT_SECRET_KEY=" + secret}, program,
		"--port", addr, "--quiet", "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + addr
}
