package core

import (
	"context"
	"encoding/json"
)

// Query is one request to a table, built by chaining. It is used once and not shared between goroutines. A wrong call
// (an empty column, an insert after an update) is remembered and returned by the terminal method.
type Query struct{}

// Select narrows the columns of the rows that come back: "id,title". Blanks around commas are fine.
func (q *Query) Select(columns string) *Query { panic("TODO") }

// Eq and its siblings append one condition; all conditions must hold.
func (q *Query) Eq(column string, value any) *Query    { panic("TODO") }
func (q *Query) Neq(column string, value any) *Query   { panic("TODO") }
func (q *Query) Gt(column string, value any) *Query    { panic("TODO") }
func (q *Query) Gte(column string, value any) *Query   { panic("TODO") }
func (q *Query) Lt(column string, value any) *Query    { panic("TODO") }
func (q *Query) Lte(column string, value any) *Query   { panic("TODO") }
func (q *Query) Like(column, pattern string) *Query    { panic("TODO") }
func (q *Query) ILike(column, pattern string) *Query   { panic("TODO") }
func (q *Query) In(column string, values ...any) *Query { panic("TODO") }

// Is compares with null, not_null, true, false or unknown.
func (q *Query) Is(column, what string) *Query { panic("TODO") }

// Filter appends a condition by the operator's name (eq neq gt gte lt lte like ilike is in).
func (q *Query) Filter(column, op string, values ...any) *Query { panic("TODO") }

// Order sorts by a column; chained calls sort by the later column within the earlier. Direction defaults to ascending.
func (q *Query) Order(column string, dir ...Direction) *Query { panic("TODO") }

func (q *Query) Limit(n int) *Query  { panic("TODO") }
func (q *Query) Offset(n int) *Query { panic("TODO") }

// Insert sends rows (a map, a struct, json.RawMessage, or a slice of these); the body is always an array.
func (q *Query) Insert(rows any) *Query { panic("TODO") }

// Upsert is Insert that merges into rows with the same key: onConflict names its columns, "" means the primary key.
func (q *Query) Upsert(rows any, onConflict string) *Query { panic("TODO") }

// Update sets columns on every row the filters select; without filters, on the whole table.
func (q *Query) Update(set any) *Query { panic("TODO") }

// Delete deletes every row the filters select; without filters, all of them.
func (q *Query) Delete() *Query { panic("TODO") }

// Count asks for the exact total beside the rows (Result.Count).
func (q *Query) Count() *Query { panic("TODO") }

// MaxAffected refuses, inside the statement, an update or delete that would touch more than n rows. A backend that is
// not known to honour it (wire.HonoursMaxAffected) is asked for the count first; Result.NotAtomic then says so.
func (q *Query) MaxAffected(n int) *Query { panic("TODO") }

// Do runs the query.
func (q *Query) Do(ctx context.Context) (Result, error) { panic("TODO") }

// Rows runs the query and returns its rows.
func (q *Query) Rows(ctx context.Context) ([]json.RawMessage, error) { panic("TODO") }

// Into runs the query and decodes its rows into a pointer to a slice.
func (q *Query) Into(ctx context.Context, dst any) error { panic("TODO") }

// Result is what a query answered: rows as PostgreSQL built them, never decoded.
type Result struct {
	Rows      []json.RawMessage
	Count     *int64 // the exact total, when asked for
	NotAtomic bool   // the limit of MaxAffected was checked by counting first
}

// Direction is a sort direction.
type Direction string

const (
	Asc  Direction = "asc"
	Desc Direction = "desc"
)
