package mail

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// maxMessageBody is room for the longest bodies and attachments as JSON, but for texts made of escapes alone.
const maxMessageBody = 16 << 20

// send accepts a message: provider, mailbox, validation, suppression and rate are checked in this order (section 7.2),
// then its row is committed, and then the answer waits a moment for the first try. "Prefer: respond-async" does not.
func (m *Mail) send(w http.ResponseWriter, r *http.Request) error {
	if err := m.providerReady(); err != nil {
		return err
	}
	b, err := m.mailbox(r, false)
	if err != nil {
		return err
	}
	if err := m.sendReady(b); err != nil {
		return err
	}
	var in wire.SendEmail
	if err := route.Decode(w, r, maxMessageBody, &in); err != nil {
		return err
	}
	d, err := newDraft(in)
	if err != nil {
		return err
	}
	ctx := r.Context()
	db, err := m.opts.Pool(ctx)
	if err != nil {
		return err
	}
	id := newID("msg")
	tried, forget := m.queue.expect(id)
	defer forget()
	if err := m.accept(ctx, db, b, id, d); err != nil {
		return err
	}
	m.queue.kick()
	if !strings.Contains(strings.ToLower(r.Header.Get("Prefer")), "respond-async") {
		select {
		case <-tried:
		case <-time.After(m.opts.Wait):
		case <-ctx.Done():
		}
	}
	return m.answer(context.WithoutCancel(ctx), w, db, id)
}

// answer says what became of a message by now.
func (m *Mail) answer(ctx context.Context, w http.ResponseWriter, db *pgxpool.Pool, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sent, err := scanMessage(db.QueryRow(ctx, "select"+messageColumns+"from internal.messages where id = $1", id))
	if err != nil {
		return err
	}
	if sent.Status != wire.MailFailed && sent.Status != wire.MailBounced {
		return route.Answer(w, http.StatusCreated, sent)
	}
	said := ""
	if sent.Error != nil {
		said = ": " + *sent.Error
	}
	return &route.Failure{Status: http.StatusBadGateway, Envelope: wire.Error{
		Code: "PROVIDER_REJECTED", Category: "email", SafeToRetry: false, Retryable: false,
		Message:     "the relay refused the message for good" + said,
		Hint:        "Nothing was sent. Check the recipient and what the relay said.",
		MailRefusal: &wire.MailRefusal{MessageID: id, DeliveryState: sent.DeliveryState},
		NextActions: []wire.NextAction{{Type: "edit_request", Why: "change what the relay objects to, then send it anew"}},
	}}
}

func (m *Mail) providerReady() error {
	ready := m.readiness()
	if ready.Status == wire.ProviderConfigured {
		return nil
	}
	return &route.Failure{Status: http.StatusServiceUnavailable, Envelope: wire.Error{
		Code: "PROVIDER_" + strings.ToUpper(ready.Status), Category: "email", SafeToRetry: true,
		Message:     "mail cannot be sent: " + ready.Reason,
		MailRefusal: &wire.MailRefusal{ProviderReadiness: ready}, NextActions: []wire.NextAction{setProvider()},
	}}
}

func (m *Mail) sendReady(b mailbox) error {
	if b.status == statusActive {
		return nil
	}
	return &route.Failure{Status: http.StatusForbidden, Envelope: wire.Error{
		Code: "MAILBOX_NOT_SEND_READY", Category: "email",
		Message: "the mailbox " + m.address(b) + " is " + b.status + " and sends nothing: send from another one",
	}}
}

// accept writes a message into the queue, unless its recipient or the rate forbids it.
func (m *Mail) accept(ctx context.Context, db *pgxpool.Pool, b mailbox, id string, d draft) error {
	from := m.address(b)
	h := header{messageID: id + "@" + m.opts.FromDomain, from: from, date: time.Now(), footer: b.footer}
	var inReplyTo *string
	if d.inReplyTo != "" {
		const query = "select rfc_message_id from internal.messages where id = $1 and mailbox_id = $2"
		err := db.QueryRow(ctx, query, d.inReplyTo, b.id).Scan(&h.repliesTo)
		if errors.Is(err, pgx.ErrNoRows) {
			return route.Invalid("in_reply_to", "this mailbox has no message "+d.inReplyTo)
		}
		if err != nil {
			return err
		}
		inReplyTo = &d.inReplyTo
	}
	raw, err := compose(d, h)
	if err != nil {
		return err
	}
	files := make([]wire.AttachmentMeta, len(d.files))
	for i, f := range d.files {
		files[i] = wire.AttachmentMeta{Filename: f.name, ContentType: f.contentType, SizeBytes: int64(len(f.content))}
	}
	var template *string
	if d.template != "" {
		template = &d.template
	}
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Those who send from a mailbox at once take turns, so that the rate holds.
		now, err := scanMailbox(tx.QueryRow(ctx,
			"select"+mailboxColumns+"from internal.mailboxes where id = $1 for update", b.id))
		if err != nil {
			return err
		}
		if err := m.sendReady(now); err != nil {
			return err
		}
		if err := checkSuppression(ctx, tx, d.to); err != nil {
			return err
		}
		if err := m.checkRate(ctx, tx, b.id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into internal.messages (id, mailbox_id, direction, rfc_message_id, from_address, to_address, subject,
				body_text, template, attachments, in_reply_to, raw, status, provider, due_at, created_at)
			values ($1, $2, 'outbound', $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', $12,
				clock_timestamp(), clock_timestamp())`,
			id, b.id, h.messageID, from, d.to, d.subject, d.text, template, files, inReplyTo, raw, m.queue.name)
		return err
	})
}

// checkRate refuses one message too many within the window. What counts is what was accepted.
func (m *Mail) checkRate(ctx context.Context, tx pgx.Tx, mailboxID string) error {
	var wait float64
	err := tx.QueryRow(ctx, `
		select extract(epoch from created_at + $3 - clock_timestamp())::float8 from internal.messages
		where mailbox_id = $1 and direction = 'outbound' and created_at > clock_timestamp() - $3::interval
		order by created_at desc offset $2 limit 1`, mailboxID, m.opts.SendLimit-1, sendWindow).Scan(&wait)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	seconds := max(1, int(math.Ceil(wait)))
	return &route.Failure{Status: http.StatusTooManyRequests, Envelope: wire.Error{
		Code: "MAILBOX_SEND_RATE_LIMITED", Category: "rate_limit", Retryable: true, SafeToRetry: true, RetryAfter: seconds,
		Message: fmt.Sprintf("this mailbox sends at most %d messages a minute: wait %d s", m.opts.SendLimit, seconds),
		MailRefusal: &wire.MailRefusal{
			RetryAfterSeconds: seconds, Limit: m.opts.SendLimit, WindowMS: sendWindow.Milliseconds(),
		},
	}}
}
