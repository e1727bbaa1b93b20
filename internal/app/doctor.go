package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/postgres"
)

type doctorCommand struct {
	config.Config
	Fix bool `help:"Install PostgreSQL's programs from npm, for local projects, when none are found."`
}

var errUnwell = errors.New("something does not work yet: see the lines that start with ✗")

// Run checks what `serve` would need, in the order in which it would fail, and prints a line for each thing.
func (c doctorCommand) Run(ctx context.Context, p Process) (err error) {
	log := p.logger(c.LogFlags)
	report := &report{out: p.Stdout}
	settings, err := c.Settings(p.Lookup)
	if err != nil {
		report.bad("settings", err)
		return errUnwell
	}
	local, isLocal := settings.Backend.(config.Local)
	if isLocal {
		report.good("backend", "local project "+local.Project+" in "+local.Dir)
		cfg := postgresConfig(local, log)
		found, err := postgres.Find(ctx, cfg)
		if c.Fix && errors.Is(err, postgres.ErrNotFound) {
			report.fix(ctx, local)
			found, err = postgres.Find(ctx, cfg)
		}
		if err != nil {
			report.bad("postgresql", err)
			return errUnwell
		}
		report.good("postgresql", fmt.Sprintf("%s in %s (%s)", found.Version, found.Dir, found.Found))
	}
	back, err := newBackend(settings.Backend, log)
	if err != nil {
		report.bad("backend", err)
		return errUnwell
	}
	defer func() { err = errors.Join(err, back.close()) }()
	if !isLocal {
		report.good("backend", back.name)
	}

	report.planes(ctx, back)
	if back.gateway != nil && back.gateway.Internal() {
		report.mail(ctx, settings.Backend, back.projectID)
		report.ai(ctx, settings.Backend)
	}
	verify := auth.WithKeys(back.verify, back.anonKey, back.serviceKey)
	caller, err := settings.Callers(verify, log)(ctx)
	switch {
	case err != nil:
		report.bad("caller", err)
	case caller.Anonymous():
		report.good("caller", "nobody is signed in; set RUN402_USER_TOKEN or RUN402_USER_TOKEN_FILE to act for a user")
	default:
		report.good("caller", fmt.Sprintf("%s, as %s%s, %s",
			caller.Email, caller.Role, expiry(caller.Expires), checked(caller)))
	}
	report.gates(ctx, back, settings, log)
	sets := settings.Toolsets
	if sets == nil {
		sets = config.Toolsets()
	}
	report.good("toolsets", strings.Join(sets, ", "))
	if report.failed {
		return errUnwell
	}
	return nil
}

// checked says who found the caller's token to be genuine.
func checked(c auth.Caller) string {
	switch {
	case c.ByBackend:
		return "verified by the backend"
	case c.Verified:
		return "verified here"
	}
	return "not verified: the backend decides on each request, and no gate lets it pass (RUN402_JWT_SECRET or " +
		"RUN402_JWKS would help)"
}

func expiry(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", until " + at.UTC().Format(time.RFC3339)
}

// report prints what was checked.
type report struct {
	out    io.Writer
	failed bool
}

func (r *report) good(what, text string) { r.line("✓", what, text) }

func (r *report) bad(what string, err error) {
	r.failed = true
	r.line("✗", what, err.Error())
}

func (r *report) line(mark, what, text string) {
	_, _ = fmt.Fprintf(r.out, "%s %-11s %s\n", mark, what, text) // nothing to do when nobody reads it
}

// planes makes one small request on each plane that has a key.
func (r *report) planes(ctx context.Context, b *backend) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if b.gateway != nil {
		if err := b.gateway.Ready(ctx); err != nil {
			r.bad("database", err)
			return
		}
		r.good("database", "starts and answers")
		if b.own {
			r.ownDatabase(ctx, b.gateway)
		}
		if !b.gateway.Internal() {
			r.good("internal", "no users, mail and assets without internal tables: functions-mcp gateway init makes them")
		} else if err := b.gateway.CheckAssets(ctx); err != nil {
			r.bad("assets", err)
		} else {
			r.good("assets", "can be kept")
		}
	}
	if b.caller {
		if err := b.ready(ctx); err != nil {
			r.bad("anon key", err)
		} else {
			r.good("anon key", "the caller plane answers")
		}
	}
	if b.admin {
		if _, err := b.client.Admin().SQL(ctx, wire.SQLRequest{SQL: "select 1 as one"}); err != nil {
			r.bad("service key", err)
		} else {
			r.good("service key", "the admin plane answers")
		}
	}
}

// gates holds the gates to the tools that there are, and to the live schema.
func (r *report) gates(ctx context.Context, b *backend, s config.Settings, log *slog.Logger) {
	b.keeper = auth.NewGatekeeper(nil) // nobody calls
	if _, err := newServer(b, s, auth.AnonymousCaller, log); err != nil {
		r.bad("gates", err)
		return
	}
	src, _, ok := s.Gates.Roles()
	if ok {
		if err := checkGates(ctx, b.client, src); err != nil {
			r.bad("gates", err)
			return
		}
		names := strings.Join(s.Gates.Names(), ", ")
		r.good("gates", fmt.Sprintf("for %s; roles are %s.%s", names, src.Table, src.RoleColumn))
	} else if s.Gates != nil {
		r.good("gates", "for "+strings.Join(s.Gates.Names(), ", "))
	}
}

func (r *report) fix(ctx context.Context, local config.Local) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := postgres.InstallEmbedded(ctx, installDir(local)); err != nil {
		r.bad("install", err)
		return
	}
	r.good("install", "PostgreSQL's programs are in "+installDir(local))
}
