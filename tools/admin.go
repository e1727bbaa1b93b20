package tools

import (
	"context"
	"encoding/json"

	"github.com/run402/functions-mcp/core"
)

// adminTools work as the service role. They are tools of their own, so that a person can allow the others and refuse
// these.
func (s *Set) adminTools() []*tool {
	return []*tool{
		define(spec{
			name: "admin_describe_tables", toolset: ToolsetAdmin, plane: planeAdmin, hints: reads(),
			description: "List all tables: columns, keys, policies, why callers cannot reach them; detail adds grants.",
		}, s.adminDescribeTables),
		define(spec{
			name: "admin_query_table", toolset: ToolsetAdmin, plane: planeAdmin, hints: reads(),
			description: "Read any rows of a table, bypassing row level security. To see what a user sees use query_table.",
		}, s.adminQueryTable),
		define(spec{
			name: "admin_insert_rows", toolset: ToolsetAdmin, plane: planeAdmin, hints: inserts(),
			description: "Insert or upsert rows, bypassing row level security. Returns the rows as written.",
		}, s.adminInsertRows),
		define(spec{
			name: "admin_update_rows", toolset: ToolsetAdmin, plane: planeAdmin, hints: changes(),
			description: "Update matching rows of any user, bypassing row level security. Returns them.",
		}, s.adminUpdateRows),
		define(spec{
			name: "admin_delete_rows", toolset: ToolsetAdmin, plane: planeAdmin, hints: changes(),
			description: "Delete matching rows of any user, bypassing row level security. Returns them.",
		}, s.adminDeleteRows),
		s.sqlTool(),
	}
}

type adminUpdateInput struct {
	Table   string          `json:"table" jsonschema:"required"`
	Set     json.RawMessage `json:"set" jsonschema:"required" doc:"Column: new value"`
	Filters []filter        `json:"filters" doc:"All must hold"`
	AllRows bool            `json:"all_rows" doc:"Instead of filters: the whole table"`
	Select  string          `json:"select" arg:"list" doc:"Columns to return; default all"`
	MaxRows int             `json:"max_rows" jsonschema:"minimum=1,default=100" doc:"More must be confirmed"`
	confirmable
}

type adminDeleteInput struct {
	Table   string   `json:"table" jsonschema:"required"`
	Filters []filter `json:"filters" doc:"All must hold"`
	AllRows bool     `json:"all_rows" doc:"Instead of filters: the whole table"`
	Select  string   `json:"select" arg:"list" doc:"Columns to return; default all"`
	MaxRows int      `json:"max_rows" jsonschema:"minimum=1,default=100" doc:"More must be confirmed"`
	confirmable
}

func (in adminUpdateInput) target() string { return in.Table }
func (in adminDeleteInput) target() string { return in.Table }

func (s *Set) adminFrom(table string) *core.Query { return s.o.Client.Admin().From(table) }

func (s *Set) adminQueryTable(ctx context.Context, in queryInput) (rows, error) {
	return queryRows(ctx, s.adminFrom(in.Table), in)
}

func (s *Set) adminInsertRows(ctx context.Context, in insertInput) (rows, error) {
	return insertRows(ctx, s.adminFrom(in.Table), in)
}

func (s *Set) adminUpdateRows(ctx context.Context, in adminUpdateInput) (rows, error) {
	if err := filtersOrAll(in.Filters, in.AllRows); err != nil {
		return rows{}, err
	}
	return updateRows(ctx, s.adminFrom(in.Table), updateInput{
		Set: in.Set, Filters: in.Filters, Select: in.Select, MaxRows: s.bound(ctx, in.MaxRows, in.AllRows),
	})
}

func (s *Set) adminDeleteRows(ctx context.Context, in adminDeleteInput) (rows, error) {
	if err := filtersOrAll(in.Filters, in.AllRows); err != nil {
		return rows{}, err
	}
	return deleteRows(ctx, s.adminFrom(in.Table), deleteInput{
		Filters: in.Filters, Select: in.Select, MaxRows: s.bound(ctx, in.MaxRows, in.AllRows),
	})
}

func filtersOrAll(filters []filter, all bool) error {
	if all && len(filters) > 0 {
		return argument("all_rows", "all_rows and filters contradict each other", "Give one of them.")
	}
	if all {
		return nil
	}
	return needFilters(filters, "Say which rows, or set all_rows to true to mean every one.")
}
