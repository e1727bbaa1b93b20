package app

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/internal/install"
)

// installCommand is an install.Request, field by field.
type installCommand struct {
	config.ProjectFlags
	config.ToolFlags
	Client        string `arg:"" enum:"claude-code,claude-desktop,cursor,cline,vscode" help:"Which client: ${enum}."`
	Print         bool   `help:"Print the configuration instead of writing it."`
	Scope         string `enum:"user,project" default:"user" help:"Everywhere, or in this directory: ${enum}."`
	Name          string `default:"run402" help:"What the client calls the server."`
	URL           string `placeholder:"URL" help:"Connect to a server that listens there, instead of starting one."`
	UserTokenFile string `var:"RUN402_USER_TOKEN_FILE" placeholder:"FILE" help:"The file with the caller's token."`
	Force         bool   `help:"Replace another server of the same name."`
}

// Run writes a client's configuration so that it starts this program with the settings given here, or connects to
// --url. No key and no token is ever written.
func (c installCommand) Run(p Process) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	err = install.Run(install.Request(c), install.Machine{
		GOOS: runtime.GOOS, Lookup: p.Lookup, Exe: exe, MCPPath: mcpPath, Now: time.Now(), Out: p.Stdout, Remarks: p.Stderr,
	})
	if errors.As(err, new(*install.UsageError)) {
		return &usageError{err}
	}
	return err
}
