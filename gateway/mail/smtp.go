package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// TLS is how a connection to a relay is protected.
type TLS string

// The ways. Certificates are always verified.
const (
	TLSAuto     TLS = ""         // by STARTTLS where it is offered; a password goes to another machine with it only
	TLSRequired TLS = "required" // by STARTTLS, or not at all
	TLSImplicit TLS = "implicit" // from the first byte, as on port 465
	TLSOff      TLS = "off"
)

// Relay is an SMTP server that sends mail on.
type Relay struct {
	Host           string
	Port           int
	User, Password string // without a user nobody logs in
	TLS            TLS
	Hello          string        // what this machine calls itself; a domain
	Timeout        time.Duration // of each step; 0 means 30 s
	Roots          *tls.Config   // for tests: whom to trust; nil means the system's
}

// SMTP is the provider that hands messages to a relay, over connections that it keeps for a while.
type SMTP struct {
	relay Relay
	idle  chan *connection

	mu      sync.Mutex
	problem string // why the relay does not want us, while that is fresh
	found   time.Time
}

const (
	stepTimeout = 30 * time.Second
	dialTimeout = 10 * time.Second
	idleFor     = 20 * time.Second
	// A problem is looked at again after this long, by sending.
	problemFor = 30 * time.Second
)

// NewSMTP returns the provider of a relay. It connects when there is something to send.
func NewSMTP(relay Relay) *SMTP {
	if relay.Timeout == 0 {
		relay.Timeout = stepTimeout
	}
	return &SMTP{relay: relay, idle: make(chan *connection, parallel)}
}

// Readiness is misconfigured for a while after the relay refused the login.
func (s *SMTP) Readiness() wire.Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := wire.Readiness{Status: wire.ProviderConfigured, Provider: "smtp"}
	if s.problem != "" && time.Since(s.found) < problemFor {
		r.Status, r.Reason = wire.ProviderMisconfigured, s.problem
	}
	return r
}

// Close ends the connections that wait.
func (s *SMTP) Close() {
	for {
		select {
		case c := <-s.idle:
			c.quit()
		default:
			return
		}
	}
}

// Check connects and logs in, and sends nothing.
func (s *SMTP) Check(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	c.quit()
	return nil
}

// Send hands a message to the relay.
func (s *SMTP) Send(ctx context.Context, m Outgoing) (Receipt, error) {
	c, err := s.connection(ctx)
	if err != nil {
		return Receipt{}, err
	}
	defer context.AfterFunc(ctx, c.abort)() // whatever is under way ends with ctx
	said, err := c.send(m, s.relay.Timeout)
	if err != nil {
		c.abort()
		return Receipt{}, s.classified(ctx, err)
	}
	c.used = time.Now()
	select {
	case s.idle <- c:
	default:
		c.quit()
	}
	return Receipt{Status: wire.MailSent, ID: said}, nil
}

// connection returns one that waits and still answers, or a new one.
func (s *SMTP) connection(ctx context.Context) (*connection, error) {
	for {
		select {
		case c := <-s.idle:
			if time.Since(c.used) < idleFor && c.reset(s.relay.Timeout) == nil {
				return c, nil
			}
			c.abort()
		default:
			return s.dial(ctx)
		}
	}
}

func (s *SMTP) dial(ctx context.Context) (*connection, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.relay.Host, strconv.Itoa(s.relay.Port)))
	if err != nil {
		return nil, fmt.Errorf("connect to the relay: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, err := s.greet(conn)
	if err != nil {
		_ = conn.Close()
		return nil, s.classified(ctx, err)
	}
	return c, nil
}

// greet brings a connection to where it takes messages.
func (s *SMTP) greet(conn net.Conn) (*connection, error) {
	if err := conn.SetDeadline(time.Now().Add(s.relay.Timeout)); err != nil {
		return nil, step("connect", err)
	}
	protected := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.relay.Roots != nil {
		protected = s.relay.Roots.Clone()
	}
	protected.ServerName = s.relay.Host
	if s.relay.TLS == TLSImplicit {
		conn = tls.Client(conn, protected)
	}
	client, err := smtp.NewClient(conn, s.relay.Host)
	if err != nil {
		return nil, step("connect", err)
	}
	client.SkipSMTPUTF8(true) // addresses are ASCII
	if err := client.Hello(s.relay.Hello); err != nil {
		return nil, step("EHLO", err)
	}
	offered, _ := client.Extension("STARTTLS")
	switch {
	case s.relay.TLS == TLSRequired && !offered:
		return nil, step("login", errors.New("it does not offer STARTTLS, which is required"))
	case s.relay.TLS == TLSRequired, s.relay.TLS == TLSAuto && offered:
		if err := client.StartTLS(protected); err != nil {
			return nil, step("STARTTLS", err)
		}
	}
	if s.relay.User != "" {
		if err := s.login(client); err != nil {
			return nil, step("login", err)
		}
	}
	s.note("")
	return &connection{conn: conn, client: client}, nil
}

// login proves who we are, by the best way that the relay offers. A password goes in clear to this machine alone.
func (s *SMTP) login(client *smtp.Client) error {
	_, encrypted := client.TLSConnectionState()
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	inClear := encrypted || auth.IsLoopback(s.relay.Host)
	for _, way := range []struct {
		name  string
		clear bool
		auth  smtp.Auth
	}{
		{"SCRAM-SHA-256", false, smtp.ScramSHA256Auth(s.relay.User, s.relay.Password)},
		{"CRAM-MD5", false, smtp.CRAMMD5Auth(s.relay.User, s.relay.Password)},
		{"PLAIN", true, smtp.PlainAuth("", s.relay.User, s.relay.Password, s.relay.Host, inClear)},
		{"LOGIN", true, smtp.LoginAuth(s.relay.User, s.relay.Password, s.relay.Host, inClear)},
	} {
		for _, name := range mechanisms {
			if name == way.name && (inClear || !way.clear) {
				return client.Auth(way.auth)
			}
		}
	}
	if len(mechanisms) == 0 {
		return errors.New("it takes no login on this connection")
	}
	return errors.New("it takes no login that would keep the password to itself: use TLS")
}

// note remembers why the relay does not want us; an empty text that it does.
func (s *SMTP) note(problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem, s.found = problem, time.Now()
}

// connection is one that takes messages.
type connection struct {
	conn   net.Conn
	client *smtp.Client
	used   time.Time
}

// send hands over one message and returns what the relay said to it. Each step has the timeout to itself.
func (c *connection) send(m Outgoing, timeout time.Duration) (said string, err error) {
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"MAIL", func() error { return c.client.Mail("<" + m.From + ">") }},
		{"RCPT", func() error { return c.client.Rcpt("<" + m.To + ">") }},
		{"DATA", func() error {
			w, err := c.client.Data()
			if err != nil {
				return err
			}
			// A slow line may take longer for all of it: only for each part there is a limit.
			for part := m.Raw; len(part) > 0; {
				n := min(len(part), 64<<10)
				if err := c.client.UpdateDeadline(timeout); err != nil {
					return err
				}
				if _, err := w.Write(part[:n]); err != nil {
					return err
				}
				part = part[n:]
			}
			if err := c.client.UpdateDeadline(2 * timeout); err != nil { // relays look a message over before they answer
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			if data, ok := w.(*smtp.DataCloser); ok {
				said = *shortened(data.ServerResponse())
			}
			return nil
		}},
	} {
		if err := c.client.UpdateDeadline(timeout); err != nil {
			return "", step(s.name, err)
		}
		if err := s.do(); err != nil {
			return "", step(s.name, err)
		}
	}
	return said, nil
}

func (c *connection) reset(timeout time.Duration) error {
	return errors.Join(c.client.UpdateDeadline(timeout), c.client.Reset())
}

// quit ends a connection in good order, without waiting long for it.
func (c *connection) quit() {
	const patience = 100 * time.Millisecond
	_ = c.client.UpdateDeadline(patience) // what was sent is settled: nothing that fails now matters
	_ = c.client.Quit()
	c.abort()
}

func (c *connection) abort() { _ = c.conn.Close() } // there is nothing left to save
