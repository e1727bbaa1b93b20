package gateway

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
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
	description, err := describeSchema(ctx, db.pool(readerLogin))
	if err != nil {
		writeSQLError(w, err, true)
		return
	}
	writeJSON(w, http.StatusOK, description)
}

// describeSchema has PostgreSQL build a wire.Schema; it is passed on as it is.
func describeSchema(ctx context.Context, pool *pgxpool.Pool) (json.RawMessage, error) {
	var description json.RawMessage
	if err := pool.QueryRow(ctx, schemaSQL, projectSchema).Scan(&description); err != nil {
		return nil, fmt.Errorf("describe schema: %w", err)
	}
	return description, nil
}
