package gateway

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// space is the part of a database that a gateway works in.
type space struct {
	schemas    []string // that are served; the first is the default
	searchPath []string // schemas that functions may use besides
	own        bool     // it was there before: nothing of ours is in it
}

func projectSpace() space {
	return space{schemas: []string{projectSchema}, searchPath: []string{"public", "auth"}}
}

// path is the search_path of admin SQL.
func (s space) path() string {
	var names []string
	for _, name := range slices.Concat(s.schemas, s.searchPath) {
		if name = (pgx.Identifier{name}).Sanitize(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// holds is the condition that a column's value is the name of a schema whose rows and tables are bounded.
func (s space) holds(column string) string {
	if s.own {
		return "(" + column + " !~ '^pg_' and " + column + " <> 'information_schema')"
	}
	return column + " = '" + projectSchema + "'"
}

// changesSQL is how many rows this session has changed and not reported to PostgreSQL's statistics yet, which it does
// between transactions.
func (s space) changesSQL() string {
	return "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_xact_user_tables where " +
		s.holds("schemaname")
}

// objects is what SQL could drop, by an identity that outlives a change of name.
type objects map[string]object

type object struct{ name, of string } // of is the identity of what it goes along with, if it does

//go:embed objects.sql
var objectsSQL string

// objects lists what there is, for databases in which no event trigger of ours tells what was dropped.
func (s space) objects(ctx context.Context, pg *pgconn.PgConn) (objects, error) {
	results, err := pg.Exec(ctx, strings.ReplaceAll(objectsSQL, "HOLDS", s.holds("nspname"))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("admin sql: see what there is to drop: %w", err)
	}
	all := make(objects, len(results[0].Rows))
	for _, row := range results[0].Rows {
		all[string(row[0])] = object{of: string(row[1]), name: string(row[2])}
	}
	return all, nil
}

// without names what is not left, but for what went along with something else.
func (o objects) without(left objects) []string {
	var gone []string
	for identity, what := range o {
		_, there := left[identity]
		_, whole := left[what.of]
		if !there && (what.of == "" || whole) {
			gone = append(gone, what.name)
		}
	}
	slices.Sort(gone)
	return gone
}
