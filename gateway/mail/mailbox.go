package mail

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// mailbox is a row of internal.mailboxes.
type mailbox struct {
	id, slug, status, footer string
	isDefault                bool
	createdAt, updatedAt     time.Time
	tombstonedAt             *time.Time
}

const (
	statusActive     = "active"
	statusTombstoned = "tombstoned"

	footerNone         = "none"
	footerTransparency = "run402_transparency"
)

const mailboxColumns = " id, slug, status, footer_policy, is_default, created_at, updated_at, tombstoned_at "

func scanMailbox(row pgx.Row) (b mailbox, err error) {
	err = row.Scan(&b.id, &b.slug, &b.status, &b.footer, &b.isDefault, &b.createdAt, &b.updatedAt, &b.tombstonedAt)
	return b, err
}

var (
	slugSyntax = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	idSyntax   = regexp.MustCompile(`^(mbx|msg)_[0-9a-f]{16}$`)
)

// reservedSlugs are names that people take for the operator of a domain, RFC 2142 and Core.
func reservedSlugs() []string {
	return strings.Fields(`abuse admin administrator hostmaster mailer-daemon no-reply noreply postmaster root security
		support webmaster`)
}

// checkSlug says what is wrong with the name of a new mailbox.
func checkSlug(slug string) error {
	switch {
	case len(slug) < 3 || len(slug) > 63:
		return route.Invalid("slug", "slug must have 3 to 63 characters")
	case !slugSyntax.MatchString(slug):
		return route.Invalid("slug", "slug may hold a-z, 0-9 and -, and begins and ends with a letter or digit")
	case strings.Contains(slug, "--"):
		return route.Invalid("slug", "slug must not hold two hyphens in a row")
	case slices.Contains(reservedSlugs(), slug):
		return route.Invalid("slug", "slug "+slug+" is reserved for whoever runs the domain: choose another")
	}
	return nil
}

// newID returns the id of a mailbox (mbx) or message (msg).
func newID(kind string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return kind + "_" + hex.EncodeToString(b[:])
}

// wire is a mailbox as clients see it.
func (m *Mail) wire(b mailbox) wire.Mailbox {
	ready, receiving := m.readiness(), "provider_not_configured"
	out := wire.Mailbox{
		MailboxID: b.id, Slug: b.slug, ProjectID: m.opts.ProjectID, Status: b.status, FooterPolicy: b.footer,
		Address: m.address(b), IsDefaultOutbound: b.isDefault,
		ReceiveBlockedReason: &receiving, ProviderReadiness: ready, InboundReadiness: inbound(),
		CreatedAt: timestamp(b.createdAt), UpdatedAt: timestamp(b.updatedAt), TombstonedAt: timestampOrNull(b.tombstonedAt),
	}
	blocked := ""
	switch {
	case b.status == statusTombstoned:
		blocked = "mailbox_deleted"
	case b.status != statusActive:
		blocked = "mailbox_suspended"
	case ready.Status != wire.ProviderConfigured:
		blocked = "provider_" + ready.Status
	}
	canSend := blocked == ""
	out.CanSend = &canSend
	if !canSend {
		out.SendBlockedReason = &blocked
	}
	return out
}

func (m *Mail) address(b mailbox) string { return b.slug + "@" + m.opts.FromDomain }

func (m *Mail) create(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Slug string `json:"slug"`
	}
	if err := route.Decode(w, r, maxSmallBody, &in); err != nil {
		return err
	}
	if err := checkSlug(in.Slug); err != nil {
		return err
	}
	ctx := r.Context()
	db, err := m.opts.Pool(ctx)
	if err != nil {
		return err
	}
	var b mailbox
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Those who make mailboxes at once take turns, so that the count holds and one becomes the default.
		if _, err := tx.Exec(ctx, "lock table internal.mailboxes in share row exclusive mode"); err != nil {
			return err
		}
		var active int
		const count = "select count(*) from internal.mailboxes where status <> 'tombstoned'"
		if err := tx.QueryRow(ctx, count).Scan(&active); err != nil {
			return err
		}
		if active >= maxMailboxes {
			return conflict("MAILBOX_LIMIT_REACHED", "a project has at most 5 mailboxes: delete one first")
		}
		b, err = scanMailbox(tx.QueryRow(ctx, `
			insert into internal.mailboxes (id, slug, is_default) values ($1, $2, $3)
			returning`+mailboxColumns, newID("mbx"), in.Slug, active == 0))
		return err
	})
	if taken := (*pgconn.PgError)(nil); errors.As(err, &taken) && taken.Code == "23505" {
		return conflict("SLUG_ALREADY_IN_USE", "there is a mailbox "+in.Slug+" already: use it, or choose another slug")
	}
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusCreated, m.wire(b))
}

func conflict(code, message string) error {
	return &route.Failure{Status: http.StatusConflict, Envelope: wire.Error{
		Code: code, Category: "validation", Message: message,
	}}
}

func (m *Mail) list(w http.ResponseWriter, r *http.Request) error {
	list, err := m.mailboxes(r.Context())
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, list)
}

func (m *Mail) mailboxes(ctx context.Context) (wire.MailboxList, error) {
	db, err := m.opts.Pool(ctx)
	if err != nil {
		return wire.MailboxList{}, err
	}
	rows, err := db.Query(ctx, "select"+mailboxColumns+`from internal.mailboxes where status <> 'tombstoned'
		order by created_at desc, id desc`)
	if err != nil {
		return wire.MailboxList{}, err
	}
	boxes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (mailbox, error) { return scanMailbox(row) })
	if err != nil {
		return wire.MailboxList{}, err
	}
	list := wire.MailboxList{
		Mailboxes: []wire.Mailbox{}, ProviderReadiness: m.readiness(), InboundReadiness: inbound(),
		NextActions: []wire.NextAction{},
	}
	for _, b := range boxes {
		list.Mailboxes = append(list.Mailboxes, m.wire(b))
		if b.isDefault {
			list.Settings.DefaultOutboundMailboxID = &b.id
		}
	}
	switch {
	case list.ProviderReadiness.Status != wire.ProviderConfigured:
		list.NextActions = append(list.NextActions, setProvider())
	case len(boxes) == 0:
		list.NextActions = append(list.NextActions, createMailbox())
	case list.Settings.DefaultOutboundMailboxID == nil:
		list.NextActions = append(list.NextActions, setDefault())
	}
	return list, nil
}

func setProvider() wire.NextAction {
	return wire.NextAction{
		Type: "edit_request", Path: "host environment", Auth: "operator",
		Why:    "Mail needs a relay that works: set RUN402_SMTP_URL, and RUN402_EMAIL_FROM_DOMAIN.",
		Fields: map[string]any{"RUN402_SMTP_URL": "smtps://smtp.example.com"},
	}
}

func createMailbox() wire.NextAction {
	return wire.NextAction{
		Type: "edit_request", Method: http.MethodPost, Path: wire.Mailboxes, Auth: "service_key",
		Why: "Mail is sent from a mailbox: make one.", Fields: map[string]any{"slug": "notifications"},
	}
}

func setDefault() wire.NextAction {
	return wire.NextAction{
		Type: "edit_request", Method: http.MethodPatch, Path: wire.Mailboxes + "/settings", Auth: "service_key",
		Why:    "Say which mailbox mail is from that names none.",
		Fields: map[string]any{"default_outbound_mailbox_id": "mbx_..."},
	}
}

// mailbox returns the one that a path names. One that was deleted is there only for its messages.
func (m *Mail) mailbox(r *http.Request, deleted bool) (mailbox, error) {
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return mailbox{}, err
	}
	if id := r.PathValue("mailbox"); idSyntax.MatchString(id) {
		b, err := scanMailbox(db.QueryRow(r.Context(), "select"+mailboxColumns+"from internal.mailboxes where id = $1", id))
		if !errors.Is(err, pgx.ErrNoRows) && (err != nil || b.status != statusTombstoned || deleted) {
			return b, err
		}
	}
	return mailbox{}, notFound("MAILBOX_NOT_FOUND", "this project has no such mailbox: GET /mailboxes/v1 lists them",
		createMailbox())
}

func notFound(code, message string, next ...wire.NextAction) error {
	return &route.Failure{Status: http.StatusNotFound, Envelope: wire.Error{
		Code: code, Category: "not_found", Message: message, NextActions: next,
	}}
}

func (m *Mail) get(w http.ResponseWriter, r *http.Request) error {
	b, err := m.mailbox(r, false)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, m.wire(b))
}

func (m *Mail) patch(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		FooterPolicy *string `json:"footer_policy"`
	}
	b, err := m.mailbox(r, false)
	if err != nil {
		return err
	}
	if err := route.Decode(w, r, maxSmallBody, &in); err != nil {
		return err
	}
	if in.FooterPolicy == nil || *in.FooterPolicy != footerNone && *in.FooterPolicy != footerTransparency {
		return route.Invalid("footer_policy", "footer_policy must be "+footerNone+" or "+footerTransparency)
	}
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	b, err = scanMailbox(db.QueryRow(r.Context(), `
		update internal.mailboxes set footer_policy = $2, updated_at = now() where id = $1 returning`+mailboxColumns,
		b.id, *in.FooterPolicy))
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, m.wire(b))
}

// remove keeps the row, for the messages that were sent from it.
func (m *Mail) remove(w http.ResponseWriter, r *http.Request) error {
	b, err := m.mailbox(r, false)
	if err != nil {
		return err
	}
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	_, err = db.Exec(r.Context(), `
		update internal.mailboxes
		set status = 'tombstoned', is_default = false, tombstoned_at = now(), updated_at = now() where id = $1`, b.id)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, map[string]string{
		"status": "deleted", "mailbox_id": b.id, "address": m.address(b),
	})
}

// settings chooses the default mailbox. It answers the list, which holds what Core answers and what hosted Run402 does.
func (m *Mail) settings(w http.ResponseWriter, r *http.Request) error {
	var in map[string]any
	if err := route.Decode(w, r, maxSmallBody, &in); err != nil {
		return err
	}
	const field = "default_outbound_mailbox_id"
	value, given := in[field]
	id, isText := value.(string)
	if !given || value != nil && !isText {
		return route.Invalid(field, field+" must be the id of a mailbox, or null for none")
	}
	ctx := r.Context()
	db, err := m.opts.Pool(ctx)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update internal.mailboxes set is_default = false where is_default")
		if err != nil || value == nil {
			return err
		}
		if idSyntax.MatchString(id) {
			tag, err := tx.Exec(ctx, `
				update internal.mailboxes set is_default = true, updated_at = now() where id = $1 and status = 'active'`, id)
			if err != nil || tag.RowsAffected() == 1 {
				return err
			}
		}
		return conflict("DEFAULT_MAILBOX_INVALID", "the default must be an active mailbox of this project")
	})
	if err != nil {
		return err
	}
	return m.list(w, r)
}

// maxSmallBody is room for every request but one to send.
const maxSmallBody = 64 << 10
