package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is the program, running.
type process struct {
	project *project
	command string // "serve" speaks JSON-RPC on stdout, others do not
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stdout  *transcript
	stderr  *transcript
	ended   chan struct{} // closed when the process is gone and all that it wrote is there
	killed  bool          // a test killed it
}

// start runs the program with the project's environment and more of it. Whoever starts a process calls its end.
func (p *project) start(args []string, env ...string) (*process, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // so that no test hangs
	c := &process{
		project: p, command: "serve", cmd: exec.CommandContext(ctx, program, args...),
		stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{}),
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		c.command = args[0]
	}
	c.cmd.Env = p.environ(append([]string{"RUN402_LOG=debug", "RUN402_LOG_FORMAT=json"}, env...)...)
	c.cmd.Stdout, c.cmd.Stderr = c.stdout, c.stderr
	c.cmd.WaitDelay = 10 * time.Second
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		cancel()
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		defer cancel()
		_ = c.cmd.Wait() // how it ended is in ProcessState
		c.stdout.close()
		c.stderr.close()
		close(c.ended)
	}()
	return c, nil
}

// run starts the program and ends it with the test.
func (p *project) run(t *testing.T, args []string, env ...string) *process {
	t.Helper()
	c, err := p.start(args, env...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, complaint := range c.end() {
			t.Error(complaint)
		}
		if t.Failed() {
			t.Logf("the log of %s:\n%s", c.cmd, c.stderr.text())
		}
	})
	return c
}

// serve starts an MCP server on standard streams.
func (p *project) serve(t *testing.T, env ...string) *process {
	t.Helper()
	return p.run(t, nil, env...)
}

func (c *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	c.killed = c.killed || sig == syscall.SIGKILL
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exits waits for the end and returns how long that took. MCP clients kill a server that needs longer than about a
// second, which is the limit that the issue sets; a test with the race detector on two busy cores gets three.
func (c *process) exits(t *testing.T) time.Duration {
	t.Helper()
	const limit = 3 * time.Second
	began := time.Now()
	select {
	case <-c.ended:
	case <-time.After(limit):
		t.Fatalf("it still runs %v later", limit)
	}
	took := time.Since(began)
	t.Logf("it ended after %v", took.Round(time.Millisecond))
	return took
}

// end asks the process to end, waits, and returns what was wrong with all that it did. It may be called twice.
func (c *process) end() (complaints []string) {
	_ = c.stdin.Close()
	if c.command != "serve" {
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	}
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 && !c.killed {
		complaints = append(complaints, fmt.Sprintf("it ended with %s", c.cmd.ProcessState))
	}
	if c.command == "serve" {
		complaints = append(complaints, notProtocol(c.stdout.text())...)
	}
	complaints = append(complaints, c.project.secretsIn(c.stderr.text())...)
	if strings.Contains(c.stderr.text(), "DATA RACE") {
		complaints = append(complaints, "the race detector found something: see the log")
	}
	return complaints
}

// notProtocol names each line that is not one JSON-RPC message.
func notProtocol(stdout string) (complaints []string) {
	for line := range strings.Lines(stdout) {
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&m)
		if err != nil || m.JSONRPC != "2.0" || decoder.More() || m.ID == nil && m.Method == "" {
			complaints = append(complaints, fmt.Sprintf("stdout has a line that is no JSON-RPC message: %.200q", line))
		}
	}
	return complaints
}

var jwtText = regexp.MustCompile(`eyJ[\w-]{10,}\.eyJ[\w-]+`)

// secretsIn names what a log must not have.
func (p *project) secretsIn(log string) (complaints []string) {
	for name, value := range p.keys {
		if name != "RUN402_API_BASE" && name != "RUN402_PROJECT_ID" && strings.Contains(log, value) {
			complaints = append(complaints, "the log has "+name)
		}
	}
	if jwtText.MatchString(log) {
		complaints = append(complaints, "the log has a key or a token")
	}
	if i := strings.Index(log, marker); i >= 0 {
		complaints = append(complaints, "the log has a value of a row or of an argument: "+log[max(0, i-200):i])
	}
	return complaints
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// address waits until the process says where it listens.
func (c *process) address() (string, error) {
	lines := bufio.NewScanner(c.stdout.reader())
	for lines.Scan() {
		if base := listening.FindString(lines.Text()); base != "" {
			return base, nil
		}
	}
	return "", errors.New("it ended without saying where it listens:\n" + c.stderr.text())
}

// transcript keeps what a process writes, for readers who each see all of it and never hold the process up.
type transcript struct {
	mu    sync.Mutex
	more  *sync.Cond
	bytes []byte
	done  bool
}

func newTranscript() *transcript {
	s := &transcript{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, b...)
	s.more.Broadcast()
	return len(b), nil
}

func (s *transcript) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	s.more.Broadcast()
}

func (s *transcript) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.bytes)
}

// reader reads from the beginning and waits for more until the process is gone.
func (s *transcript) reader() io.Reader { return &transcriptReader{transcript: s} }

type transcriptReader struct {
	*transcript
	at int
}

func (r *transcriptReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.at == len(r.bytes) {
		if r.done {
			return 0, io.EOF
		}
		r.more.Wait()
	}
	n := copy(b, r.bytes[r.at:])
	r.at += n
	return n, nil
}

// eventually waits for something that tells nobody when it happens.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	for began := time.Now(); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// alive reports whether a process runs. One that only waits for its parent to notice its end does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, state, _ := bytes.Cut(stat, []byte(") "))
		return !bytes.HasPrefix(state, []byte("Z"))
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}
