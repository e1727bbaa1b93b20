package rest

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// visible is what the role of a request may see of a target and its neighbours. It is asked for on the error path only.
type visible struct {
	Exists  bool     `json:"exists"`
	Tables  []string `json:"tables"`  // in the schema, that the role may use; only when the target does not exist
	Columns []string `json:"columns"` // of the target, that the role may read or write
}

const catalogQuery = `select json_build_object(
'exists', exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'v', 'm', 'f', 'p')),
'tables', case when not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = $2) then (select coalesce(json_agg(c.relname order by c.relname), '[]')
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
	and has_schema_privilege(n.oid, 'usage')
	and (has_any_column_privilege(c.oid, 'select, insert, update') or has_table_privilege(c.oid, 'delete'))) end,
'columns', (select coalesce(json_agg(a.attname order by a.attnum), '[]')
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	where n.nspname = $1 and c.relname = $2 and has_schema_privilege(n.oid, 'usage')
	and (has_table_privilege(c.oid, 'delete')
		or has_column_privilege(c.oid, a.attnum, 'select, insert, update'))))`

// functionContext is how the context of an error in a function begins: 'SQL function "f" …', 'PL/pgSQL function f() …'.
// The context of an error in JSON quotes what the client sent, which may say anything, but on one line after a prefix.
var functionContext = regexp.MustCompile(`(?m)^[A-Za-z/]+ function `)

// explain turns PostgreSQL's "no such table" and "no such column" into an answer that names what the role could have
// meant, and nothing that it may not see. PostgreSQL resolves names and types before it looks at privileges, so its
// errors and hints would tell the columns, and their types, of tables that are closed to the role.
func (h *Handler) explain(req *request, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code == "42501" {
		return err
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "42", "22", "0A", "55": // the last two: what a view, a generated column or the like cannot do
	default:
		return err
	}
	if pg.InternalQuery != "" || functionContext.MatchString(pg.Where) { // not of our statement
		return err
	}
	embedded := req.root.embedded()
	at, culprit := req.on, req.root
	for _, r := range embedded {
		if strings.HasPrefix(pg.Message, "column "+r.at.name+".") {
			at, culprit = table{r.table.Schema, r.table.Name}, r
		}
	}
	var c visible
	refusal, lookup := h.closedBelow(req)
	if lookup == nil {
		lookup = h.catalogJSON(req, &c, catalogQuery, at.schema, at.name)
	}
	switch {
	case lookup != nil:
		return &Error{Status: statusOf(pg, req.as.Role), Code: pg.Code, Message: pg.Message}
	case refusal != nil:
		return refusal
	case !c.Exists, pg.Message == "": // or the catalog leaves it out, as it does partitions
		return tableNotFound(at, c.Tables)
	case len(c.Columns) == 0: // whatever was wrong, the role has no business with the table's columns
		return closed(req, at.name)
	case pg.Code == "42703":
		return columnNotFound(req, culprit, pg, c.Columns)
	}
	return err
}

// catalogJSON runs a query of the system catalogs that returns one JSON value, as the request's role, and decodes it.
func (h *Handler) catalogJSON(req *request, into any, sql string, args ...string) error {
	as := req.as
	as.timezone = "" // it may be what was wrong
	st := statement{sql: sql}
	for _, a := range args {
		st.args = append(st.args, []byte(a))
	}
	return h.run(req.http, as, batch{
		readOnly:   true,
		statements: []statement{st},
		read: func(_ int, rows *pgconn.ResultReader) error {
			for rows.NextRow() {
				if err := json.Unmarshal(rows.Values()[0], into); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// closed is the answer to a role that may not use a table in any way.
func closed(req *request, table string) *Error {
	return &Error{Status: HTTPStatus("42501", req.as.Role), Code: "42501",
		Message: "permission denied for table " + table}
}

// closedBelow is the refusal of an embedded table that the role may not use in any way, or nil.
func (h *Handler) closedBelow(req *request) (refusal *Error, err error) {
	tables := tablesOf(relationsOf(req.root.embedded()))
	if len(tables) == 0 {
		return nil, nil
	}
	seen, err := h.visible(req, tables)
	for _, t := range tables {
		if err == nil && !seen[t.OID] {
			return closed(req, t.Name), nil
		}
	}
	return nil, err
}

// embedded lists the resources below r, which may be nil.
func (r *resource) embedded() (all []*resource) {
	if r == nil {
		return nil
	}
	for _, k := range r.kids {
		all = append(append(all, k), k.embedded()...)
	}
	return all
}

func relationsOf(all []*resource) (relations []*catalog.Relation) {
	for _, r := range all {
		relations = append(relations, r.via)
	}
	return relations
}

func tableNotFound(t table, tables []string) *Error {
	e := &Error{Status: http.StatusNotFound, Code: "PGRST205",
		Message: "Could not find the table '" + t.schema + "." + t.name + "' in the schema cache"}
	if near := nearest(t.name, tables); near != "" {
		e.Hint = "Perhaps you meant the table '" + t.schema + "." + near + "'"
	}
	return e
}

// columnNotFound answers for a column that does not exist: PGRST204 when it was to be written, else PostgreSQL's 42703.
// The columns are those of the resource r (nil when nothing was planned yet) that the role may see.
func columnNotFound(req *request, r *resource, pg *pgconn.PgError, columns []string) *Error {
	e := &Error{Status: http.StatusBadRequest, Code: pg.Code, Message: pg.Message,
		Details: "The columns are " + strings.Join(columns, ", ")}
	names := slices.Concat(req.written, req.query.onConflict)
	if r != nil {
		names = append(names, r.names()...)
	}
	for _, name := range names {
		if slices.Contains(columns, name) || !strings.Contains(pg.Message, name) {
			continue
		}
		if near := nearest(name, columns); near != "" {
			e.Hint = "Perhaps you meant the column '" + near + "'"
		}
		break
	}
	for _, name := range req.written {
		if strings.Contains(pg.Message, `column "`+name+`" of relation`) ||
			strings.Contains(pg.Message, "column "+bodyName+"."+name+" does not") {
			e.Code = "PGRST204"
			e.Message = "Could not find the '" + name + "' column of '" + req.on.name + "' in the schema cache"
			break
		}
	}
	return e
}

// names lists the columns that a resource names.
func (r *resource) names() []string {
	var names []string
	for _, it := range r.columns {
		names = append(names, it.column)
	}
	for _, s := range r.order {
		names = append(names, s.column)
	}
	return r.where.names(names)
}

func (c *cond) names(names []string) []string {
	if c.join == "" {
		return append(names, c.column)
	}
	for i := range c.kids {
		names = c.kids[i].names(names)
	}
	return names
}

// nearest returns the candidate that is most like name, or "" when none is like it. Next to those that differ in a few
// letters it takes the longest that name goes on from, as "books" for "books_by_year".
func nearest(name string, candidates []string) string {
	name = strings.ToLower(name)
	best, most, begins := "", len([]rune(name))/3+1, ""
	for _, c := range candidates {
		lower := strings.ToLower(c)
		if d := distance(name, lower, most); d <= most && (best == "" || d < most) {
			best, most = c, d
		}
		if len(c) > len(begins) && strings.HasPrefix(name, lower+"_") {
			begins = c
		}
	}
	return cmp.Or(best, begins)
}

// distance is the Levenshtein distance of two words, or more than most when it is larger than that.
func distance(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > most || -d > most {
		return most + 1
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range y {
			change := diagonal
			if r != s {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
