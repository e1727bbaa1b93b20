package config

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/run402/functions-mcp/auth"
)

const project = "prj_0123456789abcdef"

// env is an environment of "NAME=value NAME=value", with a home.
func env(pairs string) Lookup {
	vars := map[string]string{"HOME": "/home/ana"}
	for pair := range strings.FieldsSeq(pairs) {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// parse reads a command line as the program does.
func parse(t *testing.T, lookup Lookup, args ...string) (Config, error) {
	t.Helper()
	var c Config
	parser, err := kong.New(&c, Options(lookup)...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return c, err
}

// settings is parse and then Settings: all that stands between an operator and a start.
func settings(t *testing.T, lookup Lookup, args ...string) (Settings, error) {
	t.Helper()
	c, err := parse(t, lookup, args...)
	if err != nil {
		return Settings{}, err
	}
	return c.Settings(lookup)
}

// key is a hosted project key or a user's token of the given role.
func key(t *testing.T, role, projectID string) string {
	t.Helper()
	c := auth.Claims{Role: role, ProjectID: projectID}
	if role != auth.RoleAnon && role != auth.RoleService {
		c.Expires = time.Now().Add(time.Hour)
	}
	token, err := auth.Sign([]byte("secret"), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
