package mail

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

const messageColumns = ` id, mailbox_id, direction, from_address, to_address, subject, body_text, template, attachments,
	in_reply_to, status, provider, provider_message_id, error, created_at, updated_at, sent_at, received_at `

// scanMessage reads a row of internal.messages as clients see it.
func scanMessage(row pgx.Row) (m wire.Message, err error) {
	var (
		created, updated time.Time
		sent, received   *time.Time
	)
	err = row.Scan(&m.MessageID, &m.MailboxID, &m.Direction, &m.FromAddress, &m.To, &m.Subject, &m.BodyText, &m.Template,
		&m.Attachments, &m.InReplyTo, &m.Status, &m.Provider, &m.ProviderMessageID, &m.Error, &created, &updated,
		&sent, &received)
	m.ID, m.DeliveryState = m.MessageID, deliveryState(m.Status)
	m.CreatedAt, m.UpdatedAt = timestamp(created), timestamp(updated)
	m.SentAt, m.ReceivedAt = timestampOrNull(sent), timestampOrNull(received)
	return m, err
}

// deliveryState is the longer word for a status, section 7.3; that of the outbox is ours.
func deliveryState(status string) string {
	switch status {
	case wire.MailPending:
		return "pending_provider"
	case wire.MailSent:
		return "accepted"
	case wire.MailKept:
		return "kept_not_sent"
	}
	return status
}

// listedBody is how much of a text a list shows, in characters.
const listedBody = 10_000

// messages answers a page of a mailbox's messages, newest first.
func (m *Mail) messages(w http.ResponseWriter, r *http.Request) error {
	b, err := m.mailbox(r, true)
	if err != nil {
		return err
	}
	direction, limit, after, err := pageOf(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	db, err := m.opts.Pool(ctx)
	if err != nil {
		return err
	}
	columns := strings.Replace(messageColumns, "body_text", "left(body_text, "+strconv.Itoa(listedBody)+")", 1)
	rows, err := db.Query(ctx, "select"+columns+`from internal.messages
		where mailbox_id = $1 and ($2 = '' or direction = $2)
			and ($3 = '' or (created_at, id) < (select created_at, id from internal.messages where id = $3))
		order by created_at desc, id desc limit $4`, b.id, direction, after, limit+1)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (wire.Message, error) { return scanMessage(row) })
	if err != nil {
		return err
	}
	page := wire.MessageList{Messages: append([]wire.Message{}, all[:min(len(all), limit)]...), HasMore: len(all) > limit}
	if page.HasMore {
		page.NextCursor = &page.Messages[limit-1].MessageID
	}
	return route.Answer(w, http.StatusOK, page)
}

// pageOf reads what part of the messages is meant. A cursor is the id of the last message of the page before.
func pageOf(r *http.Request) (direction string, limit int, after string, err error) {
	query := r.URL.Query()
	direction, limit, after = query.Get("direction"), 50, query.Get("after")
	if direction != "" && direction != wire.Inbound && direction != wire.Outbound {
		return "", 0, "", route.Invalid("direction", "direction must be inbound or outbound")
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > wire.MaxMessagesListed {
			return "", 0, "", route.Invalid("limit", "limit must be 1 to 200")
		}
	}
	if after != "" && !idSyntax.MatchString(after) {
		return "", 0, "", route.Invalid("after", "after must be the next_cursor of the page before")
	}
	return direction, limit, after, nil
}

// find returns the message that a path names, and its bytes as far as they are kept.
func (m *Mail) find(r *http.Request) (wire.Message, []byte, error) {
	b, err := m.mailbox(r, true)
	if err != nil {
		return wire.Message{}, nil, err
	}
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return wire.Message{}, nil, err
	}
	if id := r.PathValue("id"); idSyntax.MatchString(id) {
		var raw []byte
		found, err := scanMessage(rowAnd{db.QueryRow(r.Context(), "select"+messageColumns+`
			, case when status in ('kept', 'received') then raw end
			from internal.messages where mailbox_id = $1 and id = $2`, b.id, id), &raw})
		if !errors.Is(err, pgx.ErrNoRows) {
			return found, raw, err
		}
	}
	return wire.Message{}, nil, notFound("MESSAGE_NOT_FOUND", "this mailbox has no such message: list its messages")
}

// rowAnd is a row with one more column.
type rowAnd struct {
	pgx.Row
	more any
}

func (r rowAnd) Scan(dest ...any) error { return r.Row.Scan(append(dest, r.more)...) }

func (m *Mail) message(w http.ResponseWriter, r *http.Request) error {
	found, _, err := m.find(r)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, found)
}

// raw answers the message itself: of what was received, and of what an outbox keeps.
func (m *Mail) raw(w http.ResponseWriter, r *http.Request) error {
	_, raw, err := m.find(r)
	if err != nil {
		return err
	}
	if raw == nil {
		return notFound("RAW_MESSAGE_NOT_FOUND", "the message itself is not kept once it was handed over")
	}
	h := w.Header()
	h.Set("Content-Type", "message/rfc822")
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-store")
	_, _ = w.Write(raw) // the client may be gone; there is nobody left to tell
	return nil
}

// shortened is what is kept of a provider's words: one readable line.
func shortened(text string) *string {
	const longest = 300
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest])
	}
	return &text
}
