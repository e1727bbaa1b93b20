package mail

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
)

// provider is one whose sending is a function.
type provider struct {
	send func(context.Context, Outgoing) (Receipt, error)
}

func (provider) Readiness() wire.Readiness {
	return wire.Readiness{Status: wire.ProviderConfigured, Provider: "test"}
}
func (provider) Close() {}
func (p provider) Send(ctx context.Context, m Outgoing) (Receipt, error) {
	return p.send(ctx, m)
}

// counter counts how often each message was handed over.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) provider() provider {
	return provider{func(_ context.Context, m Outgoing) (Receipt, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[m.ID]++
		return Receipt{Status: wire.MailSent}, nil
	}}
}

// Several copies of the program send from one queue, each message once.
func TestCopiesShareTheQueue(t *testing.T) {
	const messages = 200
	c := &counter{seen: map[string]int{}}
	pool := newPool(t)
	many := func(o *Options) { o.SendLimit = messages }
	copies := []service{
		serviceOver(t, pool, c.provider(), many), serviceOver(t, pool, c.provider(), many), serviceOver(t, pool, c.provider(), many),
	}
	box := copies[0].box(t, "hello")
	var senders sync.WaitGroup
	for i := range messages {
		senders.Go(func() {
			copies[i%len(copies)].sendFrom(t, box, letterTo("ana@example.com"), "Prefer", "respond-async").want(t, 201)
		})
	}
	senders.Wait()
	eventually(t, "all are sent", func() bool {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from internal.messages where status = 'sent'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == messages
	})
	for id, n := range c.seen {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if len(c.seen) != messages {
		t.Errorf("%d were sent", len(c.seen))
	}
}

func TestAnAnswerDoesNotWaitForeverOrAtAll(t *testing.T) {
	hold := make(chan struct{})
	slow := provider{func(ctx context.Context, _ Outgoing) (Receipt, error) {
		select {
		case <-hold:
			return Receipt{Status: wire.MailSent}, nil
		case <-ctx.Done():
			return Receipt{}, ctx.Err()
		}
	}}
	s := newService(t, slow, func(o *Options) { o.Wait = 50 * time.Millisecond })
	box := s.box(t, "hello")
	first := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
	second := s.sendFrom(t, box, letterTo("ana@example.com"), "Prefer", "respond-async").want(t, 201)
	for _, a := range []answered{first, second} {
		if a.text("status") != "pending" || a.text("delivery_state") != "pending_provider" {
			t.Errorf("answered %s", a.raw)
		}
	}
	close(hold)
	eventually(t, "both are sent", func() bool {
		return s.status(t, box, first.text("message_id")).text("status") == "sent" && s.status(t, box, second.text("message_id")).text("status") == "sent"
	})
}

// A program that ends lets go of what it is sending: the next one sends it at once, and the try does not count.
func TestWhatAClosingProgramWasSendingIsSentByTheNext(t *testing.T) {
	pool := newPool(t)
	began := make(chan struct{})
	stuck := provider{func(ctx context.Context, _ Outgoing) (Receipt, error) {
		close(began)
		<-ctx.Done()
		return Receipt{}, ctx.Err()
	}}
	first := serviceOver(t, pool, stuck)
	box := first.box(t, "hello")
	id := first.sendFrom(t, box, letterTo("ana@example.com"), "Prefer", "respond-async").want(t, 201).text("message_id")
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	first.Close(ctx)
	var attempts int
	var due bool
	const query = "select attempts, due_at <= now() from internal.messages"
	if err := pool.QueryRow(t.Context(), query).Scan(&attempts, &due); err != nil || attempts != 0 || !due {
		t.Errorf("after the end: %d tries, due %v, %v", attempts, due, err)
	}
	c := &counter{seen: map[string]int{}}
	second := serviceOver(t, pool, c.provider())
	eventually(t, "it is sent", func() bool { return second.status(t, box, id).text("status") == "sent" })
}

// Who died sending is not waited for longer than the lease.
func TestWhatADeadProgramTookIsTakenAgain(t *testing.T) {
	pool := newPool(t)
	s := serviceOver(t, pool, provider{}, func(o *Options) { o.Provider = nil }) // which takes nothing
	s.Mail.opts.Provider = provider{}
	s.queue.name = "test"
	box := s.box(t, "hello")
	id := s.sendFrom(t, box, letterTo("ana@example.com"), "Prefer", "respond-async").want(t, 201).text("message_id")
	if _, err := pool.Exec(t.Context(), "update internal.messages set due_at = now() + interval '1 s', attempts = 1"); err != nil {
		t.Fatal(err)
	}
	c := &counter{seen: map[string]int{}}
	next := serviceOver(t, pool, c.provider())
	eventually(t, "it is sent", func() bool { return next.status(t, box, id).text("status") == "sent" })
}

func TestAMessageIsGivenUpAfterManyTries(t *testing.T) {
	s := newService(t, provider{func(context.Context, Outgoing) (Receipt, error) {
		return Receipt{}, errors.New("not today")
	}})
	box := s.box(t, "hello")
	id := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201).text("message_id")
	if _, err := s.pool.Exec(t.Context(), "update internal.messages set attempts = $1", maxTries-1); err != nil {
		t.Fatal(err)
	}
	s.soon(t)
	eventually(t, "it is given up", func() bool { return s.status(t, box, id).text("status") == "failed" })
	if got := s.status(t, box, id); got.text("error") != "given up: not today" {
		t.Errorf("afterwards: %s", got.raw)
	}
}

func TestPauses(t *testing.T) {
	var all []string
	total := time.Duration(0)
	for tries := 1; tries < maxTries; tries++ {
		pause := pauseAfter(tries)
		total += pause
		all = append(all, pause.Round(time.Second).String())
		if least := firstPause; pause < least || pause > lastPause*6/5 {
			t.Errorf("after %d tries: %s", tries, pause)
		}
	}
	if total < 20*time.Hour || total > 36*time.Hour {
		t.Errorf("in all %s: %s", total, strings.Join(all, " "))
	}
}

// What another provider accepted is not ours to keep or to send.
func TestEachProviderSendsItsOwn(t *testing.T) {
	pool := newPool(t)
	s := serviceOver(t, pool, provider{func(context.Context, Outgoing) (Receipt, error) { return Receipt{}, errors.New("down") }})
	box := s.box(t, "hello")
	id := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201).text("message_id")
	s.Close(t.Context())
	kept := serviceOver(t, pool, NewOutbox(t.TempDir()))
	kept.soon(t)
	kept.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
	if got := kept.status(t, box, id); got.text("status") != "pending" {
		t.Errorf("the outbox took it: %s", got.raw)
	}
}

func TestTextOfHTML(t *testing.T) {
	for html, want := range map[string]string{
		"<p>One</p><p>two</p>":                                            "One\n\ntwo",
		"a<br>b<br/>c":                                                    "a\nb\nc",
		"<ul><li>x</li><li>y</li></ul>z":                                  "- x\n- y\n\nz",
		"go <a href='https://a.b/?x=1&amp;y'>on</a>":                      "go on (https://a.b/?x=1&y)",
		"<a href='https://a.b'>https://a.b</a>":                           "https://a.b",
		"<style>p{}</style><script>x</script><title>t</title>y &lt; z":    "y < z",
		"<b>bo</b>ld and <i>i</i>":                                        "bold and i",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>": "a b\nc",
		"<img alt='a cat' src=x> sits":                                    "a cat sits",
		"  many \n\t blanks&nbsp; ":                                       "many blanks",
		"":                                                                "",
		"<p":                                                              "",
		"unclosed <b>tags <p>here":                                        "unclosed tags\n\nhere",
	} {
		if got := textOf(html); got != want {
			t.Errorf("%q is %q, want %q", html, got, want)
		}
	}
}

func FuzzTextOfHTML(f *testing.F) {
	f.Add("<p>One</p><a href='x'>y</a><script>")
	f.Fuzz(func(t *testing.T, page string) {
		text := textOf(page)
		if strings.Contains(text, "\n\n\n") || len(text) > 4*len(page)+100 {
			t.Errorf("%q became %q", page, text)
		}
	})
}

// Whatever passes the checks is one message to one recipient, with the headers that we wrote and no other.
func FuzzCompose(f *testing.F) {
	f.Add("ana@example.com", "Hi", "The shop", "a.txt", "text/plain", "<p>x</p>")
	f.Add("a\r\nb@c", "x\r\nBcc: y", "n\"<>", "a\r\n.txt", "a/b;c=\"d\r\n\"", "\r\n.\r\n")
	f.Fuzz(func(t *testing.T, to, subject, name, filename, contentType, html string) {
		if !utf8.ValidString(strings.Join([]string{to, subject, name, filename, contentType, html}, " ")) {
			return // which JSON cannot hold
		}
		d, err := newDraft(wire.SendEmail{
			To: to, Subject: subject, FromName: name, HTML: html,
			Attachments: []wire.Attachment{{Filename: filename, ContentType: contentType, ContentBase64: "eA=="}},
		})
		if err != nil {
			return
		}
		raw, err := compose(d, header{messageID: "m@d.e", from: "hello@shop.example.com", date: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			field, _, ok := strings.Cut(line, ":")
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				continue
			}
			switch field {
			case "Date", "MIME-Version", "Message-ID", "Subject", "From", "To", "Content-Type":
			default:
				t.Errorf("a header %q, %v in\n%s", field, ok, head)
			}
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
				t.Errorf("a line of %d bytes: %.120q", len(line), line)
			}
		}
	})
}
