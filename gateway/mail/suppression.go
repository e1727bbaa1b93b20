package mail

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Suppressions are whom the project sends nothing any more, whichever mailbox it is from. A bounce makes one, and
// whoever has the service key can. The routes that list, make and end them are ours.

type suppression struct {
	Address   string `json:"address"`
	Reason    string `json:"reason"`
	Scope     string `json:"scope"` // always project
	CreatedAt string `json:"created_at"`
}

const (
	scopeProject    = "project"
	reasonManual    = "manual"
	reasonBounce    = "bounce"
	reasonComplaint = "complaint"
)

// checkSuppression refuses a recipient that is suppressed.
func checkSuppression(ctx context.Context, tx pgx.Tx, to string) error {
	var reason string
	err := tx.QueryRow(ctx, "select reason from internal.suppressions where address = lower($1)", to).Scan(&reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return &route.Failure{Status: http.StatusForbidden, Envelope: wire.Error{
		Code: "RECIPIENT_SUPPRESSED", Category: "email",
		Message:     "this project sends nothing to the recipient any more (" + reason + ")",
		Hint:        "Use another address. If this one is right again: DELETE /mailboxes/v1/suppressions/ADDRESS.",
		MailRefusal: &wire.MailRefusal{SuppressionScope: scopeProject, SuppressionReason: reason},
	}}
}

// suppressions lists the newest.
func (m *Mail) suppressions(w http.ResponseWriter, r *http.Request) error {
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	rows, err := db.Query(r.Context(), `
		select address, reason, created_at from internal.suppressions order by created_at desc, address limit 1000`)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s suppression, err error) {
		var created time.Time
		err = row.Scan(&s.Address, &s.Reason, &created)
		s.Scope, s.CreatedAt = scopeProject, timestamp(created)
		return s, err
	})
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, map[string]any{"suppressions": append([]suppression{}, all...)})
}

func (m *Mail) suppress(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Address string `json:"address"`
		Reason  string `json:"reason"`
	}
	if err := route.Decode(w, r, maxSmallBody, &in); err != nil {
		return err
	}
	if checkRecipient(in.Address) != nil {
		return route.Invalid("address", "address must be one bare address such as ana@example.com")
	}
	switch in.Reason {
	case "":
		in.Reason = reasonManual
	case reasonManual, reasonBounce, reasonComplaint:
	default:
		return route.Invalid("reason", "reason must be manual, bounce or complaint")
	}
	db, err := m.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	s := suppression{Scope: scopeProject}
	var created time.Time
	err = db.QueryRow(r.Context(), `
		insert into internal.suppressions as s (address, reason) values (lower($1), $2)
		on conflict (address) do update set reason = excluded.reason returning address, reason, created_at`,
		in.Address, in.Reason).Scan(&s.Address, &s.Reason, &created)
	if err != nil {
		return err
	}
	s.CreatedAt = timestamp(created)
	return route.Answer(w, http.StatusCreated, s)
}

func (m *Mail) unsuppress(w http.ResponseWriter, r *http.Request) error {
	address := strings.ToLower(r.PathValue("address"))
	if checkRecipient(address) == nil {
		db, err := m.opts.Pool(r.Context())
		if err != nil {
			return err
		}
		tag, err := db.Exec(r.Context(), "delete from internal.suppressions where address = $1", address)
		if err != nil {
			return err
		}
		if tag.RowsAffected() > 0 {
			return route.Answer(w, http.StatusOK, map[string]string{"status": "deleted", "address": address})
		}
	}
	return notFound("SUPPRESSION_NOT_FOUND", "mail to this address is not suppressed")
}
