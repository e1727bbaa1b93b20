package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// site is a program that listens.
type site struct {
	*server
	address string // host:port
	bearer  string
}

var addressText = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// listen starts a program that prints where it listens. Who is calling, each request says.
func (b *bench) listen(ctx context.Context, program string, args ...string) (*site, error) {
	env := slices.DeleteFunc(b.env(project), func(s string) bool { return strings.HasPrefix(s, "RUN402_USER_TOKEN=") })
	s, err := start(ctx, b.log, env, program, args...)
	if err != nil {
		return nil, err
	}
	line, _ := s.out.ReadString('\n') // which is short when the program has ended
	found := addressText.FindStringSubmatch(line)
	if found == nil {
		return &site{server: s}, fmt.Errorf("it says %q, and not where it listens", line)
	}
	return &site{server: s, address: found[1], bearer: b.token}, nil
}

// stop asks the program to end and waits for that. A site that is nil has ended.
func (s *site) stop() error {
	if s == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself, which Wait tells
	return s.server.stop()
}

// conn is one connection to a site. Like server, it decodes nothing and is not safe for concurrent use.
type conn struct {
	net.Conn
	in     *bufio.Reader
	header string // of each request
}

func (s *site) dial(ctx context.Context, header string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	header = "Host: " + s.address + "\r\nAuthorization: Bearer " + s.bearer + "\r\n" + header
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10), header: header}, nil
}

// post sends a message and returns the answer's header and body.
func (c *conn) post(path, body string) (http.Header, []byte, error) {
	_, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\n"+c.header+"Content-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	if err != nil {
		return nil, nil, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // read to its end
	if err == nil && (answer.StatusCode > 299 || isToolError(text) || bytes.Contains(text, []byte(`"error":{`))) {
		err = fmt.Errorf("the server answered %s %s", answer.Status, text)
	}
	return answer.Header, text, err
}

const (
	helloBody = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	readyBody = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

func (c call) body(id int, meta string) string {
	return `{"jsonrpc":"2.0","id":` + strconv.Itoa(id) + `,"method":"tools/call","params":` +
		strings.TrimSuffix(c.params(), "}") + meta + "}}"
}

// talk is a way to speak to a site: each function that it returns calls once, beside the others. They end with ctx.
type talk struct {
	name string
	open func(ctx context.Context, s *site, c call, many int) ([]func() error, error)
}

func talks() []talk {
	return []talk{{"http 2026-07-28", modernHTTP}, {"http 2025-11-25", legacyHTTP}, {"sse 2025-11-25", legacySSE}}
}

// modernHTTP has no session: each request says all.
func modernHTTP(ctx context.Context, s *site, c call, many int) ([]func() error, error) {
	const meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientCapabilities":{}}`
	header := "Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: " + c.tool + "\r\n"
	return s.callers(ctx, header, c, meta, many)
}

// legacyHTTP opens one session for all.
func legacyHTTP(ctx context.Context, s *site, c call, many int) ([]func() error, error) {
	session, err := s.hello(ctx)
	if err != nil {
		return nil, err
	}
	return s.callers(ctx, "Mcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: "+session+"\r\n", c, "", many)
}

// hello opens a session.
func (s *site) hello(ctx context.Context) (session string, err error) {
	first, err := s.dial(ctx, "")
	if err != nil {
		return "", err
	}
	defer func() { _ = first.Close() }() // it only read
	header, _, err := first.post("/mcp", helloBody)
	return header.Get("Mcp-Session-Id"), err
}

func (s *site) callers(ctx context.Context, header string, c call, meta string, many int) ([]func() error, error) {
	var calls []func() error
	for range many {
		conn, err := s.dial(ctx, header)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		body := c.body(1, meta)
		calls = append(calls, func() error {
			_, _, err := conn.post("/mcp", body)
			return err
		})
	}
	return calls, nil
}

// legacySSE posts on connections of their own; all answers come on one stream.
func legacySSE(ctx context.Context, s *site, c call, many int) ([]func() error, error) {
	stream, err := s.dial(ctx, "")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = stream.Close() })
	if _, err := io.WriteString(stream, "GET /sse HTTP/1.1\r\n"+stream.header+"\r\n"); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(stream.in, nil) //nolint:bodyclose // it ends with its connection
	if err != nil {
		return nil, err
	}
	events := bufio.NewReaderSize(answer.Body, 1<<20)
	endpoint, err := data(events)
	if err != nil {
		return nil, err
	}
	path := string(endpoint[max(0, bytes.Index(endpoint, []byte("/message"))):])
	posts := make([]*conn, many)
	for i := range posts {
		if posts[i], err = s.dial(ctx, ""); err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = posts[i].Close() })
	}
	if _, _, err := posts[0].post(path, helloBody); err != nil {
		return nil, err
	}
	if _, err := data(events); err != nil {
		return nil, err
	}
	if _, _, err := posts[0].post(path, readyBody); err != nil {
		return nil, err
	}
	answered := make([]chan error, many) // by id
	var calls []func() error
	for i := range many {
		answered[i] = make(chan error, 1)
		body := c.body(i, "")
		calls = append(calls, func() error {
			if _, _, err := posts[i].post(path, body); err != nil {
				return err
			}
			return <-answered[i]
		})
	}
	go deliver(events, answered)
	return calls, nil
}

// deliver tells each caller of its answer until the stream ends, and then all of that.
func deliver(events *bufio.Reader, answered []chan error) {
	for {
		event, err := data(events)
		if err != nil {
			for _, a := range answered {
				a <- err
			}
			return
		}
		var id int
		if _, err := fmt.Sscanf(string(event[:min(len(event), 40)]), `{"jsonrpc":"2.0","id":%d`, &id); err != nil {
			continue // a ping
		}
		if isToolError(event) {
			err = fmt.Errorf("the server answered %s", event)
		}
		answered[id] <- err
	}
}

// data returns what the next event of a stream has to say, which is good until the next one.
func data(events *bufio.Reader) ([]byte, error) {
	for {
		line, err := events.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if text, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			return bytes.TrimRight(text, "\r\n"), nil
		}
	}
}
