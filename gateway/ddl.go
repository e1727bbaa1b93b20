package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The classes of the notices by which bootstrap.sql names what a DDL statement touched: relations and functions by oid,
// what was dropped by its type and name.
const (
	relationTouched = "R4020"
	functionTouched = "R4021"
	objectDropped   = "R4022"
	tableRewritten  = "R4023"
)

const watchKey = "functions-mcp.ddl"

// ddlWatch collects what DDL touched on one connection, and what the SQL itself had to say.
type ddlWatch struct {
	custom    map[string]any
	relations []uint32
	functions []uint32
	rewritten []uint32
	dropped   []string
	said      []string
}

// maxSaid bounds the notices of a request's own SQL that are passed on.
const maxSaid = 20

// watchDDL begins to collect. The pool's connections hand their notices to noteNotice.
func watchDDL(pg *pgconn.PgConn) *ddlWatch {
	w := &ddlWatch{custom: pg.CustomData()}
	w.custom[watchKey] = w
	return w
}

func (w *ddlWatch) stop() { delete(w.custom, watchKey) }

// noteNotice is the OnNotice of every connection; notices outside a watch are nobody's.
func noteNotice(pg *pgconn.PgConn, n *pgconn.Notice) {
	w, ok := pg.CustomData()[watchKey].(*ddlWatch)
	if !ok {
		return
	}
	switch n.Code {
	case relationTouched:
		w.relations = appendOID(w.relations, n.Message)
	case functionTouched:
		w.functions = appendOID(w.functions, n.Message)
	case tableRewritten:
		// This one excuses, so SQL must not be able to say it itself: the context names who raised it.
		if strings.HasPrefix(n.Where, "PL/pgSQL function auth.name_rewrite() line ") {
			w.rewritten = appendOID(w.rewritten, n.Message)
		}
	case objectDropped:
		w.dropped = append(w.dropped, n.Message)
	default:
		if len(w.said) < maxSaid && n.SeverityUnlocalized != "DEBUG" {
			w.said = append(w.said, n.Message)
		}
	}
}

func appendOID(list []uint32, text string) []uint32 {
	oid, err := strconv.ParseUint(text, 10, 32)
	if err != nil || slices.Contains(list, uint32(oid)) {
		return list
	}
	return append(list, uint32(oid))
}

// explain says which of the touched relations and functions callers cannot reach at the end, and how to open them.
func (w *ddlWatch) explain(ctx context.Context, pg *pgconn.PgConn) ([]string, error) {
	notices := w.said
	if len(w.relations)+len(w.functions) == 0 {
		return notices, nil
	}
	sql := fmt.Sprintf(`
		select oid::regclass || ': ' || reason
		from unnest('%s'::oid[]) oid, auth.dark_because(oid) reason where reason is not null
		union all
		select oid::regprocedure || ': ' || reason
		from unnest('%s'::oid[]) oid, auth.closed_because(oid) reason where reason is not null`,
		oidArray(w.relations), oidArray(w.functions))
	results, err := pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("admin sql: see what callers can reach: %w", err)
	}
	for _, row := range results[0].Rows {
		notices = append(notices, string(row[0]))
	}
	return notices, nil
}

func oidArray(oids []uint32) string {
	out := []byte{'{'}
	for i, oid := range oids {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(oid), 10)
	}
	return string(append(out, '}'))
}
