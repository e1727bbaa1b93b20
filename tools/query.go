package tools

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/run402/functions-mcp/core"
)

// What both planes share: the arguments of the four verbs and what is done with a query. Which plane the query is on
// was decided by the tool that started it.

type queryInput struct {
	Table   string   `json:"table" jsonschema:"required"`
	Select  string   `json:"select" arg:"list" doc:"Columns, e.g. \"id,title\"; default all"`
	Filters []filter `json:"filters" doc:"All must hold"`
	Order   string   `json:"order" arg:"list" doc:"E.g. \"created_at.desc,id\""`
	Limit   int      `json:"limit" jsonschema:"minimum=1,maximum=200,default=25"`
	Offset  int      `json:"offset" jsonschema:"minimum=0"`
	Count   bool     `json:"count" doc:"Also count all matching rows"`
}

type insertInput struct {
	Table      string            `json:"table" jsonschema:"required"`
	Rows       []json.RawMessage `json:"rows" jsonschema:"required" doc:"Objects with the same keys"`
	Select     string            `json:"select" arg:"list" doc:"Columns to return; default all"`
	OnConflict string            `json:"on_conflict" arg:"list" doc:"Unique columns to upsert by; default: primary key"`
	Upsert     bool              `json:"upsert" doc:"Update rows that exist"`
}

type updateInput struct {
	Table   string          `json:"table" jsonschema:"required"`
	Set     json.RawMessage `json:"set" jsonschema:"required" doc:"Column: new value"`
	Filters []filter        `json:"filters" jsonschema:"required" doc:"At least one; all must hold"`
	Select  string          `json:"select" arg:"list" doc:"Columns to return; default all"`
	MaxRows int             `json:"max_rows" jsonschema:"minimum=1,default=100" doc:"More must be confirmed"`
	confirmable
}

type deleteInput struct {
	Table   string   `json:"table" jsonschema:"required"`
	Filters []filter `json:"filters" jsonschema:"required" doc:"At least one; all must hold"`
	Select  string   `json:"select" arg:"list" doc:"Columns to return; default all"`
	MaxRows int      `json:"max_rows" jsonschema:"minimum=1,default=100" doc:"More must be confirmed"`
	confirmable
}

func (in queryInput) target() string  { return in.Table }
func (in insertInput) target() string { return in.Table }
func (in updateInput) target() string { return in.Table }
func (in deleteInput) target() string { return in.Table }

// queryRows reads one page, and one row more to know whether there is another.
func queryRows(ctx context.Context, q *core.Query, in queryInput) (rows, error) {
	if in.Select != "" {
		q.Select(in.Select)
	}
	if err := applyFilters(q, in.Filters); err != nil {
		return rows{}, err
	}
	if err := applyOrder(q, in.Order); err != nil {
		return rows{}, err
	}
	q.Limit(in.Limit + 1)
	if in.Offset > 0 {
		q.Offset(in.Offset)
	}
	if in.Count {
		q.Count()
	}
	res, err := q.Do(ctx)
	if err != nil {
		return rows{}, err
	}
	out := rows{rows: res.Rows, paged: true, offset: in.Offset, count: res.Count}
	if len(out.rows) > in.Limit {
		out.rows, out.hasMore = out.rows[:in.Limit], true
	}
	if out.hasMore && in.Order == "" {
		out.notices = append(out.notices, "Without order, pages may overlap.")
	}
	return out, nil
}

func insertRows(ctx context.Context, q *core.Query, in insertInput) (rows, error) {
	if len(in.Rows) == 0 {
		return rows{}, argument("rows", "rows is empty", "Give at least one object.")
	}
	if in.Upsert || in.OnConflict != "" {
		q.Upsert(in.Rows, in.OnConflict)
	} else {
		q.Insert(in.Rows)
	}
	return write(ctx, q, in.Select)
}

// updateRows updates what the filters select. Without filters that is the whole table, which only the caller of this
// function may decide.
func updateRows(ctx context.Context, q *core.Query, in updateInput) (rows, error) {
	if strings.Join(strings.Fields(string(in.Set)), "") == "{}" {
		return rows{}, argument("set", "set is empty", "Name at least one column with its new value.")
	}
	if err := applyFilters(q, in.Filters); err != nil {
		return rows{}, err
	}
	return write(ctx, q.Update(in.Set).MaxAffected(in.MaxRows), in.Select)
}

// deleteRows deletes what the filters select; as updateRows.
func deleteRows(ctx context.Context, q *core.Query, in deleteInput) (rows, error) {
	if err := applyFilters(q, in.Filters); err != nil {
		return rows{}, err
	}
	return write(ctx, q.Delete().MaxAffected(in.MaxRows), in.Select)
}

func write(ctx context.Context, q *core.Query, columns string) (rows, error) {
	if columns != "" {
		q.Select(columns)
	}
	res, err := q.Do(ctx)
	if err != nil {
		return rows{}, err
	}
	touched := int64(len(res.Rows))
	out := rows{rows: res.Rows, affected: &touched, narrow: "all were written; select fewer columns to see more."}
	if res.NotAtomic {
		out.notices = append(out.notices, "max_rows was checked by counting first, not atomically.")
	}
	return out, nil
}

// needFilters refuses to touch a whole table.
func needFilters(filters []filter, next string) error {
	if len(filters) > 0 {
		return nil
	}
	return argument("filters", "filters is empty, which would touch every row", next)
}
