package core

import (
	"context"

	"github.com/run402/functions-mcp/core/wire"
)

// CallerDB is the database as one caller sees it: the caller's role, under row level security. Section 2.
type CallerDB struct {
	c     *Client
	token string
}

// From starts a query on a table, as the caller.
func (db CallerDB) From(table string) *Query { panic("TODO") }

// Tables describes the tables that this caller may reach, from the root OpenAPI document, which follows privileges.
func (db CallerDB) Tables(ctx context.Context) ([]TableInfo, error) { panic("TODO") }

// AdminDB is the database as the service role sees it: row level security is bypassed. Sections 3 and 4.
type AdminDB struct{ c *Client }

// From starts a query on a table, as the service role.
func (db AdminDB) From(table string) *Query { panic("TODO") }

// SQL runs raw admin SQL. A request with ReadOnly or MaxRows is only sent to a backend that honours them
// (wire.HonoursReadOnlySQL); ReadOnly is otherwise rewritten to `select * from (…) q`, which refuses writes.
func (db AdminDB) SQL(ctx context.Context, req wire.SQLRequest) (wire.SQLResult, error) { panic("TODO") }

// Schema describes every table of the project, with keys, policies, grants and what callers cannot reach.
func (db AdminDB) Schema(ctx context.Context) (wire.Schema, error) { panic("TODO") }

// TableInfo is what the root OpenAPI document says about a table or view.
type TableInfo struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Columns     []ColumnInfo `json:"columns"`
	// Insertable, Updatable and Deletable say which verbs the document lists for the table.
	Insertable bool `json:"insertable"`
	Updatable  bool `json:"updatable"`
	Deletable  bool `json:"deletable"`
}

// ColumnInfo is one column of a TableInfo. Type is the PostgreSQL type (the document's format).
type ColumnInfo struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Required   bool     `json:"required,omitempty"` // NOT NULL without a default
	Default    string   `json:"default,omitempty"`
	Enum       []string `json:"enum,omitempty"`
	PrimaryKey bool     `json:"primary_key,omitempty"`
	References string   `json:"references,omitempty"` // "table.column"
	Comment    string   `json:"comment,omitempty"`
}
