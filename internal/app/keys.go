package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
)

type envCommand struct {
	config.ProjectFlags
	Base string `default:"http://127.0.0.1:4020" placeholder:"URL" help:"Where functions-mcp gateway listens."`
}

// Run prints the variables of contract section 1.1 for the local project.
func (c envCommand) Run(p Process) error {
	local, err := onlyLocal(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	project, err := localProject(local)
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

type tokenCommand struct {
	config.ProjectFlags
	Email     string        `required:"" placeholder:"ADDRESS" help:"Whose token; an address is always the same user."`
	Role      string        `enum:"authenticated,project_admin" default:"authenticated" help:"System role: ${enum}."`
	ExpiresIn time.Duration `default:"1h" placeholder:"DURATION" help:"How long it is good for (1h, 720h)."`
}

// Run prints a token of the local project for a user.
func (c tokenCommand) Run(_ context.Context, p Process) error {
	if at := strings.IndexByte(c.Email, '@'); at < 1 || at == len(c.Email)-1 || strings.ContainsAny(c.Email, " \t\r\n") {
		return &usageError{fmt.Errorf("%q is not an e-mail address: give one such as ana@example.com", c.Email)}
	}
	if c.ExpiresIn <= 0 {
		return &usageError{fmt.Errorf("a token must expire in the future: give a duration such as 1h")}
	}
	local, err := onlyLocal(c.ProjectFlags, p)
	if err != nil {
		return err
	}
	project, err := localProject(local)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := auth.Sign([]byte(project.JWTSecret), auth.Claims{
		Subject: userID(project.ID, c.Email), Role: c.Role, Email: c.Email, ProjectID: project.ID,
		Issuer: "functions-mcp", IssuedAt: now, Expires: now.Add(c.ExpiresIn),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, token)
	return err
}

// userID is a project's user by e-mail address: a UUID of version 8, made from both.
func userID(projectID, email string) string {
	sum := sha256.Sum256([]byte(projectID + "\n" + strings.ToLower(email)))
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
