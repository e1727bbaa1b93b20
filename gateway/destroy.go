package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/core/wire"
)

// A request that is bounded, by MaxRows or by Destroy, is checked at its end and rolled back when it went too far. What
// it drops is told by event triggers, also from within functions and DO blocks. For TRUNCATE PostgreSQL has no event
// trigger: a table whose file is another one than at the beginning, though nothing rewrote it, was truncated (or
// clustered). A rewritten one may have been truncated besides, before or after, which does not show; only SQL that is
// one ALTER TABLE cannot do both. Not seen are values that ALTER TABLE … TYPE … USING changes, and what CREATE OR
// REPLACE overwrites.

// bounds says how far a request may go, and what was so when it began.
type bounds struct {
	maxRows int64  // 0: no limit
	destroy string // as in wire.SQLRequest
	changed int64  // rows that the session's statistics had counted already
	files   string // of the tables: "oid=relfilenode,…"
	space   space
	objects objects // nil where event triggers tell what is dropped
}

// newBounds returns the bounds of a request whose transaction has begun, or nil when it has none: what only reads needs
// none.
func newBounds(ctx context.Context, pg *pgconn.PgConn, s space, req wire.SQLRequest) (*bounds, error) {
	if req.ReadOnly || req.MaxRows == 0 && req.Destroy == "" {
		return nil, nil
	}
	b := &bounds{maxRows: int64(req.MaxRows), destroy: req.Destroy, space: s}
	results, err := pg.Exec(ctx, s.changesSQL()+`;
		select coalesce(string_agg(c.oid || '=' || relfilenode, ','), '')
		from pg_class c join pg_namespace n on n.oid = relnamespace
		where relkind = 'r' and `+s.holds("nspname")).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("admin sql: see how it begins: %w", err)
	}
	b.files = string(results[1].Rows[0][0])
	if s.own && req.Destroy != "" {
		if b.objects, err = s.objects(ctx, pg); err != nil {
			return nil, err
		}
	}
	if b.changed, err = strconv.ParseInt(string(results[0].Rows[0][0]), 10, 64); err != nil {
		return nil, fmt.Errorf("admin sql: count changed rows: %w", err)
	}
	return b, nil
}

// check fails when the SQL that ran went too far.
func (b *bounds) check(ctx context.Context, pg *pgconn.PgConn, ran *sqlResult, touched *ddlWatch) error {
	if pg.TxStatus() != 'T' {
		return errEndsTransaction() // the one statement was commit or rollback
	}
	// What a data-modifying WITH, a function or a trigger changed is in no command's tag.
	results, err := pg.Exec(ctx, b.space.changesSQL()).ReadAll()
	if err != nil {
		return fmt.Errorf("admin sql: count changed rows: %w", err)
	}
	after, err := strconv.ParseInt(string(results[0].Rows[0][0]), 10, 64)
	if err != nil {
		return fmt.Errorf("admin sql: count changed rows: %w", err)
	}
	changed := max(ran.changed, after-b.changed) // what counted before may have been dropped
	if ran.ran > 1 {                             // from within: no command said how many
		ran.count = changed
	}
	if b.destroy != "" {
		var excused []uint32
		if ran.altered {
			excused = touched.rewritten
		}
		names, err := b.destroyed(ctx, pg, ran.altered, touched.dropped, excused)
		if err != nil {
			return err
		}
		if len(names) > 0 && b.destroy != digest(names) {
			return &destruction{names: names, affected: changed}
		}
	}
	if b.maxRows > 0 && changed > b.maxRows {
		return &tooManyRows{affected: changed, allowed: b.maxRows}
	}
	return nil
}

// destroyed names what was dropped and truncated, each once; but not tables that were rewritten and nothing else.
func (b *bounds) destroyed(
	ctx context.Context, pg *pgconn.PgConn, altered bool, dropped []string, rewritten []uint32,
) ([]string, error) {
	if b.objects != nil {
		left, err := b.space.objects(ctx, pg)
		if err != nil {
			return nil, err
		}
		dropped = b.objects.without(left)
	}
	var names []string
	for _, name := range dropped {
		if name = "drop " + name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if b.objects != nil && altered { // one ALTER TABLE rewrites, and does not truncate
		return names, nil
	}
	results, err := pg.Exec(ctx, fmt.Sprintf(`
		select format('truncate %%I.%%I', n.nspname, c.relname)
		from unnest(string_to_array('%s', ',')) file
		join pg_class c on c.oid = split_part(file, '=', 1)::oid
		join pg_namespace n on n.oid = c.relnamespace
		where c.relfilenode <> split_part(file, '=', 2)::oid and c.oid <> all('%s'::oid[])
		order by 1`, b.files, oidArray(rewritten))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("admin sql: see what was truncated: %w", err)
	}
	for _, row := range results[0].Rows {
		names = append(names, string(row[0]))
	}
	return names, nil
}

// tooManyRows says that a write was undone because it touched more rows than the request allows.
type tooManyRows struct{ affected, allowed int64 }

func (e *tooManyRows) Error() string {
	return fmt.Sprintf("the statement would change %d rows, more than max_rows (%d), so it was rolled back: "+
		"narrow it, or allow more", e.affected, e.allowed)
}

// destruction says that SQL was undone because it dropped or truncated what the request does not allow.
type destruction struct {
	names    []string
	affected int64
}

func (e *destruction) Error() string {
	d := e.details()
	text := strings.Join(d.Destroys, ", ")
	if d.More > 0 {
		text += fmt.Sprintf(" and %d more", d.More)
	}
	return "the SQL would " + text + ", so it was rolled back: leave that out, or allow it"
}

func (e *destruction) details() wire.Destruction {
	const most = 50
	listed := e.names[:min(most, len(e.names))]
	return wire.Destruction{
		Destroys: listed, More: len(e.names) - len(listed), Digest: digest(e.names), Affected: e.affected,
	}
}

// digest stands for a set of names.
func digest(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(names)), "\n")))
	return hex.EncodeToString(sum[:8])
}
