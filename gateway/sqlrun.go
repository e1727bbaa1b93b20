package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/run402/functions-mcp/core/wire"
)

// sqlRun runs the statements of one request on a connection that is in a transaction, and keeps what they answer.
type sqlRun struct {
	pg      *pgconn.PgConn
	types   *pgtype.Map
	maxRows int // 0: no limit
	result  sqlResult
}

// sqlResult is the rows and fields of the last statement, and the counts of all.
type sqlResult struct {
	rows      []json.RawMessage
	fields    []wire.SQLField
	size      int
	truncated bool
	counted   bool  // some statement had a count: DDL has none
	count     int64 // selected or affected
	changed   int64 // affected by INSERT, UPDATE, DELETE, MERGE or COPY
	writes    bool  // such a statement was there
}

func (r *sqlResult) wire(notices []string) wire.SQLResult {
	out := wire.SQLResult{
		Status: "ok", Schema: projectSchema, Rows: r.rows, Fields: r.fields, Truncated: r.truncated, Notices: notices,
	}
	if out.Rows == nil {
		out.Rows = []json.RawMessage{}
	}
	if out.Fields == nil {
		out.Fields = []wire.SQLField{}
	}
	if r.counted {
		out.RowCount, out.RowCount2 = &r.count, &r.count
	}
	return out
}

// one runs exactly one statement: the extended protocol takes no more.
func (r *sqlRun) one(ctx context.Context, sql string, params []any) error {
	values := make([][]byte, len(params))
	for i, p := range params {
		text, err := paramText(p)
		if err != nil {
			return &invalidRequest{fmt.Sprintf("params[%d]: %v", i, err)}
		}
		values[i] = text
	}
	return r.read(r.pg.ExecParams(ctx, sql, values, nil, nil, nil))
}

// many runs any number of statements, by the simple protocol.
func (r *sqlRun) many(ctx context.Context, sql string) error {
	statements := r.pg.Exec(ctx, sql)
	for statements.NextResult() {
		if err := r.read(statements.ResultReader()); err != nil {
			_ = statements.Close()
			return err
		}
	}
	if err := statements.Close(); err != nil {
		return fmt.Errorf("admin sql: %w", err)
	}
	return nil
}

func (r *sqlRun) read(reader *pgconn.ResultReader) error {
	columns := newSQLColumns(reader.FieldDescriptions(), r.types)
	r.result.rows, r.result.fields, r.result.size, r.result.truncated = nil, columns.fields, 0, false
	for reader.NextRow() {
		switch {
		case r.result.size > maxSQLAnswer: // read on: the connection is of use again at the end
		case r.maxRows > 0 && len(r.result.rows) == r.maxRows:
			r.result.truncated = true
		default:
			row := columns.row(reader.Values())
			r.result.rows = append(r.result.rows, row)
			r.result.size += len(row)
		}
	}
	tag, err := reader.Close()
	if err != nil {
		return fmt.Errorf("admin sql: %w", err)
	}
	if r.result.size > maxSQLAnswer {
		return errSQLAnswer
	}
	verb, _, _ := strings.Cut(tag.String(), " ")
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "COPY":
		r.result.writes = true
		r.result.changed += tag.RowsAffected()
		r.result.counted = true
		r.result.count += tag.RowsAffected()
	case "SELECT", "FETCH", "MOVE":
		r.result.counted = true
		r.result.count += tag.RowsAffected()
	default: // VALUES and SHOW answer as SELECT does; DDL has no count
		if len(columns.fields) > 0 {
			r.result.counted = true
			r.result.count += int64(len(r.result.rows))
		}
	}
	return nil
}

// checkAffected holds a write to maxRows. What a data-modifying WITH or a function changed behind a SELECT is not in
// any command's tag, but in the session's own statistics, which had reached before when the transaction began.
func (r *sqlRun) checkAffected(ctx context.Context, before int64) error {
	changed := r.result.changed
	if !r.result.writes && r.pg.TxStatus() == 'T' {
		after, err := r.changes(ctx)
		if err != nil {
			return err
		}
		changed = after - before
	}
	if changed > int64(r.maxRows) {
		return &tooManyRows{affected: changed, allowed: int64(r.maxRows)}
	}
	return nil
}

// changes is how many rows of the project this session has changed and not reported to PostgreSQL's statistics yet,
// which it does between transactions.
func (r *sqlRun) changes(ctx context.Context) (int64, error) {
	const query = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) " +
		"from pg_stat_xact_user_tables where schemaname = '" + projectSchema + "'"
	results, err := r.pg.Exec(ctx, query).ReadAll()
	if err != nil {
		return 0, fmt.Errorf("admin sql: count changed rows: %w", err)
	}
	n, err := strconv.ParseInt(string(results[0].Rows[0][0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("admin sql: count changed rows: %w", err)
	}
	return n, nil
}

// paramText is a parameter as PostgreSQL reads it, the way Node's driver sends it: an array becomes an array literal,
// an object its JSON.
func paramText(p any) ([]byte, error) {
	switch v := p.(type) {
	case nil:
		return nil, nil
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("a text must not hold a NUL character")
		}
		return []byte(v), nil
	case json.Number:
		return []byte(v), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case []any:
		return arrayLiteral(v)
	default:
		return json.Marshal(v)
	}
}

func arrayLiteral(items []any) ([]byte, error) {
	out := []byte{'{'}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		text, err := paramText(item)
		if err != nil {
			return nil, err
		}
		if _, nested := item.([]any); nested {
			out = append(out, text...)
			continue
		}
		if text == nil {
			out = append(out, "NULL"...)
			continue
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(text))
		out = append(append(append(out, '"'), quoted...), '"')
	}
	return append(out, '}'), nil
}
