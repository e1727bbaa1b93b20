package mail

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/mail/mailtest"
)

func relayAt(t testing.TB, address string, change ...func(*Relay)) *SMTP {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	r := Relay{Host: host, Hello: "shop.example.com", TLS: TLSOff, Timeout: 10 * time.Second}
	if r.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&r)
	}
	return NewSMTP(r)
}

func TestWhatARelayGets(t *testing.T) {
	pit := mailtest.Start(t)
	s := newService(t, relayAt(t, pit.SMTP))
	box := s.box(t, "hello")
	pdf := append([]byte("%PDF-1.7\x00\xff"), bytes.Repeat([]byte{0x80, '.', '\r', '\n'}, 5000)...)
	in := wire.SendEmail{
		To: "ana@example.com", Subject: strings.Repeat("Gr\u00fc\u00dfe \U0001f600 ", 40), FromName: "M\u00fcller, the shop",
		HTML: "<p>Price: 5 \u20ac</p>\r\n.\r\n<p>" + strings.Repeat("wide ", 500) + "</p>", Text: "Price: 5 \u20ac\n.\nEnd",
		Attachments: []wire.Attachment{
			{Filename: "Rechnung \u00fc.pdf", ContentType: "application/pdf", ContentBase64: base64.StdEncoding.EncodeToString(pdf)},
			{Filename: "note.txt", ContentBase64: base64.StdEncoding.EncodeToString([]byte("note"))},
		},
	}
	sent := s.sendFrom(t, box, in).want(t, 201)
	if sent.text("status") != "sent" || sent.text("delivery_state") != "accepted" || sent.text("sent_at") == "" || sent.text("provider_message_id") == "" {
		t.Errorf("sent: %s", sent.raw)
	}
	letters := pit.Letters(t)
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	got := letters[0]
	if got.MessageID != sent.text("message_id")+"@shop.example.com" || got.Subject != in.Subject ||
		got.From.Name != in.FromName || got.From.Address != "hello@shop.example.com" || got.To[0].Address != in.To {
		t.Errorf("headers: %+v", got)
	}
	if strings.ReplaceAll(got.Text, "\r\n", "\n") != in.Text || got.HTML != in.HTML {
		t.Errorf("text %q\nHTML %.200q", got.Text, got.HTML)
	}
	if len(got.Attachments) != 2 || got.Attachments[0].FileName != "Rechnung \u00fc.pdf" || got.Attachments[0].ContentType != "application/pdf" {
		t.Fatalf("attachments: %+v", got.Attachments)
	}
	if file := pit.Attachment(t, got.ID, got.Attachments[0].PartID); !bytes.Equal(file, pdf) {
		t.Errorf("the file has %d bytes, want %d", len(file), len(pdf))
	}
	for line := range strings.SplitSeq(pit.Raw(t, got.ID), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	metas := sent.body["attachments_meta"].([]any)
	if first := metas[0].(map[string]any); first["size_bytes"] != float64(len(pdf)) || first["content_type"] != "application/pdf" {
		t.Errorf("meta: %v", first)
	}
	// What was handed over is not kept.
	s.do(t, "GET", "/"+box+"/messages/"+sent.text("message_id")+"/raw", nil).refused(t, 404, "RAW_MESSAGE_NOT_FOUND")
	var kept int
	if err := s.pool.QueryRow(t.Context(), "select count(raw) from internal.messages").Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d are kept, %v", kept, err)
	}
}

func TestTemplates(t *testing.T) {
	pit := mailtest.Start(t)
	s := newService(t, relayAt(t, pit.SMTP))
	box := s.box(t, "hello")
	const project = `Tom & <b>Jerry's</b>`
	for name, test := range map[string]struct {
		template  string
		variables map[string]any
		subject   string
		text      []string
		html      []string
		not       []string // in either
	}{
		"invitation": {
			"project_invite", map[string]any{"project_name": project, "invite_url": "https://shop.example.com/i?a=1&b=%22"},
			"You are invited to " + project, []string{"https://shop.example.com/i?a=1&b=%22", project},
			[]string{`href="https://shop.example.com/i?a=1&amp;b=%22"`, "Tom &amp; &lt;b&gt;Jerry&#39;s&lt;/b&gt;"}, nil,
		},
		"link": {
			"magic_link", map[string]any{"project_name": "Shop", "link_url": "https://shop.example.com/l", "expires_in": "15 minutes"},
			"Sign in to Shop", []string{"https://shop.example.com/l", "expires in 15 minutes"}, []string{`href="https://shop.example.com/l"`},
			[]string{"code"},
		},
		"code": {
			"magic_link", map[string]any{"project_name": "Shop", "code": 123456.0},
			"Sign in to Shop", []string{"Enter this code to sign in to Shop:\n123456"}, []string{">123456<"}, []string{"href", "link", "expires"},
		},
		"both": {
			"magic_link", map[string]any{"project_name": "Shop", "code": "0042", "link_url": "https://shop.example.com/l"},
			"Sign in to Shop", []string{"Or enter this code:\n0042", "https://shop.example.com/l"}, []string{">0042<", "href="}, nil,
		},
		"notification": {
			"notification", map[string]any{"project_name": "Shop", "message": "Line <one>\nLine {{two}}", "unknown": []int{1}},
			"A message from Shop", []string{"Line <one>\nLine {{two}}"}, []string{"Line &lt;one&gt;<br>Line {{two}}"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := wire.SendEmail{To: "ana@example.com", Template: test.template, Variables: test.variables}
			sent := s.sendFrom(t, box, in).want(t, 201)
			if sent.text("template") != test.template || sent.text("subject") != test.subject {
				t.Errorf("sent: %s", sent.raw)
			}
			letters := pit.Letters(t)
			i := slices.IndexFunc(letters, func(l mailtest.Letter) bool {
				return strings.HasPrefix(l.MessageID, sent.text("message_id"))
			})
			got := letters[i]
			text := strings.ReplaceAll(got.Text, "\r\n", "\n")
			for _, want := range test.text {
				if !strings.Contains(text, want) {
					t.Errorf("the text lacks %q:\n%s", want, text)
				}
			}
			for _, want := range test.html {
				if !strings.Contains(got.HTML, want) {
					t.Errorf("the HTML lacks %q:\n%s", want, got.HTML)
				}
			}
			for _, not := range test.not {
				if strings.Contains(text+got.HTML, not) {
					t.Errorf("there is %q:\n%s\n%s", not, text, got.HTML)
				}
			}
			if got.Subject != test.subject || strings.Contains(text, "\n\n\n") {
				t.Errorf("subject %q, text:\n%s", got.Subject, text)
			}
		})
	}
}

// soon makes what waits due now.
func (s service) soon(t testing.TB) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), "update internal.messages set due_at = now() where due_at is not null"); err != nil {
		t.Fatal(err)
	}
	s.queue.kick()
}

func (s service) status(t testing.TB, box, id string) answered {
	t.Helper()
	return s.do(t, "GET", "/"+box+"/messages/"+id, nil).want(t, 200)
}

func TestRefusalsOfARelay(t *testing.T) {
	pit := mailtest.Start(t)
	s := newService(t, relayAt(t, pit.SMTP))
	box := s.box(t, "hello")
	for _, test := range []struct {
		step   string
		code   int
		status string
	}{
		{"Sender", 451, "pending"}, {"Sender", 421, "pending"}, {"Sender", 530, "pending"}, {"Sender", 550, "failed"},
		{"Recipient", 452, "pending"}, {"Recipient", 554, "failed"}, {"Recipient", 550, "bounced"},
	} {
		t.Run(fmt.Sprint(test.step, " ", test.code), func(t *testing.T) {
			to := fmt.Sprintf("%s%d@example.com", test.step, test.code)
			pit.Chaos(t, test.step, test.code)
			defer pit.Chaos(t, test.step, 0)
			got := s.sendFrom(t, box, letterTo(to))
			if test.status != "pending" {
				got.refused(t, 502, "PROVIDER_REJECTED")
				if got.text("delivery_state") != test.status || !got.is("retryable", false) || len(got.body["next_actions"].([]any)) == 0 {
					t.Errorf("refusal: %s", got.raw)
				}
				after := s.status(t, box, got.text("message_id"))
				if after.text("status") != test.status || !strings.Contains(after.text("error"), strconv.Itoa(test.code)) {
					t.Errorf("afterwards: %s", after.raw)
				}
				again := s.sendFrom(t, box, letterTo(strings.ToLower(to)))
				if suppressed := again.text("code") == "RECIPIENT_SUPPRESSED"; suppressed != (test.status == "bounced") {
					t.Errorf("the next mail there: %s", again.raw)
				}
				return
			}
			if got.want(t, 201).text("status") != "pending" || !strings.Contains(got.text("error"), strconv.Itoa(test.code)) {
				t.Errorf("meanwhile: %s", got.raw)
			}
			pit.Chaos(t, test.step, 0)
			s.soon(t)
			eventually(t, "it is sent", func() bool { return s.status(t, box, got.text("message_id")).text("status") == "sent" })
			if n := len(slices.DeleteFunc(pit.MessageIDs(t), func(id string) bool { return !strings.HasPrefix(id, got.text("message_id")) })); n != 1 {
				t.Errorf("it arrived %d times", n)
			}
		})
	}
}

// script is a relay that says what it is told to at each step; "hang" says nothing.
type script struct {
	address string
	replies map[string]string // by the first word of a command; "greeting", and "end" for the end of a message

	mu          sync.Mutex
	connections int
	messages    int
}

func newScript(t testing.TB, replies map[string]string) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &script{address: l.Addr().String(), replies: replies}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			r.mu.Lock()
			r.connections++
			r.mu.Unlock()
			go r.talk(conn)
		}
	}()
	return r
}

func (r *script) talk(conn net.Conn) {
	defer conn.Close()
	usual := map[string]string{
		"greeting": "220 here", "EHLO": "250 here", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "end": "250 ok: queued as 42",
		"RSET": "250 ok", "QUIT": "221 bye",
	}
	say := func(step string) bool {
		text, ok := r.replies[step]
		if !ok {
			text = usual[step]
		}
		if text == "hang" {
			_, _ = conn.Read(make([]byte, 1<<20))
			time.Sleep(time.Minute) // until the test ends and closes the connection
		}
		_, err := fmt.Fprintf(conn, "%s\r\n", text)
		return err == nil
	}
	lines := bufio.NewScanner(conn)
	for ok := say("greeting"); ok && lines.Scan(); {
		command, _, _ := strings.Cut(lines.Text(), " ")
		ok = say(command)
		if command == "DATA" && ok && r.replies["DATA"] == "" {
			for lines.Scan() && lines.Text() != "." {
			}
			r.mu.Lock()
			r.messages++
			r.mu.Unlock()
			ok = say("end")
		}
	}
}

func TestWhatEachAnswerOfARelayMeans(t *testing.T) {
	for name, test := range map[string]struct {
		replies map[string]string
		status  string
		says    string
	}{
		"greeting: busy":              {map[string]string{"greeting": "421 busy"}, "pending", "421"},
		"greeting: no service":        {map[string]string{"greeting": "554 go away"}, "pending", "554"},
		"greeting: nonsense":          {map[string]string{"greeting": "SSH-2.0"}, "pending", ""},
		"EHLO: refused":               {map[string]string{"EHLO": "550 who", "HELO": "550 who"}, "pending", "550"},
		"MAIL: login first":           {map[string]string{"MAIL": "530 5.7.0 authentication required"}, "pending", "530"},
		"MAIL: not your domain":       {map[string]string{"MAIL": "553 5.7.1 not yours"}, "failed", "not yours"},
		"RCPT: greylisted":            {map[string]string{"RCPT": "451 4.7.1 later"}, "pending", "later"},
		"RCPT: nobody":                {map[string]string{"RCPT": "550 5.1.1 no such user"}, "bounced", "no such user"},
		"RCPT: no such domain":        {map[string]string{"RCPT": "550 5.1.2 no such domain"}, "bounced", "5.1.2"},
		"RCPT: closed":                {map[string]string{"RCPT": "550 5.2.1 disabled"}, "bounced", "5.2.1"},
		"RCPT: full":                  {map[string]string{"RCPT": "552 5.2.2 full"}, "failed", "5.2.2"},
		"RCPT: policy":                {map[string]string{"RCPT": "550 5.7.1 blocked"}, "failed", "5.7.1"},
		"RCPT: nobody, no more words": {map[string]string{"RCPT": "550 unknown"}, "bounced", "550"},
		"DATA: refused":               {map[string]string{"DATA": "554 no"}, "failed", "554"},
		"DATA: later":                 {map[string]string{"DATA": "452 later"}, "pending", "452"},
		"end: spam":                   {map[string]string{"end": "554 5.7.1 spam"}, "failed", "spam"},
		"end: later":                  {map[string]string{"end": "451 later"}, "pending", "451"},
		"end: control characters":     {map[string]string{"end": "554 a\x1b[2Jb\x00c"}, "failed", "554"},
		"hangs at the greeting":       {map[string]string{"greeting": "hang"}, "pending", "timeout"},
		"hangs at RCPT":               {map[string]string{"RCPT": "hang"}, "pending", "timeout"},
		"hangs at the end":            {map[string]string{"end": "hang"}, "pending", "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newScript(t, test.replies)
			s := newService(t, relayAt(t, r.address, func(r *Relay) { r.Timeout = 300 * time.Millisecond }))
			box := s.box(t, "hello")
			got := s.sendFrom(t, box, letterTo("ana@example.com"))
			after := s.status(t, box, got.text("message_id"))
			if after.text("status") != test.status || !strings.Contains(after.text("error"), test.says) {
				t.Errorf("answered %s\nafterwards %s", got.raw, after.raw)
			}
			if n := s.count(t, "suppressions"); (n == 1) != (test.status == "bounced") {
				t.Errorf("%d suppressions", n)
			}
		})
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	r := newScript(t, nil)
	s := newService(t, relayAt(t, r.address))
	box := s.box(t, "hello")
	for range 5 {
		got := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
		if got.text("status") != "sent" || got.text("provider_message_id") != "ok: queued as 42" {
			t.Errorf("sent: %s", got.raw)
		}
	}
	if r.connections != 1 || r.messages != 5 {
		t.Errorf("%d messages over %d connections", r.messages, r.connections)
	}
}

// A relay that is down for a while costs time and nothing else; the pause is the queue's own.
func TestARelayThatComesBack(t *testing.T) {
	pit := mailtest.New(t)
	s := newService(t, relayAt(t, pit.SMTP))
	box := s.box(t, "hello")
	var ids []string
	for range 3 {
		got := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
		if got.text("status") != "pending" || !strings.Contains(got.text("error"), "refused") {
			t.Errorf("meanwhile: %s", got.raw)
		}
		ids = append(ids, got.text("message_id")+"@shop.example.com")
	}
	pit.Up(t)
	eventually(t, "all are sent", func() bool { return len(pit.MessageIDs(t)) == len(ids) })
	got := pit.MessageIDs(t)
	slices.Sort(ids)
	slices.Sort(got)
	if !slices.Equal(got, ids) {
		t.Errorf("arrived %v, accepted %v", got, ids)
	}
}

// certificate makes a key for 127.0.0.1 in files, and who trusts it.
func certificate(t *testing.T) (certFile, keyFile string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, raw []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", private), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func TestTLSAndLogin(t *testing.T) {
	cert, key, trust := certificate(t)
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("shop:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	starttls := mailtest.Start(t, "--smtp-tls-cert", cert, "--smtp-tls-key", key, "--smtp-auth-file", users, "--smtp-require-starttls")
	implicit := mailtest.Start(t, "--smtp-tls-cert", cert, "--smtp-tls-key", key, "--smtp-auth-file", users, "--smtp-require-tls")
	plain := mailtest.Start(t)
	relay := func(kind TLS, user, password string, roots *tls.Config) func(*Relay) {
		return func(r *Relay) { r.TLS, r.User, r.Password, r.Roots = kind, user, password, roots }
	}
	for name, test := range map[string]struct {
		at     *mailtest.Mailpit
		relay  func(*Relay)
		status string
		says   string
	}{
		"STARTTLS":                    {starttls, relay(TLSRequired, "shop", "secret", trust), "sent", ""},
		"STARTTLS where offered":      {starttls, relay(TLSAuto, "shop", "secret", trust), "sent", ""},
		"STARTTLS, unknown authority": {starttls, relay(TLSAuto, "shop", "secret", nil), "pending", "certificate"},
		"without TLS":                 {starttls, relay(TLSOff, "", "", nil), "pending", "530"},
		"implicit":                    {implicit, relay(TLSImplicit, "shop", "secret", trust), "sent", ""},
		"implicit, unknown authority": {implicit, relay(TLSImplicit, "shop", "secret", nil), "pending", "certificate"},
		"required and not offered":    {plain, relay(TLSRequired, "", "", trust), "pending", "STARTTLS"},
		"no login offered":            {plain, relay(TLSAuto, "shop", "secret", trust), "pending", "no login"},
	} {
		t.Run(name, func(t *testing.T) {
			provider := relayAt(t, test.at.SMTP, test.relay)
			s := newService(t, provider)
			box := s.box(t, "hello")
			got := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
			if got.text("status") != test.status || !strings.Contains(got.text("error"), test.says) {
				t.Errorf("answered %s", got.raw)
			}
			if err := provider.Check(t.Context()); (err == nil) != (test.status == "sent") && name != "without TLS" {
				t.Errorf("check: %v", err)
			}
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		s := newService(t, relayAt(t, starttls.SMTP, relay(TLSRequired, "shop", "wrong", trust)))
		box := s.box(t, "hello")
		first := s.sendFrom(t, box, letterTo("ana@example.com")).want(t, 201)
		if first.text("status") != "pending" {
			t.Errorf("the first, which found out: %s", first.raw)
		}
		got := s.sendFrom(t, box, letterTo("ana@example.com")).refused(t, 503, "PROVIDER_MISCONFIGURED")
		if strings.Contains(got.raw, "wrong") {
			t.Errorf("the password is told: %s", got.raw)
		}
		if list := s.do(t, "GET", "", nil); list.body["provider_readiness"].(map[string]any)["status"] != "misconfigured" {
			t.Errorf("list: %s", list.raw)
		}
	})
}
