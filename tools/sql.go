package tools

import (
	"context"
	"fmt"

	"github.com/run402/functions-mcp/core/wire"
)

// defaultSQLRows is how many rows of SQL come back, and how many it may write, unless the call says otherwise.
const defaultSQLRows = 100

type readSQLInput struct {
	SQL     string    `json:"sql" jsonschema:"required" doc:"One statement; $1, $2 are params"`
	Params  []*string `json:"params" doc:"Values as text, or null"`
	MaxRows *int      `json:"max_rows" jsonschema:"minimum=1" doc:"Default 100"`
}

type sqlInput struct {
	SQL      string    `json:"sql" jsonschema:"required" doc:"$1, $2 are params; without them also several statements"`
	Params   []*string `json:"params" doc:"Values as text, or null"`
	ReadOnly bool      `json:"read_only" jsonschema:"default=true" doc:"false to write"`
	MaxRows  *int      `json:"max_rows" jsonschema:"minimum=1" doc:"Default 100; to write more must be confirmed"`
	confirmable
}

// sqlTool is admin_sql. In a server that only reads it has no argument to say otherwise.
func (s *Set) sqlTool() *tool {
	if s.o.ReadOnly {
		return define(spec{
			name: "admin_sql", toolset: ToolsetAdmin, plane: planeAdmin, hints: reads(),
			description: "Run one SQL statement that only reads, over every row of the project.",
		}, func(ctx context.Context, in readSQLInput) (rows, error) {
			return s.adminSQL(ctx, sqlInput{SQL: in.SQL, Params: in.Params, ReadOnly: true, MaxRows: in.MaxRows})
		})
	}
	return define(spec{
		name: "admin_sql", toolset: ToolsetAdmin, plane: planeAdmin, hints: hints{destructive: true},
		description: "Run SQL with the project's full rights. It only reads unless read_only is false: then DDL and writes.",
	}, s.adminSQL)
}

func (s *Set) adminSQL(ctx context.Context, in sqlInput) (rows, error) {
	req := wire.SQLRequest{SQL: in.SQL, ReadOnly: in.ReadOnly, MaxRows: defaultSQLRows}
	if in.MaxRows != nil {
		req.MaxRows = *in.MaxRows
	}
	unbounded := !in.ReadOnly && !s.o.Client.Honours(ctx, wire.HonoursReadOnlySQL)
	switch {
	case unbounded && in.MaxRows == nil: // a limit that nobody asked for must not keep a write from running
		if g := granted(ctx); s.o.Confirm != ConfirmOff && (g == nil || g.rows != anyRows) {
			return rows{}, &question{
				does: "write, and this backend cannot tell how much it changes or drops", grant: grant{rows: anyRows},
				state: "not_started",
			}
		}
		req.MaxRows = 0
	case !in.ReadOnly && s.o.Confirm != ConfirmOff:
		req.MaxRows, req.Destroy = s.bound(ctx, req.MaxRows, false), wire.DestroyNothing
		if g := granted(ctx); g != nil && g.destroy != "" {
			req.Destroy = g.destroy
		}
	}
	for _, p := range in.Params {
		if p == nil {
			req.Params = append(req.Params, nil)
			continue
		}
		req.Params = append(req.Params, *p)
	}
	res, err := s.o.Client.Admin().SQL(ctx, req)
	if err != nil {
		return rows{}, err
	}
	out := rows{
		rows: res.Rows, notices: res.Notices, truncated: res.Truncated,
		narrow: "select fewer columns, or add limit and offset to the statement.",
	}
	if !in.ReadOnly {
		out.affected = res.RowCount
	}
	if len(res.Rows) == 0 {
		for _, f := range res.Fields {
			out.columns = append(out.columns, f.Name+" "+f.Type)
		}
	}
	switch {
	case res.Truncated && in.ReadOnly:
		out.notices = append(out.notices, "There are more rows than max_rows.")
	case res.Truncated:
		out.notices = append(out.notices,
			fmt.Sprintf("Only the first %d rows are here: to see more, only read.", len(res.Rows)))
	}
	if unbounded {
		out.notices = append(out.notices, "This backend cannot bound what SQL writes: max_rows did not hold.")
	}
	return out, nil
}
