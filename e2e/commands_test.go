package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The command line, as a person types it. Each script has a data directory of its own, $DATA.
func TestCommands(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			p, err := emptyProject()
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := p.remove(); err != nil {
					t.Error(err)
				}
			})
			env.Setenv("DATA", p.dir)
			env.Setenv("RUN402_DATA_DIR", p.dir)
			env.Setenv("RUN402_PG_BIN", os.Getenv("RUN402_PG_BIN"))
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("PATH", filepath.Dir(program)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits is the script command `exits CODE PROGRAM ARGUMENT...`, for what must end with just that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("it ended with %d, want %d", got, want)
	}
}
