package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/run402/functions-mcp/gateway"
)

type initCommand struct {
	DBSchemas   []string `var:"RUN402_DB_SCHEMAS" placeholder:"NAME" help:"The schemas to serve (public)."`
	DatabaseURL string   `placeholder:"URL" help:"Of who may create roles and schemas; else RUN402_ADMIN_DATABASE_URL."`
	Yes         bool     `help:"Run the SQL without asking."`
}

// Run prints the SQL that sets a PostgreSQL up, and runs it only with --yes or a yes that is typed. What the logins are
// it prints last, as variables of the environment.
func (c initCommand) Run(ctx context.Context, p Process) error {
	databaseURL := c.DatabaseURL
	if databaseURL == "" {
		databaseURL, _ = p.Lookup("RUN402_ADMIN_DATABASE_URL")
	}
	if databaseURL == "" {
		return &usageError{errors.New("there is no database to set up: give one with --database-url or " +
			"RUN402_ADMIN_DATABASE_URL, as a user who may create roles and schemas")}
	}
	schemas := c.DBSchemas
	if len(schemas) == 0 {
		schemas = []string{"public"}
	}
	plan, err := gateway.PlanInit(ctx, databaseURL, schemas)
	if err != nil {
		return err
	}
	if plan.SQL == "" {
		_, err := fmt.Fprintln(p.Stdout, "-- Everything is there: nothing to do.")
		return err
	}
	if _, err := fmt.Fprint(p.Stdout, plan.SQL); err != nil {
		return err
	}
	if !c.Yes {
		yes, err := agreed(p)
		if err != nil || !yes {
			return err
		}
	}
	if err := plan.Run(ctx); err != nil {
		return err
	}
	return c.tell(p, plan.Made, schemas)
}

// agreed asks on a terminal whether to run the SQL. Where nobody can answer it does not.
func agreed(p Process) (bool, error) {
	in, ok := p.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		_, err := fmt.Fprintln(p.Stderr, "Nothing was run. To run this SQL: the same with --yes.")
		return false, err
	}
	if _, err := fmt.Fprint(p.Stderr, "\nRun this SQL? Type yes: "); err != nil {
		return false, err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		_, err := fmt.Fprintln(p.Stderr, "Nothing was run.")
		return false, err
	}
	return true, nil
}

// tell prints what the server needs in its environment. Passwords are printed here once, and nowhere else.
func (c initCommand) tell(p Process, made gateway.Own, schemas []string) error {
	var b strings.Builder
	b.WriteString("\n-- Done. The environment for functions-mcp:\n")
	for _, v := range [][2]string{
		{"RUN402_DATABASE_URL", made.URL}, {"RUN402_ADMIN_DATABASE_URL", made.AdminURL},
		{"RUN402_GATEWAY_DATABASE_URL", made.GatewayURL},
	} {
		if v[1] == "" {
			fmt.Fprintf(&b, "-- %s: its login was there already, with the password that it had\n", v[0])
			continue
		}
		fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
	}
	if len(schemas) > 1 || schemas[0] != "public" {
		fmt.Fprintf(&b, "RUN402_DB_SCHEMAS=%s\n", strings.Join(schemas, ","))
	}
	if secret, _ := p.Lookup("RUN402_JWT_SECRET"); secret == "" {
		fmt.Fprintf(&b, "RUN402_JWT_SECRET=%s%s\n", rand.Text(), rand.Text())
	}
	_, err := fmt.Fprint(p.Stdout, b.String())
	return err
}
