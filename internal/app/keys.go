package app

import (
	"context"
	"fmt"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/users"
)

type envCommand struct {
	config.ProjectFlags
	Base string `default:"http://127.0.0.1:4020" placeholder:"URL" help:"Where functions-mcp gateway listens."`
}

// Run prints the variables of contract section 1.1 for the local project.
func (c envCommand) Run(p Process) error {
	project, err := projectOf(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, `RUN402_API_BASE=%s
RUN402_PROJECT_ID=%s
RUN402_ANON_KEY=%s
RUN402_SERVICE_KEY=%s
RUN402_JWT_SECRET=%s
`, c.Base, project.ID, project.AnonKey, project.ServiceKey, project.JWTSecret)
	return err
}

// projectOf is the local project that a command is about.
func projectOf(flags config.ProjectFlags, p Process) (gateway.Project, error) {
	local, err := onlyLocal(flags, p)
	if err != nil {
		return gateway.Project{}, err
	}
	return localProject(local)
}

type tokenCommand struct {
	config.ProjectFlags
	Email     string        `required:"" placeholder:"ADDRESS" help:"Whose token; an address is always the same user."`
	Role      string        `enum:"authenticated,project_admin" default:"authenticated" help:"System role: ${enum}."`
	ExpiresIn time.Duration `default:"1h" placeholder:"DURATION" help:"How long it is good for (1h, 720h)."`
}

// Run prints a token of the local project for a user.
func (c tokenCommand) Run(_ context.Context, p Process) error {
	email, err := users.NormalizeEmail(c.Email)
	if err != nil {
		return &usageError{fmt.Errorf("%q: %w", c.Email, err)}
	}
	if c.ExpiresIn <= 0 {
		return &usageError{fmt.Errorf("a token must expire in the future: give a duration such as 1h")}
	}
	project, err := projectOf(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := auth.Sign([]byte(project.JWTSecret), auth.Claims{
		Subject: users.ID(project.ID, email), Role: c.Role, Email: email, ProjectID: project.ID,
		Issuer: "functions-mcp", IssuedAt: now, Expires: now.Add(c.ExpiresIn),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, token)
	return err
}
