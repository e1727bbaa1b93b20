package core

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/run402/functions-mcp/core/wire"
)

// UserID asks the backend whose token this is (GET /auth/v1/user, section 5) and returns the user's id. A token that is
// not accepted is an *Error of status 401 or 403.
func (db CallerDB) UserID(ctx context.Context) (string, error) {
	const op = "user"
	header, err := db.plane.header(op)
	if err != nil {
		return "", err
	}
	ans, err := db.conn.send(ctx, request{
		op: op, method: http.MethodGet, path: wire.AuthUser, header: header, reads: true,
	})
	if err != nil {
		return "", err
	}
	var user struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(ans.body, &user); err != nil {
		return "", invalidAnswer(op, ans.status, err)
	}
	return user.ID, nil
}
