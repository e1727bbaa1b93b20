package app

import (
	"context"
	"errors"
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

// Run prints the variables of contract section 1.1 for the project.
func (c envCommand) Run(p Process) error {
	_, project, err := projectOf(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	variables := "RUN402_API_BASE=" + c.Base + "\nRUN402_PROJECT_ID=" + project.ID +
		"\nRUN402_ANON_KEY=" + project.AnonKey + "\n"
	if project.ServiceKey != "" {
		variables += "RUN402_SERVICE_KEY=" + project.ServiceKey + "\n"
	}
	_, err = fmt.Fprint(p.Stdout, variables+"RUN402_JWT_SECRET="+project.JWTSecret+"\n")
	return err
}

// projectOf is the project that a command is about. That of a database has lasting keys only where they are derived
// from a secret that lasts.
func projectOf(flags config.ProjectFlags, p Process) (config.Backend, gateway.Project, error) {
	backend, err := onlyHere(flags, p)
	if err != nil {
		return nil, gateway.Project{}, err
	}
	if d, ok := backend.(config.Database); ok && d.JWTSecret == "" {
		return nil, gateway.Project{}, &usageError{errors.New("without RUN402_JWT_SECRET there is nothing to derive keys " +
			"from, nor to sign tokens with: set it, to at least 32 random bytes")}
	}
	found, err := project(backend)
	return backend, found, err
}

type tokenCommand struct {
	config.ProjectFlags
	Email     string        `required:"" placeholder:"ADDRESS" help:"Whose token; an address is always the same user."`
	Role      string        `default:"authenticated" help:"Its role; project_admin, or one of your own PostgreSQL."`
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
	backend, project, err := projectOf(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	if err := c.checkRole(backend); err != nil {
		return &usageError{err}
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

// checkRole refuses roles that the backend would refuse, or would not find where it looks for one.
func (c tokenCommand) checkRole(b config.Backend) error {
	switch {
	case c.DBRoleClaim != "" && c.DBRoleClaim != "role":
		return errors.New("this command puts the role into the claim role, and RUN402_DB_ROLE_CLAIM names another: " +
			"sign tokens where you sign them otherwise")
	case c.Role == "":
		return errors.New("--role is empty: leave it out for authenticated")
	}
	_, local := b.(config.Local)
	if local && c.Role != auth.RoleAuthenticated && c.Role != auth.RoleProjectAdmin {
		return fmt.Errorf("--role must be one of %q, %q and not %q", auth.RoleAuthenticated, auth.RoleProjectAdmin, c.Role)
	}
	return nil
}
