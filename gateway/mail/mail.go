// Package mail is a project's mail: mailboxes, what is sent from them, and what became of it (contract section 7).
//
// A message is accepted when its row is committed; from then on the queue, which is that table, brings it to a provider
// (the outbox of a local project, or an SMTP relay), whatever happens to the program. Mailboxes, messages and counters
// live in the gateway's internal schema, so that any copy of the program knows them and may send what another accepted.
package mail

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Provider takes messages out of the program. It is safe for concurrent use.
type Provider interface {
	// Readiness says whether it can be used; FromDomain is not its business.
	Readiness() wire.Readiness
	// Send hands a message over. A *Rejection is final; with any other error the message is tried again later.
	Send(ctx context.Context, m Outgoing) (Receipt, error)
	// Close lets go of connections that wait.
	Close()
}

// Outgoing is a composed message. Raw is RFC 5322, with lines of at most 998 bytes that end in CR LF.
type Outgoing struct {
	ID       string
	From, To string // the envelope's: bare addresses
	Raw      []byte
	Accepted time.Time
}

// Receipt says that a provider took a message.
type Receipt struct {
	Status string // wire.MailSent or wire.MailKept
	ID     string // the provider's own, if it has one
}

// Rejection is a provider's final no.
type Rejection struct {
	Text   string // in the provider's words
	Bounce bool   // there is no such recipient: sending there again would only harm the sender's name
}

// Error returns the provider's words.
func (r *Rejection) Error() string { return r.Text }

// Options say whose mail this is.
type Options struct {
	ProjectID  string
	FromDomain string   // of every mailbox's address
	Provider   Provider // nil means that nothing can be sent

	Pool func(context.Context) (*pgxpool.Pool, error) // of the login that owns the internal schema
	Log  *slog.Logger

	SendLimit int           // messages of a mailbox in a minute; 0 means 60, as in Core
	Wait      time.Duration // how long an answer waits for the first try to send; 0 means 5 s
}

// Mail serves the mail of one project.
type Mail struct {
	opts  Options
	queue *queue
}

const (
	defaultSendLimit = 60
	sendWindow       = time.Minute
	defaultWait      = 5 * time.Second
	maxMailboxes     = 5
)

// New returns the mail of a project. It touches no database and sends nothing until Start.
func New(opts Options) *Mail {
	if opts.SendLimit == 0 {
		opts.SendLimit = defaultSendLimit
	}
	if opts.Wait == 0 {
		opts.Wait = defaultWait
	}
	return &Mail{opts: opts, queue: newQueue(opts.Provider, opts.Log)}
}

// Start begins to send what waits in the database. It is called once, when that is open.
func (m *Mail) Start(pool *pgxpool.Pool) { m.queue.start(pool) }

// Close stops sending. What is being handed over has until shortly before the end of ctx; the rest waits for the next
// start, here or elsewhere.
func (m *Mail) Close(ctx context.Context) {
	m.queue.close(ctx)
	if m.opts.Provider != nil {
		m.opts.Provider.Close()
	}
}

// Routes adds the routes of contract section 7 to a mux, behind the guard, which lets the service key pass.
func (m *Mail) Routes(mux *http.ServeMux, guard func(http.HandlerFunc) http.HandlerFunc) {
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /mailboxes/v1":                             m.list,
		"POST /mailboxes/v1":                            m.create,
		"PATCH /mailboxes/v1/settings":                  m.settings,
		"GET /mailboxes/v1/{mailbox}":                   m.get,
		"PATCH /mailboxes/v1/{mailbox}":                 m.patch,
		"DELETE /mailboxes/v1/{mailbox}":                m.remove,
		"POST /mailboxes/v1/{mailbox}/messages":         m.send,
		"GET /mailboxes/v1/{mailbox}/messages":          m.messages,
		"GET /mailboxes/v1/{mailbox}/messages/{id}":     m.message,
		"GET /mailboxes/v1/{mailbox}/messages/{id}/raw": m.raw,
		"GET /mailboxes/v1/suppressions":                m.suppressions,
		"POST /mailboxes/v1/suppressions":               m.suppress,
		"DELETE /mailboxes/v1/suppressions/{address}":   m.unsuppress,
	} {
		mux.HandleFunc(pattern, guard(route.Handle(m.opts.Log, serve)))
	}
}

// Standing is the provider and whether it can be used, for whoever asks how the gateway is.
func (m *Mail) Standing() string {
	r := m.readiness()
	return r.Provider + ", " + r.Status
}

// readiness is the provider's, with the domain that mail is from.
func (m *Mail) readiness() *wire.Readiness {
	if m.opts.Provider == nil {
		return &wire.Readiness{Status: wire.ProviderNotConfigured, Provider: "none", Reason: "no provider of mail is set"}
	}
	r := m.opts.Provider.Readiness()
	r.FromDomain = m.opts.FromDomain
	return &r
}

// inbound is not here yet: nothing is received.
func inbound() *wire.Readiness {
	return &wire.Readiness{
		Status: wire.ProviderNotConfigured, Provider: "none", Reason: "this gateway does not receive mail yet",
	}
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func timestampOrNull(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := timestamp(*t)
	return &text
}
