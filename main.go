// Command functions-mcp gives AI agents what code inside a Run402 function has. See internal/app.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/run402/functions-mcp/internal/app"
)

func main() {
	if _, ok := os.LookupEnv("GOGC"); !ok {
		// A call leaves some 30 KB of garbage beside the 3 MB that the program keeps, so that by default Go would collect
		// every hundred calls, and once before the program has said hello.
		debug.SetGCPercent(200)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := app.Run(ctx, app.Process{
		Args: os.Args[1:], Lookup: os.LookupEnv, Environ: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
