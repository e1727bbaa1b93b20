package gateway

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed own_login.sql
var loginSQL string

// UnsafeLoginError says that the callers' login could bypass row level security. Becoming a role is no wall: a function
// that a caller may run can become every role that the login can.
type UnsafeLoginError struct {
	Login   string
	Reasons []LoginReason
}

// LoginReason is one way around row level security.
type LoginReason struct {
	Reason string // the memberships that lead there, and what is at their end
	Mend   string // the statement that closes it
}

func (e *UnsafeLoginError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the login of RUN402_DATABASE_URL, %s, could bypass row level security, since a function that a "+
		"caller may run can become every role that the login can:", e.Login)
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "\n  %s\n    to mend it: %s;", r.Reason, r.Mend)
	}
	b.WriteString("\nmend that, use another login, or set RUN402_DB_TRUST_LOGIN=1 if every function there is trusted")
	return b.String()
}

// checkLogin returns an UnsafeLoginError when the login of a pool could bypass row level security in the schemas.
func checkLogin(ctx context.Context, pool *pgxpool.Pool, schemas []string) error {
	var found UnsafeLoginError
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		const begin = "select session_user from pg_catalog.set_config('search_path', 'pg_catalog', true)"
		if err := tx.QueryRow(ctx, begin).Scan(&found.Login); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, loginSQL, schemas)
		if err != nil {
			return err
		}
		found.Reasons, err = pgx.CollectRows(rows, pgx.RowToStructByPos[LoginReason])
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("check the callers' login: %w", err)
	case len(found.Reasons) > 0:
		return &found
	}
	return nil
}
