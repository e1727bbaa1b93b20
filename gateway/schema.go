package gateway

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

//go:embed schema.sql
var schemaSQL string

// adminSchema describes the project's tables, contract section 4 (siblings), read as the reader login.
func (g *Gateway) adminSchema(w http.ResponseWriter, r *http.Request) {
	db, err := g.db.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callerTimeout)
	defer cancel()
	description, err := describeSchema(ctx, db)
	if err != nil {
		writeSQLError(w, err, true)
		return
	}
	writeJSON(w, http.StatusOK, description)
}

// describeSchema has PostgreSQL build a wire.Schema; it is passed on as it is.
func describeSchema(ctx context.Context, db *database) (json.RawMessage, error) {
	query := schemaSQL
	if db.space.own { // where nothing is dark but by what is granted
		query = strings.Replace(query, "auth.dark_because(c.oid)", "null::text", 1)
	}
	var description json.RawMessage
	if err := db.pool(readerLogin).QueryRow(ctx, query, db.space.schemas[0]).Scan(&description); err != nil {
		return nil, fmt.Errorf("describe schema: %w", err)
	}
	return description, nil
}
