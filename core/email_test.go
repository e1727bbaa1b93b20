package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

// box is a mailbox as a list has it.
func box(id, slug, more string) string {
	return fmt.Sprintf(`{"mailbox_id":%q,"slug":%q,"address":"%[2]s@mail.run402.com","status":"active"%s}`, id, slug, more)
}

func boxes(defaultID string, list ...string) hostedtest.Answer {
	if defaultID != "null" {
		defaultID = `"` + defaultID + `"`
	}
	return hostedtest.Answer{Body: `{"mailboxes":[` + strings.Join(list, ",") + `],
		"mailbox_settings":{"default_outbound_mailbox_id":` + defaultID + `}}`}
}

const sentBody = `{"message_id":"msg_1","status":"sent","to":"ana@example.com","template":null,"subject":"Hi","sent_at":"2026-11-23T18:00:00.000Z"}`

func letter() wire.SendEmail {
	return wire.SendEmail{To: "ana@example.com", Subject: "Hi <b>", HTML: "<p>x</p>"}
}

func TestAMailIsSentFromTheMailboxThatTheRulesChoose(t *testing.T) {
	suspended := `,"can_send":false,"send_blocked_reason":"mailbox_suspended"`
	blocked := `,"can_send":false,"send_blocked_reason":"provider_misconfigured"`
	for name, tt := range map[string]struct {
		list    hostedtest.Answer
		mailbox string
		from    string // or
		code    string
	}{
		"the default":                     {boxes("mbx_2", box("mbx_1", "a", ""), box("mbx_2", "b", "")), "", "mbx_2", ""},
		"the only one":                    {boxes("null", box("mbx_1", "a", "")), "", "mbx_1", ""},
		"the only one that can":           {boxes("null", box("mbx_1", "a", suspended), box("mbx_2", "b", `,"can_send":true`)), "", "mbx_2", ""},
		"none":                            {boxes("null"), "", "", core.CodeMailboxRequired},
		"none but deleted ones":           {boxes("null", strings.Replace(box("mbx_1", "a", ""), "active", "deleted", 1)), "", "", core.CodeMailboxRequired},
		"several":                         {boxes("null", box("mbx_1", "a", ""), box("mbx_2", "b", "")), "", "", core.CodeMailboxAmbiguous},
		"a default that is gone":          {boxes("mbx_3", box("mbx_1", "a", "")), "", "", core.CodeMailboxInvalid},
		"a default that cannot":           {boxes("mbx_1", box("mbx_1", "a", suspended), box("mbx_2", "b", "")), "", "", core.CodeMailboxInvalid},
		"a default without a provider":    {boxes("mbx_1", box("mbx_1", "a", blocked)), "", "", core.CodeMailProvider},
		"the only one without a provider": {boxes("null", box("mbx_1", "a", blocked)), "", "", core.CodeMailProvider},
		"by id, unasked":                  {hostedtest.Answer{Status: 500, Body: `{}`}, "mbx_7", "mbx_7", ""},
		"by slug":                         {boxes("mbx_1", box("mbx_1", "a", ""), box("mbx_2", "b", "")), "B", "mbx_2", ""},
		"by address":                      {boxes("mbx_1", box("mbx_1", "a", ""), box("mbx_2", "b", "")), "b@mail.run402.com", "mbx_2", ""},
		"by a wrong name":                 {boxes("mbx_1", box("mbx_1", "a", "")), "c", "", core.CodeMailboxNotFound},
		"by a path":                       {boxes("mbx_1", box("mbx_1", "a", "")), "mbx_1/../x", "", core.CodeMailboxNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Script("GET", wire.Mailboxes, tt.list)
			for _, id := range []string{"mbx_1", "mbx_2", "mbx_7"} {
				g.Script("POST", wire.Mailboxes+"/"+id+"/messages", hostedtest.Answer{Status: 201, Body: sentBody})
			}
			sent, err := c.Email().Send(t.Context(), tt.mailbox, letter())
			requests := g.Requests()
			last := requests[len(requests)-1]
			if tt.code != "" {
				if e := coreError(t, err); e.Code != tt.code || e.MutationState != "not_started" || last.Method == "POST" {
					t.Errorf("error %+v after %s", e, last.Method)
				}
				return
			}
			if err != nil || sent.MessageID != "msg_1" || sent.ID != "msg_1" || sent.Status != "sent" {
				t.Errorf("sent %+v, %v", sent, err)
			}
			if last.Path != wire.Mailboxes+"/"+tt.from+"/messages" || last.Body != `{"to":"ana@example.com","subject":"Hi <b>","html":"<p>x</p>"}` ||
				last.Header.Get("Authorization") != "Bearer "+g.ServiceKey() || last.Header.Get("Apikey") != "" {
				t.Errorf("asked %+v", last)
			}
		})
	}
}

func coreError(t *testing.T, err error) *core.Error {
	t.Helper()
	e, ok := errors.AsType[*core.Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	return e
}

func TestTheChosenMailboxIsRememberedForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := newClient(t, hostedtest.Hosted)
		g.Script("GET", wire.Mailboxes, boxes("null", box("mbx_1", "a", "")))
		g.Script("POST", wire.Mailboxes+"/mbx_1/messages", hostedtest.Answer{Status: 201, Body: sentBody})
		asked := func() (n int) {
			for _, r := range g.Requests() {
				if r.Method == "GET" {
					n++
				}
			}
			return n
		}
		send := func(want int) {
			t.Helper()
			if _, err := c.Email().Send(t.Context(), "", letter()); err != nil {
				t.Fatal(err)
			}
			if got := asked(); got != want {
				t.Errorf("asked for mailboxes %d times, want %d", got, want)
			}
		}
		send(1)
		time.Sleep(59 * time.Second)
		send(1)
		time.Sleep(2 * time.Second)
		send(2)
		g.Script("POST", wire.Mailboxes, hostedtest.Answer{Status: 201, Body: box("mbx_2", "b", "")})
		if _, err := c.Email().CreateMailbox(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		send(3)

		// One that was deleted is forgotten, and the mail goes from another.
		g.Script("POST", wire.Mailboxes+"/mbx_1/messages", hostedtest.Answer{Status: 404, Body: `{"error":"mailbox_not_found"}`})
		g.Script("POST", wire.Mailboxes+"/mbx_2/messages", hostedtest.Answer{Status: 201, Body: sentBody})
		g.Script("GET", wire.Mailboxes, boxes("null", box("mbx_2", "b", "")))
		send(4)
	})
}

func TestARefusedMailReadsAsInTheLibrary(t *testing.T) {
	for name, tt := range map[string]struct {
		answer hostedtest.Answer
		text   string
		code   string
		retry  int
	}{
		"envelope": {
			hostedtest.Answer{Status: 403, Body: `{"error":"recipient_suppressed","code":"RECIPIENT_SUPPRESSED","message":"ana@example.com","retryable":false}`},
			"Email send failed (403): recipient_suppressed", "RECIPIENT_SUPPRESSED", 0,
		},
		"Core": {
			hostedtest.Answer{Status: 429, Body: `{"error":"mailbox_send_rate_limited","retryable":false,"retry_after_seconds":30}`},
			"Email send failed (429): mailbox_send_rate_limited", "MAILBOX_SEND_RATE_LIMITED", 30,
		},
		"a text that may quote the recipient": {
			hostedtest.Answer{Status: 400, Body: `{"error":"ana@example.com is wrong","code":"BAD_REQUEST"}`},
			"Email send failed (400): BAD_REQUEST", "BAD_REQUEST", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Script("POST", wire.Mailboxes+"/mbx_1/messages", tt.answer)
			_, err := c.Email().Send(t.Context(), "mbx_1", letter())
			if e := coreError(t, err); e.Error() != tt.text || e.Code != tt.code || e.RetryAfter != tt.retry {
				t.Errorf("error %q, %+v", e, e)
			}
		})
	}
}

// A mail that may have been accepted is never sent again by itself.
func TestAMailIsNotRepeated(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Script("POST", wire.Mailboxes+"/mbx_1/messages", hostedtest.Answer{Status: 502, Body: `{}`}, hostedtest.Answer{Status: 201, Body: sentBody})
	if _, err := c.Email().Send(t.Context(), "mbx_1", letter()); err == nil || len(g.Requests()) != 1 {
		t.Errorf("%d requests, %v", len(g.Requests()), err)
	}
}

func TestMessagesAreReadInEitherShape(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		more bool
	}{
		"a page":               {`{"messages":[{"message_id":"msg_1","subject":"x"}],"has_more":true,"next_cursor":"msg_1"}`, true},
		"an array, hosted ids": {`[{"id":"msg_1","subject":"x"}]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Script("GET", wire.Mailboxes, boxes("mbx_1", box("mbx_1", "a", ""), box("mbx_2", "b", "")))
			g.Script("GET", wire.Mailboxes+"/mbx_1/messages", hostedtest.Answer{Body: tt.body})
			list, err := c.Email().Messages(t.Context(), core.MessageQuery{Direction: "inbound", Limit: 7, After: "msg_0"})
			if err != nil || len(list.Messages) != 1 || list.Messages[0].MessageID != "msg_1" || list.HasMore != tt.more {
				t.Errorf("%+v, %v", list, err)
			}
			requests := g.Requests()
			if query := requests[len(requests)-1].Query; query != "after=msg_0&direction=inbound&limit=7" {
				t.Errorf("query %s", query)
			}
		})
	}
}

func TestAMessageIsFoundInWhicheverMailboxHasIt(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Script("GET", wire.Mailboxes, boxes("null", box("mbx_1", "a", ""), box("mbx_2", "b", "")))
	g.Script("GET", wire.Mailboxes+"/mbx_1/messages/msg_9", hostedtest.Answer{Status: 404, Body: `{"error":"message_not_found"}`})
	g.Script("GET", wire.Mailboxes+"/mbx_2/messages/msg_9", hostedtest.Answer{Body: `{"id":"msg_9","body_text":"x"}`})
	if got, err := c.Email().Message(t.Context(), "", "msg_9"); err != nil || got.MessageID != "msg_9" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range []string{"", "../x", "a/b", "a?b", "a\x00"} {
		if _, err := c.Email().Message(t.Context(), "", id); coreError(t, err).Code != core.CodeInvalidRequest {
			t.Errorf("%q: %v", id, err)
		}
	}
}
