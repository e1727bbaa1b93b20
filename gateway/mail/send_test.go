package mail

import (
	"bytes"
	"encoding/base64"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

// None of these may leave a trace: no row, no file.
func TestWhatCannotBeSentIsRefusedAndNotKept(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, NewOutbox(dir))
	box := s.box(t, "hello")
	file := func(name, contentType, content string) func(*wire.SendEmail) {
		return func(in *wire.SendEmail) {
			in.Attachments = []wire.Attachment{{
				Filename: name, ContentType: contentType, ContentBase64: base64.StdEncoding.EncodeToString([]byte(content)),
			}}
		}
	}
	template := func(name string, variables map[string]any) func(*wire.SendEmail) {
		return func(in *wire.SendEmail) {
			in.Subject, in.HTML, in.Template, in.Variables = "", "", name, variables
		}
	}
	shop := map[string]any{"project_name": "Shop"}
	for name, test := range map[string]struct {
		change func(*wire.SendEmail)
		field  string
	}{
		"no recipient":              {func(in *wire.SendEmail) { in.To = "" }, "to"},
		"a name with it":            {func(in *wire.SendEmail) { in.To = "Ana <ana@example.com>" }, "to"},
		"two recipients":            {func(in *wire.SendEmail) { in.To = "ana@example.com,ben@example.com" }, "to"},
		"a header in the recipient": {func(in *wire.SendEmail) { in.To = "ana@example.com\r\nBcc: eve@example.org" }, "to"},
		"a command in it":           {func(in *wire.SendEmail) { in.To = "ana@example.com>\r\nRCPT TO:<eve@example.org" }, "to"},
		"a NUL in it":               {func(in *wire.SendEmail) { in.To = "ana\x00@example.com" }, "to"},
		"unicode in it":             {func(in *wire.SendEmail) { in.To = "an\u00e4@example.com" }, "to"},
		"no domain":                 {func(in *wire.SendEmail) { in.To = "ana" }, "to"},
		"a long recipient":          {func(in *wire.SendEmail) { in.To = strings.Repeat("a", 320) + "@example.com" }, "to"},

		"no subject":             {func(in *wire.SendEmail) { in.Subject = "" }, "subject"},
		"a header in it":         {func(in *wire.SendEmail) { in.Subject = "Hi\r\nBcc: eve@example.org" }, "subject"},
		"a bare line feed in it": {func(in *wire.SendEmail) { in.Subject = "Hi\nX: y" }, "subject"},
		"a NEL in it":            {func(in *wire.SendEmail) { in.Subject = "Hi\u0085X: y" }, "subject"},
		"10,000 characters":      {func(in *wire.SendEmail) { in.Subject = strings.Repeat("x", 10_000) }, "subject"},
		"999 characters":         {func(in *wire.SendEmail) { in.Subject = strings.Repeat("x", 999) }, "subject"},

		"no html":        {func(in *wire.SendEmail) { in.HTML, in.Text = "", "only text" }, "html"},
		"blank html":     {func(in *wire.SendEmail) { in.HTML = " \n" }, "html"},
		"long html":      {func(in *wire.SendEmail) { in.HTML = strings.Repeat("x", 1<<20+1) }, "html"},
		"long text":      {func(in *wire.SendEmail) { in.Text = strings.Repeat("x", 1<<20+1) }, "text"},
		"a NUL in html":  {func(in *wire.SendEmail) { in.HTML = "a\x00b" }, "html"},
		"a NUL in text":  {func(in *wire.SendEmail) { in.Text = "a\x00b" }, "text"},
		"a long name":    {func(in *wire.SendEmail) { in.FromName = strings.Repeat("x", 79) }, "from_name"},
		"another sender": {func(in *wire.SendEmail) { in.FromName = "Bank <it@bank.example>" }, "from_name"},
		"a header in from_name": {
			func(in *wire.SendEmail) { in.FromName = "Bank\r\nReply-To: eve@example.org" }, "from_name",
		},
		"no such message":      {func(in *wire.SendEmail) { in.InReplyTo = "msg_0000000000000000" }, "in_reply_to"},
		"a header in reply to": {func(in *wire.SendEmail) { in.InReplyTo = "msg_1>\r\nX: y" }, "in_reply_to"},

		"six attachments": {func(in *wire.SendEmail) {
			in.Attachments = make([]wire.Attachment, 6)
		}, "attachments"},
		"8 MB of them":      {file("a.txt", "", strings.Repeat("x", 8<<20)), "attachments"},
		"no base64":         {func(in *wire.SendEmail) { in.Attachments = []wire.Attachment{{Filename: "a", ContentBase64: "!"}} }, "attachments[0].content_base64"},
		"no filename":       {file("", "", "x"), "attachments[0].filename"},
		"a path":            {file("../../etc/passwd", "", "x"), "attachments[0].filename"},
		"a backslash":       {file(`a\b`, "", "x"), "attachments[0].filename"},
		"a long filename":   {file(strings.Repeat("a", 256), "", "x"), "attachments[0].filename"},
		"a header in it ":   {file("a.txt\r\nX: y", "", "x"), "attachments[0].filename"},
		"a quote in it":     {file(`a.txt"; x="y`, "", "x"), "attachments[0].filename"},
		"turned around":     {file("a\u202etxt.exe", "", "x"), "attachments[0].filename"},
		"a program":         {file("a.exe", "", "x"), "attachments[0].filename"},
		"a hidden program":  {file("a.pdf", "application/pdf", "MZ\x90\x00"), "attachments[0].filename"},
		"a script":          {file("run.ps1. ", "", "x"), "attachments[0].filename"},
		"a type of program": {file("a", "application/x-msdownload", "x"), "attachments[0].filename"},
		"no type":           {file("a.txt", "text", "x"), "attachments[0].content_type"},
		"a header in type":  {file("a.txt", "text/plain\r\nX: y", "x"), "attachments[0].content_type"},
		"a message within":  {file("a.eml", "message/rfc822", "x"), "attachments[0].content_type"},

		"variables without a template": {func(in *wire.SendEmail) { in.Variables = shop }, "variables"},
		"no such template":             {template("welcome", shop), "template"},
		"template and subject": {func(in *wire.SendEmail) {
			in.Template, in.Variables, in.HTML = "notification", shop, ""
		}, "subject"},
		"a variable is missing":     {template("project_invite", shop), "variables.invite_url"},
		"neither link nor code":     {template("magic_link", shop), "variables.link_url"},
		"a long message":            {template("notification", map[string]any{"project_name": "Shop", "message": strings.Repeat("x", 501)}), "variables.message"},
		"a script as a link":        {template("project_invite", map[string]any{"project_name": "Shop", "invite_url": "javascript:alert(1)"}), "variables.invite_url"},
		"a header in the project":   {template("notification", map[string]any{"project_name": "A\r\nBcc: b", "message": "x"}), "variables.project_name"},
		"a list as a variable":      {template("notification", map[string]any{"project_name": []int{1}, "message": "x"}), "variables.project_name"},
		"attachments to a template": {func(in *wire.SendEmail) { template("notification", shop)(in); file("a.txt", "", "x")(in) }, "attachments"},
	} {
		t.Run(name, func(t *testing.T) {
			in := letterTo("ana@example.com")
			test.change(&in)
			got := s.sendFrom(t, box, in).refused(t, 400, "INVALID_REQUEST")
			if got.text("field") != test.field {
				t.Errorf("field %q, want %q: %s", got.text("field"), test.field, got.raw)
			}
		})
	}
	for name, body := range map[string]string{
		"no object": `[]`, "no JSON": `{"to"`, "a number": `{"to":7}`, "a list of variables": `{"to":"a@b.c","variables":[]}`,
	} {
		if got := s.sendFrom(t, box, body); got.status != 400 {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	s.sendFrom(t, box, `{"attachments":[{"filename":"a","content_base64":"`+strings.Repeat("x", 20<<20)+`"}]}`).
		refused(t, 413, "REQUEST_BODY_TOO_LARGE")

	if n := s.count(t, "messages"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("files were written: %v", files)
	}
}

func TestAKeptMessage(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, NewOutbox(dir))
	box := s.box(t, "hello")
	got := s.sendFrom(t, box, wire.SendEmail{To: "Ana@example.com", Subject: "Hi", HTML: "<h1>Hello</h1><p>you &amp; me</p>"}).want(t, 201)
	for name, want := range map[string]any{
		"status": "kept", "delivery_state": "kept_not_sent", "provider": "outbox", "to": "Ana@example.com", "mailbox_id": box,
		"from_address": "hello@shop.example.com", "sent_at": nil, "template": nil, "body_text": "Hello\n\nyou & me",
		"direction": "outbound", "id": got.text("message_id"),
	} {
		if got.body[name] != want {
			t.Errorf("%s is %v, want %v", name, got.body[name], want)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+got.text("message_id")+".eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v %v", files, err)
	}
	onDisk, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	raw := s.do(t, "GET", "/"+box+"/messages/"+got.text("message_id")+"/raw", nil).want(t, 200)
	if raw.raw != string(onDisk) || raw.header.Get("Content-Type") != "message/rfc822" {
		t.Errorf("raw is %s, and differs from the file", raw.header.Get("Content-Type"))
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v", info.Mode())
	}
}

func TestMessagesArePagedNewestFirst(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	box, other := s.box(t, "hello"), s.box(t, "other")
	var sent []string
	for range 7 {
		sent = append([]string{s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201).text("message_id")}, sent...)
	}
	s.sendFrom(t, other, letterTo("ana@example.com")).want(t, 201)
	var seen []string
	for cursor, more := "", true; more; {
		page := s.do(t, "GET", "/"+box+"/messages?direction=outbound&limit=3&after="+cursor, nil).want(t, 200)
		for _, m := range page.body["messages"].([]any) {
			seen = append(seen, m.(map[string]any)["message_id"].(string))
		}
		more = page.body["has_more"].(bool)
		cursor = page.text("next_cursor")
		if more == (cursor == "") {
			t.Fatalf("a page that says %s", page.raw)
		}
	}
	if strings.Join(seen, " ") != strings.Join(sent, " ") {
		t.Errorf("seen %v, sent %v", seen, sent)
	}
	if got := s.do(t, "GET", "/"+box+"/messages?direction=inbound", nil).want(t, 200); len(got.body["messages"].([]any)) != 0 {
		t.Errorf("inbound: %s", got.raw)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "direction=up", "after=x", "after=%00"} {
		s.do(t, "GET", "/"+box+"/messages?"+query, nil).refused(t, 400, "INVALID_REQUEST")
	}
	s.do(t, "GET", "/"+other+"/messages/"+sent[0], nil).refused(t, 404, "MESSAGE_NOT_FOUND")
	s.do(t, "GET", "/"+box+"/messages/x%00", nil).refused(t, 404, "MESSAGE_NOT_FOUND")

	// Who deleted the mailbox still reads what it sent, and sends no more.
	s.do(t, "DELETE", "/"+box, nil).want(t, 200)
	s.do(t, "GET", "/"+box+"/messages/"+sent[0], nil).want(t, 200)
	s.sendFrom(t, box, letterTo("ana@example.com")).refused(t, 404, "MAILBOX_NOT_FOUND")
}

// Suppression comes before the rate, and both after validation.
func TestSuppression(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()), func(o *Options) { o.SendLimit = 1 })
	box := s.box(t, "hello")
	made := s.do(t, "POST", "/suppressions", `{"address":"Ana@Example.com"}`).want(t, 201)
	if made.text("address") != "ana@example.com" || made.text("reason") != "manual" || made.text("scope") != "project" {
		t.Errorf("made: %s", made.raw)
	}
	s.sendFrom(t, box, letterTo("ben@example.com")).want(t, 201)
	got := s.sendFrom(t, box, letterTo("ANA@example.com")).refused(t, 403, "RECIPIENT_SUPPRESSED")
	if !got.is("retryable", false) || got.text("suppression_scope") != "project" || got.text("suppression_reason") != "manual" {
		t.Errorf("refusal: %s", got.raw)
	}
	bad := letterTo("ana@example.com")
	bad.Subject = ""
	s.sendFrom(t, box, bad).refused(t, 400, "INVALID_REQUEST")
	if list := s.do(t, "GET", "/suppressions", nil).want(t, 200); len(list.body["suppressions"].([]any)) != 1 {
		t.Errorf("list: %s", list.raw)
	}
	s.do(t, "DELETE", "/suppressions/ANA@example.com", nil).want(t, 200)
	s.do(t, "DELETE", "/suppressions/ana@example.com", nil).refused(t, 404, "SUPPRESSION_NOT_FOUND")
	s.sendFrom(t, box, letterTo("ana@example.com")).refused(t, 429, "MAILBOX_SEND_RATE_LIMITED")
	for _, body := range []string{`{}`, `{"address":"x"}`, `{"address":"a@b.c","reason":"spite"}`, `{"address":"a@b.c\u0000"}`} {
		s.do(t, "POST", "/suppressions", body).refused(t, 400, "INVALID_REQUEST")
	}
}

func TestTheRateHoldsForEachMailboxAndForAllAtOnce(t *testing.T) {
	const limit = 5
	s := newService(t, NewOutbox(t.TempDir()), func(o *Options) { o.SendLimit = limit })
	box, other := s.box(t, "hello"), s.box(t, "other")
	answers := make(chan answered)
	for range 3 * limit {
		go func() { answers <- s.sendFrom(t, box, letterTo("ana@example.com")) }()
	}
	accepted := 0
	for range 3 * limit {
		a := <-answers
		if a.status == 201 {
			accepted++
			continue
		}
		a.refused(t, 429, "MAILBOX_SEND_RATE_LIMITED")
		seconds := a.body["retry_after_seconds"].(float64)
		if a.header.Get("Retry-After") == "" || seconds < 1 || seconds > 60 || a.body["limit"] != float64(limit) || a.body["window_ms"] != 60_000.0 {
			t.Errorf("refusal: %v %s", a.header, a.raw)
		}
	}
	if accepted != limit {
		t.Errorf("%d were accepted, want %d", accepted, limit)
	}
	s.sendFrom(t, other, letterTo("ana@example.com")).want(t, 201)
	if _, err := s.pool.Exec(t.Context(), "update internal.messages set created_at = created_at - $1::interval", sendWindow); err != nil {
		t.Fatal(err)
	}
	s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
}

func TestAReplyIsThreaded(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	box := s.box(t, "hello")
	first := s.sendFrom(t, box, letterTo("ana@example.com")).text("message_id")
	in := letterTo("ana@example.com")
	in.InReplyTo = first
	reply := s.sendFrom(t, box, in).want(t, 201)
	if reply.text("in_reply_to_message_id") != first {
		t.Errorf("reply: %s", reply.raw)
	}
	raw := s.do(t, "GET", "/"+box+"/messages/"+reply.text("message_id")+"/raw", nil).raw
	for _, header := range []string{"In-Reply-To", "References"} {
		if !strings.Contains(raw, header+": <"+first+"@shop.example.com>\r\n") {
			t.Errorf("no %s:\n%s", header, raw)
		}
	}
	// Of another mailbox's message nobody learns.
	in.To = "ben@example.com"
	if got := s.sendFrom(t, s.box(t, "other"), in).refused(t, 400, "INVALID_REQUEST"); got.text("field") != "in_reply_to" {
		t.Errorf("another mailbox's: %s", got.raw)
	}
}

func TestASuspendedMailboxSendsNothing(t *testing.T) {
	s := newService(t, NewOutbox(t.TempDir()))
	box := s.box(t, "hello")
	if _, err := s.pool.Exec(t.Context(), "update internal.mailboxes set status = 'suspended'"); err != nil {
		t.Fatal(err)
	}
	s.sendFrom(t, box, `nonsense`).refused(t, 403, "MAILBOX_NOT_SEND_READY")
	if got := s.do(t, "GET", "/"+box, nil); !got.is("can_send", false) || got.text("send_blocked_reason") != "mailbox_suspended" {
		t.Errorf("mailbox: %s", got.raw)
	}
}

// However long the words are, no line is longer than relays and signatures allow, and nothing gets lost.
func TestNoLineIsTooLong(t *testing.T) {
	long := strings.Repeat("x", 998)
	for name, d := range map[string]draft{
		"ascii words":   {subject: long, html: strings.Repeat("y", 5000), text: strings.Repeat("z", 5000)},
		"many words":    {subject: strings.Repeat("ab ", 330), html: "x", text: "x"},
		"unicode":       {subject: strings.Repeat("\u00fc", 998), html: strings.Repeat("\u20ac", 3000), text: strings.Repeat("\U0001f600", 2000)},
		"unicode name":  {subject: "x", html: "x", text: "x", fromName: strings.Repeat("\u00fc", 78)},
		"long names":    {subject: "x", html: "x", text: "x", files: []file{{strings.Repeat("n", 250) + ".txt", "text/plain", bytes.Repeat([]byte("q"), 10000)}}},
		"unicode names": {subject: "x", html: "x", text: "x", files: []file{{strings.Repeat("\u00fc", 120) + ".txt", "text/plain", []byte("q")}}},
		"dots":          {subject: "x", html: ".\r\n.\r\n..", text: ".\n.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d.to = strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + ".example.com"
			raw, err := compose(d, header{messageID: "msg_1@shop.example.com", from: "hello@shop.example.com", date: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
				named := strings.HasPrefix(line, "Content-Disposition: ") || strings.HasPrefix(line, " <") // no name can be folded
				if len(line) > 998 || len(line) > 78 && !named || strings.ContainsAny(line, "\r\n") {
					t.Errorf("a line of %d bytes: %.100q", len(line), line)
				}
			}
		})
	}
}

// What a sender's name may hold is in no other header, and leaves the address as it is.
func TestANameOfTheSenderIsOnlyThat(t *testing.T) {
	if err := checkFromName(`a\`); err == nil {
		t.Error("a backslash, which no mail library here escapes, is let pass")
	}
	for _, name := range []string{"a, b; c:", "", "=?UTF-8?q?a=0d=0aBcc:x?=", "\u2028x"} {
		d := draft{to: "ana@example.com", subject: "s", html: "<p>x", text: "x", fromName: name}
		raw, err := compose(d, header{messageID: "a@b", from: "x@local.invalid", date: time.Now()})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		m, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		from, err := m.Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Address != "x@local.invalid" || m.Header.Get("Bcc") != "" {
			t.Errorf("%q: from %v, %v", name, from, err)
		}
	}
}
