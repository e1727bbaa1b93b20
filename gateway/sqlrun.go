package gateway

import (
	"context"
	"encoding/json"
	"errors"
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
	space   space
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
	altered   bool  // by one ALTER TABLE, and nothing else was there
	ran       int   // how many statements
}

func (r *sqlResult) wire(schema string, notices []string) wire.SQLResult {
	out := wire.SQLResult{
		Status: "ok", Schema: schema, Rows: r.rows, Fields: r.fields, Truncated: r.truncated, Notices: notices,
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

// isSeveral reports whether SQL was refused because it is more than one statement.
func isSeveral(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42601" && strings.HasPrefix(pg.Message, "cannot insert multiple commands")
}

// inside runs several statements that are bounded, in a transaction begun anew, from within PL/pgSQL: there PostgreSQL
// refuses every statement that would end the transaction before the bounds were checked. Their rows are not to be had.
func (r *sqlRun) inside(ctx context.Context, req wire.SQLRequest, begin string) (*bounds, error) {
	if err := r.pg.Exec(ctx, "rollback;"+begin).Close(); err != nil {
		return nil, fmt.Errorf("admin sql: %w", err)
	}
	limits, err := newBounds(ctx, r.pg, r.space, req)
	if err != nil {
		return nil, err
	}
	const setting, run = "select set_config('functions_mcp.sql', $1, true)",
		"do $$ begin execute current_setting('functions_mcp.sql'); end $$"
	if _, err := r.pg.ExecParams(ctx, setting, [][]byte{[]byte(req.SQL)}, nil, nil, nil).Close(); err != nil {
		return nil, fmt.Errorf("admin sql: %w", err)
	}
	if err := r.pg.Exec(ctx, run).Close(); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "0A000" && strings.Contains(pg.Message, "transaction commands") {
			return nil, errEndsTransaction()
		}
		return nil, fmt.Errorf("admin sql: %w", err)
	}
	r.result = sqlResult{counted: true, ran: 2}
	return limits, nil
}

// errEndsTransaction is what SQL that is bounded gets for begin, commit and rollback. It took no effect.
func errEndsTransaction() error {
	return &pgconn.PgError{
		Code: "2D000", Message: "this SQL runs as one transaction, which it must not end itself",
		Hint: "leave out begin, commit and rollback",
	}
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
	r.result.ran++
	r.result.altered = r.result.ran == 1 && tag.String() == "ALTER TABLE"
	verb, _, _ := strings.Cut(tag.String(), " ")
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "COPY":
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
