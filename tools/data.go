package tools

import (
	"context"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// What the verbs do, for clients that ask before some of them.
func reads() hints   { return hints{readOnly: true, idempotent: true} }
func inserts() hints { return hints{destructive: true} } // an upsert overwrites
func changes() hints { return hints{destructive: true, idempotent: true} }

// dataTools work with the caller's own rights.
func (s *Set) dataTools() []*tool {
	return []*tool{
		define(spec{
			name: "describe_tables", toolset: ToolsetData, plane: planeCaller, hints: reads(),
			description: "List the tables and columns that the caller may reach; detail adds defaults, enums and comments.",
		}, s.describeTables),
		define(spec{
			name: "query_table", toolset: ToolsetData, plane: planeCaller, hints: reads(),
			description: "Read rows of a table as the caller: row level security decides which ones are seen.",
		}, s.queryTable),
		define(spec{
			name: "insert_rows", toolset: ToolsetData, plane: planeCaller, hints: inserts(),
			description: "Insert rows as the caller, under row level security, or upsert them. Returns the rows as written.",
		}, s.insertRows),
		define(spec{
			name: "update_rows", toolset: ToolsetData, plane: planeCaller, hints: changes(),
			description: "Update the rows that match the filters, as the caller, under row level security. Returns them.",
		}, s.updateRows),
		define(spec{
			name: "delete_rows", toolset: ToolsetData, plane: planeCaller, hints: changes(),
			description: "Delete the rows that match the filters, as the caller, under row level security. Returns them.",
		}, s.deleteRows),
	}
}

// caller is who this call is made for: the adapter put it there.
func caller(ctx context.Context) auth.Caller {
	c, _ := auth.CallerFrom(ctx)
	return c
}

func (s *Set) from(ctx context.Context, table string) *core.Query {
	return s.o.Client.DB(caller(ctx).Token).From(table)
}

func (s *Set) queryTable(ctx context.Context, in queryInput) (rows, error) {
	out, err := queryRows(ctx, s.from(ctx, in.Table), in)
	return s.hidden(ctx, out, in.Offset > 0), err
}

func (s *Set) insertRows(ctx context.Context, in insertInput) (rows, error) {
	return insertRows(ctx, s.from(ctx, in.Table), in)
}

func (s *Set) updateRows(ctx context.Context, in updateInput) (rows, error) {
	if err := needFilters(in.Filters, "Say which rows to update."); err != nil {
		return rows{}, err
	}
	in.MaxRows = s.bound(ctx, in.MaxRows, false)
	out, err := updateRows(ctx, s.from(ctx, in.Table), in)
	return s.hidden(ctx, out, false), err
}

func (s *Set) deleteRows(ctx context.Context, in deleteInput) (rows, error) {
	if err := needFilters(in.Filters, "Say which rows to delete."); err != nil {
		return rows{}, err
	}
	in.MaxRows = s.bound(ctx, in.MaxRows, false)
	out, err := deleteRows(ctx, s.from(ctx, in.Table), in)
	return s.hidden(ctx, out, false), err
}

// hidden says of an empty answer that there may be rows which this caller does not see.
func (s *Set) hidden(ctx context.Context, out rows, pastEnd bool) rows {
	if len(out.rows) > 0 || pastEnd {
		return out
	}
	c := caller(ctx)
	why := "No row matched that role " + roleOf(c) + " may see or touch: row level security may hide others."
	switch {
	case c.Anonymous():
		why += " Nobody is signed in."
	case s.has("whoami"):
		why += " whoami shows the caller."
	}
	out.notices = append(out.notices, why)
	return out
}

func roleOf(c auth.Caller) string {
	if c.Role == "" {
		return "anon"
	}
	return c.Role
}
