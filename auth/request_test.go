package auth

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRequireJSON(t *testing.T) {
	for contentType, want := range map[string]int{
		"application/json": 200, "Application/JSON; charset=utf-8": 200, "": 415, "text/plain": 415,
		"text/plain;application/json": 415, "application/json, text/plain": 415, "application/jsonp": 415,
		"application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415,
	} {
		r := post("", "{}")
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		requireJSON(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", contentType, w.Code, want)
		}
	}
}

func TestForeignCancelIsDropped(t *testing.T) {
	const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":42}}`
	for name, test := range map[string]struct {
		body, session, revision string
		reached                 bool
	}{
		"without a session":       {cancel, "", "", false},
		"of the newest revision":  {cancel, "s", "2026-07-28", false},
		"with a session":          {cancel, "s", "2025-11-25", true},
		"written with an escape":  {strings.Replace(cancel, "/", `\/`, 1), "", "2026-07-28", false},
		"written in another case": {strings.Replace(cancel, `"method"`, `"METHOD"`, 1), "", "2026-07-28", false},
		"the last of two methods": {`{"method":"ping",` + cancel[1:], "", "2026-07-28", false},
		"another notification":    {`{"method":"notifications/initialized"}`, "", "2026-07-28", true},
		"no message":              {`[`, "", "2026-07-28", true},
	} {
		t.Run(name, func(t *testing.T) {
			reached := false
			r := post("", test.body)
			r.Header.Set("Mcp-Session-Id", test.session)
			r.Header.Set("Mcp-Protocol-Version", test.revision)
			h := readMessage(time.Minute)(dropForeignCancel(HeaderSession)(http.HandlerFunc(
				func(_ http.ResponseWriter, r *http.Request) {
					reached = true
					if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
						t.Errorf("the handler reads %q, %v", body, err)
					}
				})))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if reached != test.reached || !reached && w.Code != http.StatusAccepted {
				t.Errorf("reached %v, status %d", reached, w.Code)
			}
		})
	}
}

// listen serves h on a real connection, since deadlines are the connection's.
func listen(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestSlowBodyIsCut(t *testing.T) {
	conn := dial(t, listen(t, readMessage(50*time.Millisecond)(http.NotFoundHandler())))
	_, err := fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%s, %v", answer.Status, err)
	}
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the connection is still open")
	}
}

func TestBodyDeadlineDoesNotEndALongAnswer(t *testing.T) {
	address := listen(t, readMessage(50*time.Millisecond)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond): // well past the deadline of the body
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})))
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "done" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestClientThatReadsNothingIsCut(t *testing.T) {
	ended := make(chan error, 1)
	h := cutStalled(50 * time.Millisecond)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		flusher, ok := w.(http.Flusher)
		if !ok {
			t.Error("mcp-go would not stream to this writer")
			return
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
			flusher.Flush()
		}
		ended <- context.Cause(r.Context())
	}))
	conn := dial(t, listen(t, h))
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("it went on")
	}
}

// The gateway's listener holds back a body that never ends, and shows nothing of a panic.
func TestAPlainListenerIsHardToHoldUp(t *testing.T) {
	plain, err := Plain(GuardConfig{Listen: "127.0.0.1:1"}, 50*time.Millisecond, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	address := listen(t, plain(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		panic(err) // which the client is to see nothing of
	})))
	conn := dial(t, address)
	if _, err := fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "INTERNAL_ERROR") {
		t.Errorf("%s %s, %v", answer.Status, body, err)
	}
	_ = answer.Body.Close()
}
