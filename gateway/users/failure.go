package users

import (
	"net/http"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

func refuse(status int, code, message string) *route.Failure {
	return &route.Failure{Status: status, Envelope: wire.Error{Code: code, Category: "auth", Message: message}}
}

func (u *Users) handle(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return route.Handle(u.opts.Log, serve)
}

// maxBody is room for a password and an address many times over.
const maxBody = 64 << 10

// decode reads a JSON object.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	return route.Decode(w, r, maxBody, into)
}
