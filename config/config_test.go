package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
)

func TestFlagsComeBeforeVariablesAndThoseBeforeDefaults(t *testing.T) {
	t.Setenv("RUN402_LOCAL_PROJECT", "from-the-process") // which nobody may read
	vars := env("RUN402_DATA_DIR=/env RUN402_TOOLSETS=data,admin RUN402_READ_ONLY=true RUN402_CONFIRM=deny " +
		"RUN402_GATES=/gates.json RUN402_LOG=debug RUN402_ASSET_ROOT=/srv,/img")
	flags := strings.Fields("--data-dir=/flag --toolsets=data --read-only=false --confirm=off --log-level=warn --asset-root=/flag " +
		"--email-allow=*@a.b,c@d.e")
	for name, test := range map[string]struct {
		lookup Lookup
		args   []string
		want   Config
	}{
		"defaults": {env(""), nil, Config{
			ProjectFlags{LocalProject: "default"}, ToolFlags{Confirm: "token"}, ListenFlags{}, LogFlags{"info", "auto"},
		}},
		"variables": {vars, nil, Config{
			ProjectFlags{DataDir: "/env", LocalProject: "default"},
			ToolFlags{
				Toolsets: []string{"data", "admin"}, ReadOnly: true, Gates: "/gates.json", Confirm: "deny",
				AssetRoot: []string{"/srv", "/img"},
			},
			ListenFlags{}, LogFlags{"debug", "auto"},
		}},
		"flags": {vars, flags, Config{
			ProjectFlags{DataDir: "/flag", LocalProject: "default"},
			ToolFlags{Toolsets: []string{"data"}, Gates: "/gates.json", Confirm: "off", AssetRoot: []string{"/flag"},
				EmailAllow: []string{"*@a.b", "c@d.e"}},
			ListenFlags{}, LogFlags{"warn", "auto"},
		}},
		"an empty variable is not set": {env("RUN402_LOCAL_PROJECT= RUN402_READ_ONLY= RUN402_LOG="), nil, Config{
			ProjectFlags{LocalProject: "default"}, ToolFlags{Confirm: "token"}, ListenFlags{}, LogFlags{"info", "auto"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(t, test.lookup, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelpNamesTheVariables(t *testing.T) {
	var c Config
	var out strings.Builder
	parser, err := kong.New(&c, append(Options(env("")), kong.Writers(&out, &out), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = parser.Parse([]string{"--help"}) // the error only says that help was asked for
	for name := range tagged(reflect.TypeOf(c)) {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "$"+name) {
			t.Errorf("the help does not name $%s:\n%s", name, &out)
		}
	}
}

func TestEveryFlagsVariableIsKnown(t *testing.T) {
	tags := tagged(reflect.TypeFor[Config]())
	if len(tags) < 9 {
		t.Fatalf("found %v: the walk is broken", tags)
	}
	for name := range tags {
		if !slices.Contains(honoured(), name) {
			t.Errorf("%s is a flag's variable and not in honoured()", name)
		}
	}
}

func tagged(of reflect.Type) map[string]bool {
	names := map[string]bool{}
	for field := range of.Fields() {
		if name := field.Tag.Get("var"); name != "" {
			names[name] = true
		} else if field.Type.Kind() == reflect.Struct {
			for name := range tagged(field.Type) {
				names[name] = true
			}
		}
	}
	return names
}

func TestCallers(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	ana, ben := key(t, auth.RoleAuthenticated, project), key(t, auth.RoleProjectAdmin, project)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(ben), 0o600); err != nil {
		t.Fatal(err)
	}
	for vars, want := range map[string]string{
		"":                               auth.RoleAnon,
		"RUN402_USER_TOKEN=" + ana:       auth.RoleAuthenticated,
		"RUN402_USER_TOKEN_FILE=" + file: auth.RoleProjectAdmin,
	} {
		s, err := settings(t, env(vars))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := s.Callers(auth.Unverified, log)(t.Context()); err != nil || c.Role != want {
			t.Errorf("role %q, error %v; want %q", c.Role, err, want)
		}
	}
}
