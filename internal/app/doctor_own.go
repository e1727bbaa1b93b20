package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/run402/functions-mcp/gateway"
)

// ownDatabase says what an operator should know of a database of their own. Tables that are open may be meant to be.
func (r *report) ownDatabase(ctx context.Context, g *gateway.Gateway) {
	in, err := g.Inspect(ctx)
	if err != nil {
		r.bad("logins", err)
		return
	}
	r.good("caller", "logs in as "+in.CallerLogin+", which can become no role that bypasses row level security")
	switch {
	case in.AdminLogin == "":
		r.good("admin", "there is no admin plane; RUN402_ADMIN_DATABASE_URL would give one")
	case in.AdminLogin == in.CallerLogin:
		r.bad("admin", errors.New("logs in as "+in.AdminLogin+", like callers: give it a login of its own"))
	case !in.AdminBypasses:
		r.note("admin", fmt.Sprintf("logs in as %s, which row level security holds for too: alter role %[1]s bypassrls",
			in.AdminLogin))
	default:
		r.good("admin", "logs in as "+in.AdminLogin+", which bypasses row level security")
	}
	r.good("schemas", strings.Join(in.Schemas, ", "))
	for _, open := range in.Open {
		r.note("open", open)
	}
}

// note says what may be meant, and may be a mistake.
func (r *report) note(what, text string) { r.line("!", what, text) }
