package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// server is an MCP server that runs as a child, and its client. The client writes and reads lines and decodes none, so
// that it is not what is measured; it is not safe for concurrent use.
type server struct {
	cmd *exec.Cmd
	in  *bufio.Writer
	end io.Closer // standard input, whose end ends the server
	out *bufio.Reader
	id  int64
}

// start starts a program with nothing in its environment but env. What it logs goes to the file log.
func start(ctx context.Context, log *os.File, env []string, program string, args ...string) (*server, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stderr = env, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has a PostgreSQL to stop
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return &server{cmd: cmd, in: bufio.NewWriterSize(in, 64<<10), end: in, out: bufio.NewReaderSize(out, 1<<20)}, nil
}

// stop closes the server's input and waits for its end. A server that is nil has ended.
func (s *server) stop() error {
	if s == nil {
		return nil
	}
	_ = s.end.Close() // it may have ended by itself, which Wait tells
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended badly: %w", err)
	}
	return nil
}

// initialize opens the session. It returns when the server has answered.
func (s *server) initialize() error {
	_, err := s.request("initialize", `{"protocolVersion":"2025-11-25","capabilities":{},`+
		`"clientInfo":{"name":"bench","version":"1"}}`)
	return err
}

// initialized tells the server that the client is ready, which has no answer.
func (s *server) initialized() {
	_, _ = s.in.WriteString(`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n") // as send
}

// call is a tools/call: the tool and its arguments in JSON.
type call struct{ tool, arguments string }

func (c call) params() string { return `{"name":"` + c.tool + `","arguments":` + c.arguments + `}` }

// call calls a tool and returns the line that answers, which is good until the next one.
func (s *server) call(c call) ([]byte, error) {
	line, err := s.request("tools/call", c.params())
	if err == nil && isToolError(line) {
		err = fmt.Errorf("%s: %s", c.tool, line)
	}
	return line, err
}

func isToolError(line []byte) bool { return bytes.Contains(line, []byte(`"isError":true`)) }

func (s *server) request(method, params string) ([]byte, error) {
	s.send(method, params)
	return s.answer()
}

// send leaves a request in the buffer; an error of it shows when the buffer is flushed.
func (s *server) send(method, params string) {
	s.id++
	b := append(s.in.AvailableBuffer(), `{"jsonrpc":"2.0","id":`...)
	b = strconv.AppendInt(b, s.id, 10)
	b = append(append(append(b, `,"method":"`...), method...), `","params":`...)
	b = append(append(b, params...), '}', '\n')
	_, _ = s.in.Write(b)
}

// answer sends what is in the buffer and reads one line.
func (s *server) answer() ([]byte, error) {
	if err := s.in.Flush(); err != nil {
		return nil, fmt.Errorf("the server does not listen: %w", err)
	}
	line, err := s.out.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("the server does not answer: %w", err)
	}
	if !bytes.Contains(line[:min(len(line), 60)], []byte(`"result":`)) { // it stands at the beginning
		return nil, fmt.Errorf("the server answered %s", line)
	}
	return line, nil
}

// flood keeps as many calls in flight as it is told, for as long as it is told, and returns how many were answered in
// a second. What came in one read is answered with requests in one write.
func (s *server) flood(c call, inFlight int, d time.Duration) (float64, error) {
	params := c.params()
	for range inFlight {
		s.send("tools/call", params)
	}
	if err := s.in.Flush(); err != nil {
		return 0, err
	}
	began, calls := time.Now(), 0
	for pending := inFlight; pending > 0; pending-- {
		line, err := s.out.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("the server does not answer: %w", err)
		}
		if isToolError(line) {
			return 0, fmt.Errorf("%s: %s", c.tool, line)
		}
		if calls++; time.Since(began) < d {
			s.send("tools/call", params)
			pending++
		}
		if s.out.Buffered() == 0 {
			if err := s.in.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return float64(calls) / time.Since(began).Seconds(), nil
}

// structured returns the structuredContent of an answer, which is what agents read.
func structured(line []byte) (json.RawMessage, error) {
	var message struct {
		Result struct {
			StructuredContent json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	if err := json.Unmarshal(line, &message); err != nil {
		return nil, err
	}
	return message.Result.StructuredContent, nil
}
