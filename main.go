// Command functions-mcp gives AI agents what code inside a Run402 function has. See internal/app.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/run402/functions-mcp/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := app.Run(ctx, app.Process{
		Args: os.Args[1:], Lookup: os.LookupEnv, Environ: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
