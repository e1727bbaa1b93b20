package gateway

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Inspection is what an operator should know of a database of their own.
type Inspection struct {
	CallerLogin   string
	AdminLogin    string   // empty when there is no admin plane
	AdminBypasses bool     // row level security, as the admin plane should
	Schemas       []string // that are served
	Open          []string // tables and views that callers reach and no policy of theirs guards
}

//go:embed own_open.sql
var openSQL string

// Inspect looks at a database of the operator's own; it is for `doctor`.
func (g *Gateway) Inspect(ctx context.Context) (Inspection, error) {
	in := Inspection{Schemas: g.opts.Own.Schemas}
	db, err := g.db.get(ctx)
	if err != nil {
		return in, err
	}
	watch := db.pool(watchLogin)
	if err := watch.QueryRow(ctx, "select session_user").Scan(&in.CallerLogin); err != nil {
		return in, fmt.Errorf("inspect database: %w", err)
	}
	rows, err := watch.Query(ctx, openSQL, in.Schemas)
	if err == nil {
		in.Open, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return in, fmt.Errorf("inspect database: %w", err)
	}
	if admin := db.pool(ownerLogin); admin != nil {
		const who = "select rolname::text, rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = session_user"
		if err := admin.QueryRow(ctx, who).Scan(&in.AdminLogin, &in.AdminBypasses); err != nil {
			return in, fmt.Errorf("inspect database: log in to the admin plane: %w", err)
		}
	}
	return in, nil
}
