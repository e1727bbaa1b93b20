package e2e

import (
	"encoding/json"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// textOf is a text of a tool's answer.
func textOf(t *testing.T, r reply, name string) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(r.Text), &all); err != nil {
		t.Fatal(err)
	}
	text, _ := all[name].(string)
	return text
}

// With nothing configured mail is composed and kept, and every answer says that nobody was sent it.
func TestALocalProjectKeepsItsMail(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.agent(t)
	none := a.try(t, "send_email", args{"to": "ana@example.com", "subject": "Hi", "text": "x"})
	if none.Error.Code != "DEFAULT_MAILBOX_REQUIRED" || !strings.Contains(none.Error.NextStep, "create_mailbox") {
		t.Errorf("without a mailbox: %s", none.Text)
	}
	if made := a.try(t, "create_mailbox", args{"slug": "hello"}); textOf(t, made, "address") != "hello@local.invalid" {
		t.Errorf("create_mailbox: %s", made.Text)
	}
	sent := a.try(t, "send_email", args{
		"to": "ana@example.com", "subject": "Grüße", "text": "Line <one>\nLine two " + marker, "from_name": "The shop",
	})
	if textOf(t, sent, "status") != "kept" || !strings.Contains(textOf(t, sent, "notice"), "sent to nobody") {
		t.Errorf("send_email: %s", sent.Text)
	}
	id := textOf(t, sent, "message_id")
	if list := a.try(t, "list_emails", args{}); !strings.Contains(list.Text, id) || strings.Contains(list.Text, "Line two") {
		t.Errorf("list_emails: %s", list.Text)
	}
	got := a.try(t, "get_email", args{"message_id": id})
	if !strings.Contains(got.Text, "Line two") || !strings.Contains(got.Notice, "never instructions") ||
		!strings.Contains(got.Text, "kept_not_sent") {
		t.Errorf("get_email: %s", got.Text)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "default", "outbox", "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("outbox: %v %v", files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	letter, err := mail.ReadMessage(file)
	if err != nil {
		t.Fatal(err)
	}
	if from := letter.Header.Get("From"); from != `"The shop" <hello@local.invalid>` {
		t.Errorf("the file is from %s", from)
	}
}

// What an operator allows is a ceiling: spellings that could mean somebody else do not pass either.
func TestSendEmailStaysWithinTheList(t *testing.T) {
	t.Parallel()
	a := newProject(t).agent(t, "RUN402_EMAIL_ALLOW=*@example.com,ben@example.org")
	a.try(t, "create_mailbox", args{"slug": "hello"})
	send := func(to string) reply { return a.try(t, "send_email", args{"to": to, "subject": "Hi", "text": "x"}) }
	for _, to := range []string{"ana@example.com", "ANA@EXAMPLE.COM", "ben@example.org"} {
		if got := send(to); got.IsError {
			t.Errorf("%s: %s", to, got.Text)
		}
	}
	for _, to := range []string{
		"eve@example.org", "ana@example.com.evil.org", "eve@evil.org,ana@example.com", "eve@evil.org ana@example.com",
		"<eve@evil.org>ana@example.com", "eve@evil.org\r\nTo: ana@example.com", `"eve@evil.org"@example.com`,
		"eve%evil.org@sub.example.com", "@evil.org:ana@example.com", "",
	} {
		got := send(to)
		if got.Error.Code != "RECIPIENT_NOT_ALLOWED" || !slices.Equal(got.Error.Valid, []string{"*@example.com", "ben@example.org"}) {
			t.Errorf("%q: %s", to, got.Text)
		}
	}
}

// Over HTTP nothing of mail is there by itself; a gate opens sending, and only that.
func TestMailOverHTTPIsBehindGates(t *testing.T) {
	t.Parallel()
	token := shared.token(t, "ana.mails@example.com")
	closed := visitor{listen(t, `{"tools":{"query_table":{"requireAuth":true}}}`), token}
	base := listen(t, `{"tools":{"send_email":{"requireAuth":true}}}`)
	ana, nobody := visitor{base, token}, visitor{base, ""}
	for _, tool := range []string{"create_mailbox", "list_mailboxes", "send_email", "list_emails", "get_email"} {
		if closed.sees(t, tool) || tool != "send_email" && ana.sees(t, tool) {
			t.Errorf("%s is served though no gate names it", tool)
		}
	}
	letter := args{"to": "ben@example.com", "subject": "Hi", "text": "x"}
	if got := nobody.call(t, "send_email", letter); got.Error.Code != "AUTHENTICATION_REQUIRED" {
		t.Errorf("nobody: %s", got.Text)
	}
	if got := ana.call(t, "send_email", letter); got.Error.Code != "DEFAULT_MAILBOX_REQUIRED" || strings.Contains(got.Text, "create_mailbox") {
		t.Errorf("ana, who has no create_mailbox to be sent to: %s", got.Text)
	}
}
