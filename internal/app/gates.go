package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// roleReader reads application roles for gates, as the service role, once the gates were found to fit the live schema.
// Until then nobody passes a gate that asks for a role.
type roleReader struct {
	client *core.Client
	src    auth.RoleSource
	fits   atomic.Bool
	turn   chan struct{}     // one look at the schema at a time
	stop   func(cause error) // ends the program
}

// schemaTimeout is for a database that has yet to start.
const schemaTimeout = time.Minute

// newGatekeeper returns who decides at the gates. It looks at the live schema in the background: gates that do not fit
// it end the program by stop, a database that cannot be asked is asked again by the first call that needs it.
func newGatekeeper(
	ctx context.Context, client *core.Client, gates *auth.Gates, stop func(cause error), log *slog.Logger,
) *auth.Gatekeeper {
	src, _, ok := gates.Roles()
	if !ok {
		return auth.NewGatekeeper(nil)
	}
	r := &roleReader{client: client, src: src, turn: make(chan struct{}, 1), stop: stop}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
		defer cancel()
		if err := r.check(ctx); err != nil && ctx.Err() == nil {
			log.Warn("the gates could not be held to the live schema yet: nobody passes those that ask for a role", "err", err)
		}
	}()
	return auth.NewGatekeeper(r.read)
}

// check holds the gates to the live schema, until they were found to fit.
func (r *roleReader) check(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.fits.Load() {
		return nil
	}
	err := checkGates(ctx, r.client, r.src)
	if misfit, ok := errors.AsType[*auth.GateError](err); ok {
		r.stop(&usageError{misfit})
	}
	r.fits.Store(err == nil)
	return err
}

func checkGates(ctx context.Context, client *core.Client, src auth.RoleSource) error {
	schema, err := client.Admin().Schema(ctx)
	if err != nil {
		return err
	}
	return src.Check(schema)
}

// read implements auth.RoleLookup.
func (r *roleReader) read(ctx context.Context, src auth.RoleSource, userID string) (string, bool, error) {
	if !r.fits.Load() {
		if err := r.check(ctx); err != nil {
			return "", false, err
		}
	}
	rows, err := r.client.Admin().From(src.Table).Select(src.RoleColumn).Eq(src.IDColumn, userID).Limit(1).Rows(ctx)
	switch e, ok := errors.AsType[*core.Error](err); {
	case ok && e.Code == invalidText: // an id that its column's type cannot be, as of a UUID: it has no row
		rows = nil
	case err != nil:
		return "", false, err
	}
	if len(rows) == 0 {
		return "", false, nil
	}
	var row map[string]any
	if err := json.Unmarshal(rows[0], &row); err != nil {
		return "", false, err
	}
	role, isText := row[src.RoleColumn].(string) // a number, say, is no role
	return role, isText, nil
}

// invalidText is PostgreSQL's code for a text that cannot be a value of its column's type.
const invalidText = "22P02"

// whose is auth.Ask by the backend's own route.
func whose(client *core.Client) auth.Ask {
	return func(ctx context.Context, token string) (string, error) {
		id, err := client.DB(token).UserID(ctx)
		if e, ok := errors.AsType[*core.Error](err); ok &&
			(e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
			return "", auth.ErrNotAccepted
		}
		return id, err
	}
}

// gatedBy resolves callers for what shows the same as a tool does by another way, and lets those alone pass who may
// call that tool.
func gatedBy(gate auth.Gate, keeper *auth.Gatekeeper, callers auth.Callers) auth.Callers {
	if gate.Open() {
		return callers
	}
	return func(ctx context.Context) (auth.Caller, error) {
		c, err := callers(ctx)
		if err != nil {
			return auth.Caller{}, err
		}
		if _, err := keeper.Pass(ctx, gate, c); err != nil {
			return auth.Caller{}, err
		}
		return c, nil
	}
}
