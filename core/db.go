package core

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/run402/functions-mcp/core/wire"
)

// CallerDB is the database as one caller sees it: the caller's role, under row level security. Section 2.
type CallerDB struct {
	conn  *conn
	plane callerPlane
}

// From starts a query on a table, as the caller.
func (db CallerDB) From(table string) *Query { return newQuery(db.conn, db.plane, table) }

// Tables describes the tables that this caller may reach, sorted by name, from the root OpenAPI document, which follows
// privileges.
func (db CallerDB) Tables(ctx context.Context) ([]TableInfo, error) {
	const op = "tables"
	header, err := db.plane.header(op)
	if err != nil {
		return nil, err
	}
	header["Accept"] = []string{"application/openapi+json"}
	ans, err := db.conn.send(ctx, request{
		op: op, method: http.MethodGet, path: db.plane.prefix() + "/", header: header, reads: true,
	})
	if err != nil {
		return nil, err
	}
	tables, err := parseOpenAPI(ans.body)
	if err != nil {
		return nil, invalidAnswer(op, ans.status, err)
	}
	return tables, nil
}

// AdminDB is the database as the service role sees it: row level security is bypassed. Sections 3 and 4.
type AdminDB struct {
	conn  *conn
	plane adminPlane
}

// From starts a query on a table, as the service role.
func (db AdminDB) From(table string) *Query { return newQuery(db.conn, db.plane, table) }

// Schema describes every table of the project, with keys, policies, grants and what callers cannot reach.
func (db AdminDB) Schema(ctx context.Context) (wire.Schema, error) {
	const op = "schema"
	header, err := db.plane.bearer(op)
	if err != nil {
		return wire.Schema{}, err
	}
	project, err := db.plane.project(op)
	if err != nil {
		return wire.Schema{}, err
	}
	ans, err := db.conn.send(ctx, request{
		op: op, method: http.MethodGet, path: wire.AdminSchema(project), rawPath: wire.AdminSchema(url.PathEscape(project)),
		header: header, reads: true,
	})
	if err != nil {
		return wire.Schema{}, err
	}
	var schema wire.Schema
	if err := json.Unmarshal(ans.body, &schema); err != nil {
		return wire.Schema{}, invalidAnswer(op, ans.status, err)
	}
	return schema, nil
}

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
