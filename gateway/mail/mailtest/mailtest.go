// Package mailtest gives tests a real SMTP server that shows what it got: Mailpit, from the module e2e/peers, where it
// is pinned.
package mailtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/peertest"
)

// Mailpit is a running server.
type Mailpit struct {
	SMTP string // host:port
	http string // base URL of its API
	args []string
	stop func()
}

// Start builds Mailpit when nobody did yet, starts it with more flags, and stops it when the test ends.
func Start(t testing.TB, flags ...string) *Mailpit {
	t.Helper()
	m := New(t, flags...)
	m.Up(t)
	return m
}

// New is Start for a server that is down, until Up.
func New(t testing.TB, flags ...string) *Mailpit {
	t.Helper()
	m := &Mailpit{SMTP: peertest.FreePort(t)}
	listen := peertest.FreePort(t)
	m.http = "http://" + listen
	m.args = append([]string{
		"--smtp", m.SMTP, "--listen", listen, "--disable-version-check", "--smtp-disable-rdns", "--max", "0", "--enable-chaos",
	}, flags...)
	return m
}

// Up starts the server and waits until it answers.
func (m *Mailpit) Up(t testing.TB) {
	t.Helper()
	// A database of its own choice would be left behind when it is killed.
	database := filepath.Join(t.TempDir(), "mailpit.db")
	server := exec.Command(peertest.Build(t, "mailpit"), append([]string{"--database", database}, m.args...)...)
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	m.stop = func() {
		_ = server.Process.Kill()
		<-ended
	}
	t.Cleanup(m.stop)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get(m.http + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			t.Fatalf("Mailpit ended:\n%s", &log)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("Mailpit does not answer")
		}
	}
}

// Down stops the server. What it got is gone.
func (m *Mailpit) Down() { m.stop() }

// Letter is a message as Mailpit understood it.
type Letter struct {
	ID          string
	MessageID   string
	From        struct{ Name, Address string }
	To          []struct{ Name, Address string }
	Subject     string
	Text, HTML  string
	Attachments []struct {
		PartID, FileName, ContentType string
		Size                          int
	}
}

// Letters returns what the server got, oldest first.
func (m *Mailpit) Letters(t testing.TB) []Letter {
	t.Helper()
	var list struct{ Messages []struct{ ID string } }
	m.get(t, "/api/v1/messages?limit=10000", &list)
	letters := make([]Letter, len(list.Messages))
	for i, found := range list.Messages {
		m.get(t, "/api/v1/message/"+found.ID, &letters[len(letters)-1-i])
	}
	return letters
}

// MessageIDs returns the Message-ID of everything that the server got, which is quicker than Letters.
func (m *Mailpit) MessageIDs(t testing.TB) []string {
	t.Helper()
	var list struct{ Messages []struct{ MessageID string } }
	m.get(t, "/api/v1/messages?limit=10000", &list)
	ids := make([]string, len(list.Messages))
	for i, found := range list.Messages {
		ids[i] = found.MessageID
	}
	return ids
}

// Raw returns a message as it came.
func (m *Mailpit) Raw(t testing.TB, id string) string {
	return string(m.fetch(t, "/api/v1/message/"+id+"/raw"))
}

// Attachment returns a file of a message.
func (m *Mailpit) Attachment(t testing.TB, id, part string) []byte {
	return m.fetch(t, "/api/v1/message/"+id+"/part/"+part)
}

// Chaos makes the server answer a step ("Sender", "Recipient", "Authentication") with a code; 0 ends it.
func (m *Mailpit) Chaos(t testing.TB, step string, code int) {
	t.Helper()
	trigger := map[string]int{"ErrorCode": 451, "Probability": 0}
	if code > 0 {
		trigger = map[string]int{"ErrorCode": code, "Probability": 100}
	}
	body, err := json.Marshal(map[string]any{step: trigger})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, m.http+"/api/v1/chaos", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("chaos: %s: %s", res.Status, text)
	}
}

func (m *Mailpit) get(t testing.TB, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(m.fetch(t, path), into); err != nil {
		t.Fatal(err)
	}
}

func (m *Mailpit) fetch(t testing.TB, path string) []byte {
	t.Helper()
	res, err := http.Get(m.http + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", path, res.Status, err, body)
	}
	return body
}
