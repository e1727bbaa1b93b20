// Command bench measures the built program beside what it stands on, in one run: a bare program on mcp-go, and pgx on
// the same PostgreSQL. The machine may be busy, so that only what was measured in turns can be compared; the table
// shows the ratios next to the targets. It asserts nothing.
//
//	go run ./e2e/bench [-program FILE] [SECTION...]
//
// It runs from the module's root, builds the program as make build does unless one is given, and works in a temporary
// directory. Without a SECTION it measures all of them: start, first, query, flood, http, write,
// size.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	program := flag.String("program", "", "measure this `FILE` and build none")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *program, flag.Args())
	stop()
	if err != nil {
		log.Fatal("bench: ", err)
	}
}

// bench is where the measuring happens.
type bench struct {
	dir     string // removed at the end
	program string
	floor   string
	token   string // of the signed-in user
	claims  string // what the token says
	user    string // whom
	log     *os.File
	report  report

	postgres string // its version, once it was asked
}

// section is one measurement. It adds its lines to the report.
type section struct {
	name    string
	measure func(*bench, context.Context) error
}

func sections() []section {
	return []section{
		{"start", (*bench).start},
		{"first", (*bench).first},
		{"query", (*bench).query},
		{"flood", (*bench).flood},
		{"http", (*bench).http},
		{"write", (*bench).write},
		{"size", (*bench).size},
	}
}

func run(ctx context.Context, program string, only []string) (err error) {
	for _, name := range only {
		if !slices.ContainsFunc(sections(), func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q", name)
		}
	}
	b := &bench{program: program}
	if err := b.prepare(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, s := range sections() {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", s.name)
		if err := s.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w: %s", s.name, err, b.logged())
		}
	}
	fmt.Printf("\n%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if b.postgres != "" {
		fmt.Printf(", PostgreSQL %s", b.postgres)
	}
	fmt.Print("\n\n")
	return b.report.print(os.Stdout)
}

// prepare builds the programs and makes the project that is measured on.
func (b *bench) prepare(ctx context.Context) (err error) {
	// PostgreSQL runs as the user postgres when we are root, who must be able to pass.
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o711); err != nil { //nolint:gosec // see above
		return err
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "log")); err != nil {
		return err
	}
	if b.program == "" {
		b.program = filepath.Join(b.dir, "functions-mcp")
		if err := build(ctx, b.program, "."); err != nil {
			return err
		}
	}
	b.floor = filepath.Join(b.dir, "floor")
	if err := build(ctx, b.floor, "./e2e/bench/floor"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.program, "token", "--email", "ana@example.com", "--expires-in", "24h")
	cmd.Env, cmd.Stderr = b.env(project), os.Stderr
	token, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	b.token = strings.TrimSpace(string(token))
	if err := b.decodeToken(); err != nil {
		return err
	}
	return b.seed(ctx)
}

func (b *bench) decodeToken() error {
	parts := strings.Split(b.token, ".")
	if len(parts) != 3 {
		return errors.New("the token is no JWT")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return fmt.Errorf("decode the token: %w", err)
	}
	var who struct {
		Sub string `json:"sub"`
	}
	b.claims = string(claims)
	err = json.Unmarshal(claims, &who)
	b.user = who.Sub
	return err
}

func build(ctx context.Context, to, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

func (b *bench) close() error {
	if b.log != nil {
		_ = b.log.Close() // nobody reads it any more
	}
	return os.RemoveAll(b.dir)
}

// logged returns the end of what the programs logged.
func (b *bench) logged() string {
	text, err := os.ReadFile(b.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

const project = "bench" // the local project that is measured on

// env is all that a program gets of an environment. The user is one of the measured project's.
func (b *bench) env(name string) []string {
	env := []string{"RUN402_DATA_DIR=" + b.dir, "RUN402_LOCAL_PROJECT=" + name}
	if name == project && b.token != "" {
		env = append(env, "RUN402_USER_TOKEN="+b.token)
	}
	for _, variable := range []string{"PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "RUN402_PG_BIN"} {
		if value, ok := os.LookupEnv(variable); ok {
			env = append(env, variable+"="+value)
		}
	}
	return env
}

// serve starts the program on a project.
func (b *bench) serve(ctx context.Context, name string) (*server, error) {
	return start(ctx, b.log, b.env(name), b.program)
}

// open is serve on the measured project, when the client has said hello.
func (b *bench) open(ctx context.Context) (*server, error) {
	s, err := b.serve(ctx, project)
	if err == nil {
		err = s.initialize()
	}
	if err == nil {
		s.initialized()
	}
	return s, err
}
