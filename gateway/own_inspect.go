package gateway

import (
	"context"
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

// A relation is open when the callers' login or a role that it could become may read or write it, while row level
// security is off or runs as the owner of a view.
const openSQL = `select pg_catalog.format('%s: %s, and %s may %s it', c.oid::regclass,
		case when c.relkind = 'v' then 'a view runs with its owner''s rights' when c.relkind = 'm' then
			'a materialized view has no row level security' else 'row level security is off' end,
		pg_catalog.string_agg(distinct r.rolname, ', ' order by r.rolname),
		case when pg_catalog.bool_or(pg_catalog.has_table_privilege(r.oid, c.oid, 'insert, update, delete'))
			then 'change' else 'read' end)
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	join pg_catalog.pg_roles r on pg_catalog.pg_has_role(session_user, r.oid, 'member') and not r.rolsuper
		and r.rolname !~ '^pg_' and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
		and pg_catalog.has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
	where n.nspname = any($1) and (c.relkind in ('r', 'p', 'f') and not c.relrowsecurity or c.relkind = 'm' or c.relkind = 'v'
		and not coalesce((select pg_catalog.split_part(o, '=', 2)::boolean
			from pg_catalog.unnest(c.reloptions) o where o like 'security\_invoker=%'), false))
	group by c.oid, c.relkind order by 1 limit 50`

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
		const who = "select session_user::text, rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = session_user"
		if err := admin.QueryRow(ctx, who).Scan(&in.AdminLogin, &in.AdminBypasses); err != nil {
			return in, fmt.Errorf("inspect database: log in to the admin plane: %w", err)
		}
	}
	return in, nil
}
