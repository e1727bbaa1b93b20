package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/users"
)

//go:embed sql/*.sql
var scripts embed.FS

// player plays the session: it has a project, the servers of three agents on it, and a screen.
type player struct {
	out     *screen
	local   config.Local
	open    func(context.Context, config.Local) (Project, error)
	program program
	admin   core.AdminDB      // the truth that answers are held against
	agents  map[string]*agent // by name
	calls   []time.Duration   // what each took
}

// seat is an agent's place: who it acts for and what its server is started with.
type seat struct {
	name, email string
	toolsets    string // empty means all
	tokenFile   string
}

func (p *player) seats() []seat {
	token := func(name string) string { return filepath.Join(p.local.Dir, name+".token") }
	return []seat{
		{name: "nobody"},
		{name: "ana", email: "ana@example.com", tokenFile: token("ana")},
		{name: "ben", email: "ben@example.com", tokenFile: token("ben"), toolsets: "data"},
	}
}

// play seeds the project, starts the servers and plays the session. What it started has been told to end when it
// returns.
func (p *player) play(ctx context.Context) (err error) {
	p.out.title("An agent's session on a local project, under row level security")
	p.out.text("", "A help desk, and three agents: of nobody, of ana, who leads team billing, and of ben, a customer. "+
		"Each has an MCP server of its own, this program over stdio; the servers share a PostgreSQL.")
	p.out.gap()

	began := time.Now()
	desk, err := p.open(ctx, p.local)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, desk.Close()) }()
	p.out.timed("", plain, "PostgreSQL is up, on a new data directory", time.Since(began))
	p.admin = desk.Admin
	if err := p.seed(ctx, desk.ID); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.dismiss()) }()
	if err := p.seatAgents(ctx); err != nil {
		return err
	}
	for i, s := range session() {
		if err := p.step(ctx, i+1, s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.tool, err)
		}
	}
	return nil
}

// seed makes the help desk, through the gateway as any other admin.
func (p *player) seed(ctx context.Context, projectID string) error {
	began := time.Now()
	type member struct {
		ID    string  `json:"id"`
		Email string  `json:"email"`
		Name  string  `json:"name"`
		Role  string  `json:"role"`
		Team  *string `json:"team"`
	}
	id := func(email string) string { return users.ID(projectID, email) }
	billing := "billing"
	if err := p.runFile(ctx, "sql/schema.sql"); err != nil {
		return err
	}
	if _, err := p.admin.From("members").Insert([]member{
		{id("ana@example.com"), "ana@example.com", "Ana", "lead", &billing},
		{id("ben@example.com"), "ben@example.com", "Ben", "customer", nil},
	}).Do(ctx); err != nil {
		return inFull("seed members", err)
	}
	if err := p.runFile(ctx, "sql/rows.sql"); err != nil {
		return err
	}
	took := time.Since(began)
	var n struct{ Members, Tickets, Messages, Audit int }
	if err := p.truth(ctx, `select (select count(*)::int from members) members,
		(select count(*)::int from tickets) tickets, (select count(*)::int from messages) messages,
		(select count(*)::int from audit_log) audit`, &n); err != nil {
		return err
	}
	p.out.timed("", plain, fmt.Sprintf("%d members, %d tickets, %d messages, %d audit entries",
		n.Members, n.Tickets, n.Messages, n.Audit), took)
	return nil
}

func (p *player) runFile(ctx context.Context, name string) error {
	sql, err := scripts.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := p.admin.SQL(ctx, wire.SQLRequest{SQL: string(sql)}); err != nil {
		return inFull(name, err)
	}
	return nil
}

// inFull adds what core leaves out of an error's text, since it may quote values: here they are the demo's own.
func inFull(op string, err error) error {
	if e, ok := errors.AsType[*core.Error](err); ok && e.Message != "" {
		return fmt.Errorf("%s: %w: %s %s", op, err, e.Message, e.Details)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// truth scans the one row of a query that row level security does not touch.
func (p *player) truth(ctx context.Context, sql string, into any) error {
	res, err := p.admin.SQL(ctx, wire.SQLRequest{SQL: sql, ReadOnly: true})
	if err != nil {
		return inFull("look up what is true", err)
	}
	if len(res.Rows) != 1 {
		return fmt.Errorf("look up what is true: %d rows", len(res.Rows))
	}
	return json.Unmarshal(res.Rows[0], into)
}

// seatAgents starts a server for each.
func (p *player) seatAgents(ctx context.Context) error {
	p.agents = make(map[string]*agent)
	began := time.Now()
	for _, s := range p.seats() {
		if s.email != "" {
			if err := p.program.writeToken(ctx, s.email, s.tokenFile); err != nil {
				return err
			}
		}
		a, err := p.program.start(ctx, s)
		if err != nil {
			return fmt.Errorf("start the server of %s: %w", s.name, err)
		}
		p.agents[s.name] = a
	}
	p.out.timed("", plain, "three servers have answered, in MCP "+p.agents["ana"].protocol, time.Since(began))
	return p.out.err
}

// dismiss ends the servers.
func (p *player) dismiss() error {
	var errs []error
	for name, a := range p.agents {
		if err := a.close(); err != nil {
			errs = append(errs, fmt.Errorf("stop the server of %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// step says what is shown, makes the same call as each of the step's agents, prints the answers and checks them.
func (p *player) step(ctx context.Context, number int, s step) error {
	p.out.gap()
	p.out.heading(number, s.words)
	p.out.call(s.tool, s.args)
	for _, t := range s.as {
		a, err := p.agents[t.who].call(ctx, s.tool, s.args)
		if err != nil {
			return fmt.Errorf("as %s: %w", t.who, err)
		}
		p.calls = append(p.calls, a.took)
		p.out.answer(t.who, a, s.show)
		if err := t.want(ctx, p, a); err != nil {
			return fmt.Errorf("as %s: %w", t.who, err)
		}
	}
	return p.out.err
}

func (p *player) summary(took time.Duration, kept bool) {
	calls := slices.Clone(p.calls)
	slices.Sort(calls)
	ended := "The three servers and PostgreSQL have ended; the project is removed."
	if kept {
		ended = "The three servers and PostgreSQL have ended; the project is kept in " + p.local.Dir + "."
	}
	p.out.gap()
	p.out.title("Every answer was what the words said")
	p.out.text("", fmt.Sprintf("%d calls took %s to %s each, half of them at most %s; the demo took %.1f s.", len(calls),
		millis(calls[0]), millis(calls[len(calls)-1]), millis(calls[len(calls)/2]), took.Seconds()))
	p.out.text("", ended)
}
