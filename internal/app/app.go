// Package app is the program: its commands, and how the parts are wired for each.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/run402/functions-mcp/config"
)

// version is set by the linker.
var version = "dev"

// Process is what the operating system gave: arguments without the program's name, the environment twice (to look up,
// and to find misspelt names in), and the three streams.
type Process struct {
	Args    []string
	Lookup  config.Lookup
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// commands is the command line; `serve` is what runs when no command is named.
type commands struct {
	Serve   serveCommand    `cmd:"" default:"withargs" help:"Serve MCP on standard input and output (the default)."`
	Demo    demoCommand     `cmd:"" help:"Watch an agent work on a local project, under row level security."`
	Gateway gatewayCommands `cmd:"" help:"Serve the HTTP API of a local project or your own PostgreSQL."`
	Env     envCommand      `cmd:"" help:"Print the local project's .env, with its keys."`
	Token   tokenCommand    `cmd:"" help:"Print a user's token for the local project."`
	Install installCommand  `cmd:"" help:"Write the configuration of an MCP client."`
	Doctor  doctorCommand   `cmd:"" help:"Check backend, keys and PostgreSQL, and say what helps."`
	Version versionCommand  `cmd:"" help:"Print the version."`
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the environment cannot be meant
)

// Run runs the command that p.Args names until it ends or ctx does, and returns the exit code.
func Run(ctx context.Context, p Process) int {
	// Clients close our streams before they wait for us. That must be an error of writing, not the end on the spot, which
	// would leave PostgreSQL running.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	var cmds commands
	exit := -1
	options := append(config.Options(p.Lookup),
		kong.Name("functions-mcp"),
		kong.Description("An MCP server that gives agents a Run402 project's backend, as the user they act for."),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
	)
	parser, err := kong.New(&cmds, options...)
	if err != nil {
		return fail(p, exitFailed, err)
	}
	command, err := parser.Parse(p.Args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		return fail(p, exitUsage, err)
	}
	err = command.Run()
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(*usageError)):
		return fail(p, exitUsage, err)
	}
	return fail(p, exitFailed, err)
}

// usageError is a configuration that cannot be meant.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func fail(p Process, code int, err error) int {
	fmt.Fprintln(p.Stderr, "functions-mcp:", err)
	return code
}

// logger logs to standard error: standard output belongs to the protocol.
func (p Process) logger(flags config.LogFlags) *slog.Logger {
	file, ok := p.Stderr.(*os.File)
	log := flags.Logger(p.Stderr, ok && term.IsTerminal(int(file.Fd())))
	for _, warning := range config.Warnings(p.Environ) {
		log.Warn(warning)
	}
	return log
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(p Process) error {
	_, err := fmt.Fprintln(p.Stdout, version)
	return err
}
