package mail

import (
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

func TestTheFirstMailboxIsTheDefault(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	list := s.do(t, "GET", "", nil).want(t, 200)
	if next := list.body["next_actions"].([]any); len(next) != 1 || next[0].(map[string]any)["path"] != "/mailboxes/v1" {
		t.Errorf("without a mailbox: %v", next)
	}
	first := s.do(t, "POST", "", `{"slug":"hello"}`).want(t, 201)
	if first.text("address") != "hello@shop.example.com" || !first.is("is_default_outbound", true) ||
		!first.is("can_send", true) || !first.is("can_receive", false) || first.text("status") != "active" {
		t.Errorf("the first: %s", first.raw)
	}
	second := s.do(t, "POST", "", `{"slug":"orders"}`).want(t, 201)
	if !second.is("is_default_outbound", false) {
		t.Errorf("the second: %s", second.raw)
	}
	list = s.do(t, "GET", "", nil).want(t, 200)
	boxes := list.body["mailboxes"].([]any)
	if len(boxes) != 2 || boxes[0].(map[string]any)["slug"] != "orders" {
		t.Errorf("not the newest first: %s", list.raw)
	}
	settings := list.body["mailbox_settings"].(map[string]any)
	if settings["default_outbound_mailbox_id"] != first.text("mailbox_id") {
		t.Errorf("settings: %v", settings)
	}

	changed := s.do(t, "PATCH", "/settings", `{"default_outbound_mailbox_id":"`+second.text("mailbox_id")+`"}`).want(t, 200)
	if changed.body["mailbox_settings"].(map[string]any)["default_outbound_mailbox_id"] != second.text("mailbox_id") {
		t.Errorf("changed: %s", changed.raw)
	}
	s.do(t, "PATCH", "/settings", `{"default_outbound_mailbox_id":"mbx_0000000000000000"}`).refused(t, 409, "DEFAULT_MAILBOX_INVALID")
	if got := s.do(t, "GET", "/"+second.text("mailbox_id"), nil).want(t, 200); !got.is("is_default_outbound", true) {
		t.Errorf("a refused change was made: %s", got.raw)
	}
	none := s.do(t, "PATCH", "/settings", `{"default_outbound_mailbox_id":null}`).want(t, 200)
	if none.body["mailbox_settings"].(map[string]any)["default_outbound_mailbox_id"] != nil ||
		none.body["next_actions"].([]any)[0].(map[string]any)["path"] != "/mailboxes/v1/settings" {
		t.Errorf("none: %s", none.raw)
	}
	s.do(t, "PATCH", "/settings", `{}`).refused(t, 400, "INVALID_REQUEST")
	s.do(t, "PATCH", "/settings", `{"default_outbound_mailbox_id":7}`).refused(t, 400, "INVALID_REQUEST")
}

func TestSlugRules(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	for name, slug := range map[string]string{
		"short": "ab", "long": strings.Repeat("a", 64), "upper case": "Hello", "an edge": "-hello", "the other": "hello-",
		"two hyphens": "a--b", "a dot": "a.b.c", "reserved": "postmaster", "empty": "", "a line feed": "hello\n",
		"unicode": "h\u00e9llo", "NUL": "hel\x00lo", "an address": "a@b.c",
	} {
		got := s.do(t, "POST", "", map[string]string{"slug": slug}).refused(t, 400, "INVALID_REQUEST")
		if got.text("field") != "slug" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	s.do(t, "POST", "", `{"slug":7}`).refused(t, 400, "INVALID_REQUEST")
	s.do(t, "POST", "", `[]`).refused(t, 400, "INVALID_REQUEST")
	s.do(t, "POST", "", `{"slug":"`+strings.Repeat("a", 70_000)+`"}`).refused(t, 413, "REQUEST_BODY_TOO_LARGE")
	if n := s.count(t, "mailboxes"); n != 0 {
		t.Errorf("%d mailboxes were made", n)
	}
	s.box(t, "abc")
	s.box(t, strings.Repeat("a", 63))
}

func TestMailboxLimitAndReuseOfASlug(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	ids := make([]string, 0, maxMailboxes)
	for _, slug := range []string{"one", "two", "three", "four", "five"} {
		ids = append(ids, s.box(t, slug))
	}
	s.do(t, "POST", "", `{"slug":"one"}`).refused(t, 409, "MAILBOX_LIMIT_REACHED")
	gone := s.do(t, "DELETE", "/"+ids[0], nil).want(t, 200)
	if gone.text("status") != "deleted" || gone.text("address") != "one@shop.example.com" {
		t.Errorf("deleted: %s", gone.raw)
	}
	s.do(t, "POST", "", `{"slug":"two"}`).refused(t, 409, "SLUG_ALREADY_IN_USE")
	for _, path := range []string{"/" + ids[0], "/mbx_0000000000000000", "/nonsense", "/mbx_%00"} {
		s.do(t, "GET", path, nil).refused(t, 404, "MAILBOX_NOT_FOUND")
	}
	list := s.do(t, "GET", "", nil)
	if boxes := list.body["mailboxes"].([]any); len(boxes) != 4 || list.body["mailbox_settings"].(map[string]any)["default_outbound_mailbox_id"] != nil {
		t.Errorf("after the default was deleted: %s", list.raw)
	}
	if again := s.box(t, "one"); again == ids[0] {
		t.Error("the new mailbox is the old one")
	}
}

func TestAProviderThatIsNotThere(t *testing.T) {
	s := newService(t, nil)
	box := s.do(t, "POST", "", `{"slug":"hello"}`).want(t, 201)
	if !box.is("can_send", false) || box.text("send_blocked_reason") != "provider_not_configured" {
		t.Errorf("mailbox: %s", box.raw)
	}
	// The provider comes first: even a mailbox that there is not gets the same answer.
	for _, id := range []string{box.text("mailbox_id"), "mbx_0000000000000000"} {
		got := s.sendFrom(t, id, `nonsense`).refused(t, 503, "PROVIDER_NOT_CONFIGURED")
		ready := got.body["provider_readiness"].(map[string]any)
		if ready["status"] != wire.ProviderNotConfigured || len(got.body["next_actions"].([]any)) == 0 || !got.is("retryable", false) {
			t.Errorf("refusal: %s", got.raw)
		}
	}
}

func TestFooterPolicy(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	box := s.box(t, "hello")
	if got := s.do(t, "PATCH", "/"+box, `{"footer_policy":"run402_transparency"}`).want(t, 200); got.text("footer_policy") != "run402_transparency" {
		t.Errorf("patched: %s", got.raw)
	}
	for _, body := range []string{`{}`, `{"footer_policy":"loud"}`, `{"footer_policy":null}`} {
		s.do(t, "PATCH", "/"+box, body).refused(t, 400, "INVALID_REQUEST")
	}
	id := s.sendFrom(t, box, wire.SendEmail{To: "ana@example.com", Subject: "x", HTML: "<body><p>Hi</p></BODY>"}).want(t, 201).text("message_id")
	raw := s.do(t, "GET", "/"+box+"/messages/"+id+"/raw", nil).want(t, 200).raw
	raw = strings.ReplaceAll(raw, "=\r\n", "") // the line ends of quoted-printable
	if strings.Count(raw, "Sent by hello@shop.example.com with Run402.") != 2 || strings.Index(raw, "</p></BODY>") < strings.LastIndex(raw, "Run402") {
		t.Errorf("footer:\n%s", raw)
	}
}
