// Command clients has real MCP clients use the built program: each connects by what `functions-mcp install` wrote,
// reads a table and adds a row to it, and what it was shown in return is checked. Agents run without a model: one that
// plays a script stands in for it, on this machine.
//
//	go run ./e2e/clients [-program FILE] [CLIENT...]
//
// It runs from the module's root, on Linux, and builds the program as make build does unless one is given. The clients
// are those of package-lock.json, from node_modules beside it. Each has a home of its own in a temporary directory,
// reaches this machine alone as far as it heeds its proxy, and is ended with all that it started. Without a CLIENT all
// are tried.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	program := flag.String("program", "", "try this `FILE` and build none")
	verbose := flag.Bool("v", false, "print what each client wrote")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *program, *verbose, flag.Args())
	stop()
	if err != nil {
		log.Fatal("clients: ", err)
	}
}

// trial is one client, configured in one way.
type trial struct {
	client string
	how    string
	// try uses the program from a seat, and returns what came of it as far as it came.
	try func(context.Context, *seat) (outcome, error)
	// listOnly is set when the client can be made to connect, but not to call.
	listOnly bool
}

// outcome is what a client did.
type outcome struct {
	connected bool     // it says so
	shown     []string // the results that it showed to its model or its user, of query_table and of insert_rows
}

func run(ctx context.Context, program string, verbose bool, only []string) (err error) {
	chosen := trials()
	for _, name := range only {
		if !slices.ContainsFunc(chosen, func(t trial) bool { return t.client == name }) {
			return fmt.Errorf("there is no client %q", name)
		}
	}
	w, err := openWorld(ctx, program)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(columns ...string) { _, _ = fmt.Fprintln(table, strings.Join(columns, "\t")) } // fails at Flush, if ever
	line("client", "configured by install as", "connected", "called", "saw", "time")
	var errs []error
	for _, t := range chosen {
		if len(only) > 0 && !slices.Contains(only, t.client) {
			continue
		}
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		s, err := w.newSeat(t)
		if err != nil {
			return errors.Join(err, table.Flush())
		}
		began := time.Now()
		result, err := t.try(ctx, s)
		took := time.Since(began)
		called, saw := "-", "-"
		if !t.listOnly {
			called, saw = mark(len(result.shown) == 2), mark(len(result.shown) == 2 && w.check(t, result.shown) == nil)
			err = errors.Join(err, w.check(t, result.shown))
		}
		if !result.connected {
			err = errors.Join(err, errors.New("it does not say that it is connected"))
		}
		if err = errors.Join(err, s.end()); err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w\n%s", t.client, t.how, err, s.excerpt()))
		} else if verbose {
			log.Printf("%s, %s:\n%s", t.client, t.how, &s.transcript)
		}
		line(t.client, t.how, mark(result.connected), called, saw, took.Round(10*time.Millisecond).String())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if hosts := w.proxy.hosts(); len(hosts) > 0 {
		fmt.Println("Refused to connect them to", strings.Join(hosts, ", "))
	}
	return errors.Join(errs...)
}

func mark(ok bool) string { return cmp.Or(map[bool]string{true: "yes"}[ok], "NO") }
