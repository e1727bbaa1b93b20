// Package config is what the operator chose: flags through kong, and the environment through the lookup that the
// program was given, never through os.Getenv. Secrets have no flags. Whatever is unknown, contradictory or not
// supported refuses to start with a message that says what to do; nothing is silently ignored.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/run402/functions-mcp/auth"
)

// Lookup returns the value of an environment variable, and whether it is set; os.LookupEnv is one.
type Lookup func(name string) (value string, ok bool)

// get returns a variable's value; an empty one counts as not set, as MCP clients cannot always leave one out.
func (l Lookup) get(name string) string {
	value, _ := l(name)
	return value
}

// Config is what `serve` takes. Its parts can be embedded by the commands that need only some of it. A field's
// variable is its tag var, not kong's env, which would read the process's own environment.
type Config struct {
	ProjectFlags
	ToolFlags
	ListenFlags
	LogFlags
}

// ProjectFlags say which local project is meant, and how it or a PostgreSQL of the operator's own is served.
type ProjectFlags struct {
	DataDir      string `var:"RUN402_DATA_DIR" placeholder:"DIR" help:"Where local projects live."`
	LocalProject string `var:"RUN402_LOCAL_PROJECT" default:"default" placeholder:"NAME" help:"Which local project."`
	DatabaseFlags
}

// ToolFlags narrow what callers may do.
type ToolFlags struct {
	Toolsets  []string `var:"RUN402_TOOLSETS" placeholder:"NAME" help:"Only these: data admin email ai assets functions."`
	ReadOnly  bool     `var:"RUN402_READ_ONLY" help:"Only tools that only read."`
	Gates     string   `var:"RUN402_GATES" placeholder:"FILE" help:"Who may call what: see docs/gates.md."`
	Confirm   string   `var:"RUN402_CONFIRM" enum:"token,elicit,deny,off" default:"token" help:"On destruction: ${enum}."`
	AssetRoot []string `var:"RUN402_ASSET_ROOT" placeholder:"DIR" help:"Where put_asset may read files (stdio)."`

	EmailAllow []string `var:"RUN402_EMAIL_ALLOW" placeholder:"WHO" help:"Whom send_email may write to, as *@example.com."`
}

// Options makes kong take a flag that is not given from its variable, add that variable to the flag's help, and read no
// other environment than lookup.
func Options(lookup Lookup) []kong.Option {
	fromEnv := func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := lookup.get(flag.Tag.Get("var")); value != "" {
			return value, nil
		}
		return nil, nil
	}
	help := func(value *kong.Value) string {
		if name := value.Tag.Get("var"); name != "" {
			return fmt.Sprintf("%s ($%s)", value.Help, name)
		}
		return kong.DefaultHelpValueFormatter(value)
	}
	return []kong.Option{kong.Resolvers(kong.ResolverFunc(fromEnv)), kong.ValueFormatter(help)}
}

// Settings is a Config together with the environment, found to be sound.
type Settings struct {
	Backend       Backend  // Local, Remote or Database
	UserToken     Secret   // the caller on stdio; empty when nobody is signed in or the file is used
	UserTokenFile string   // the file that holds it, re-read when it changes
	Toolsets      []string // nil means all
	ReadOnly      bool
	AssetRoots    []string    // directories that put_asset may read from, absolute
	EmailAllow    []string    // whom send_email may write to: addresses, * for any characters; nil means all
	Confirm       string      // how far a call may go that destroys much; see tools.Confirm
	Gates         *auth.Gates // nil when there are none
	Listen        *Listen     // nil means stdio
}

// Toolsets are the toolsets that exist.
func Toolsets() []string { return []string{"data", "admin", "email", "ai", "assets", "functions"} }

// Settings reads the rest from the environment and checks it all. The error joins every reason not to start.
func (c Config) Settings(lookup Lookup) (Settings, error) {
	s := Settings{
		UserToken:     Secret(lookup.get("RUN402_USER_TOKEN")),
		UserTokenFile: lookup.get("RUN402_USER_TOKEN_FILE"),
		Toolsets:      c.Toolsets,
		ReadOnly:      c.ReadOnly,
		EmailAllow:    c.EmailAllow,
		Confirm:       c.Confirm,
	}
	var backendErr error
	s.Backend, backendErr = c.backend(lookup)
	errs := []error{Unsupported(lookup), backendErr, s.checkToken(), s.checkToolsets(), s.checkEmailAllow(),
		s.readGates(c.Gates)}
	if c.Listen == "" {
		errs = append(errs, c.checkStdio(s))
	} else {
		errs = append(errs, s.listen(c.ListenFlags, lookup))
	}
	errs = append(errs, s.checkRoots(c.AssetRoot))
	if err := errors.Join(errs...); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// readGates takes the gates file. Whether its names exist is for the tools to say, whether its table does for the
// database.
func (s *Settings) readGates(path string) error {
	if path == "" {
		return nil
	}
	text, err := readFile(path)
	if err != nil {
		return fmt.Errorf("the gates of --gates or RUN402_GATES: %w", err)
	}
	if s.Gates, err = auth.ParseGates(path, text); err != nil {
		return err
	}
	_, _, roles := s.Gates.Roles()
	switch b := s.Backend.(type) {
	case Remote:
		if roles && b.ServiceKey == "" {
			return errors.New("a gate asks for a role, which is read with the service key: set RUN402_SERVICE_KEY")
		}
	case Database:
		if roles && b.AdminURL == "" {
			return errors.New("a gate asks for a role, which is read on the admin plane: set RUN402_ADMIN_DATABASE_URL")
		}
	}
	return nil
}

func (s Settings) checkToken() error {
	switch {
	case s.UserToken != "" && s.UserTokenFile != "":
		return errors.New("RUN402_USER_TOKEN and RUN402_USER_TOKEN_FILE are both set, " +
			"and a server has one caller: unset one")
	case s.UserToken == "" && s.UserTokenFile == "":
		return nil
	case keyRole(s.UserToken) == auth.RoleService:
		return errors.New("RUN402_USER_TOKEN is a service key, which no caller may be: set a user's token there, " +
			"and the service key in RUN402_SERVICE_KEY")
	}
	remote, ok := s.Backend.(Remote)
	switch {
	case ok && remote.AnonKey == "":
		return errors.New("a user token is set without RUN402_ANON_KEY, which every request of a caller carries: " +
			"set the anon key, or unset the token to use the admin tools alone")
	case ok && s.UserToken != "" && s.UserToken == remote.ServiceKey:
		return errors.New("RUN402_USER_TOKEN is the service key, which no caller may be: set a user's token there")
	}
	return nil
}

func (s Settings) checkToolsets() error {
	valid := strings.Join(Toolsets(), ", ")
	if s.Toolsets != nil && len(s.Toolsets) == 0 { // as from --toolsets=$UNSET, which must not mean all
		return fmt.Errorf("--toolsets names none: choose from %s, or leave it out for all", valid)
	}
	for _, name := range s.Toolsets {
		if !slices.Contains(Toolsets(), name) {
			return fmt.Errorf("there is no toolset %q: choose from %s", name, valid)
		}
	}
	return nil
}

// Callers resolves the caller that the environment names for a stdio server, or nobody. See auth.TokenSource.
func (s Settings) Callers(verify auth.Verify, log *slog.Logger) auth.Callers {
	switch {
	case s.UserTokenFile != "":
		return auth.TokenFile(s.UserTokenFile, log).Callers(verify)
	case s.UserToken != "":
		return auth.StaticToken(s.UserToken.Reveal()).Callers(verify)
	default:
		return auth.AnonymousCaller
	}
}
