package app

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/internal/install"
)

func TestInstallRefuses(t *testing.T) {
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		// This test is run by go test, from a temporary directory.
		"a program that will be gone": {[]string{"cursor"}, exitFailed, "make build"},
		"a name that clients refuse":  {[]string{"cursor", "--name", "a b"}, exitUsage, "letters, digits"},
		"a client that it lacks":      {[]string{"emacs"}, exitUsage, "claude-desktop"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), Process{
				Args: append([]string{"install"}, test.args...), Stdout: &stdout, Stderr: &stderr,
				Lookup: func(name string) (string, bool) {
					return map[string]string{"HOME": home}[name], name == "HOME"
				},
			})
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d, want %d: %s", code, test.code, &stderr)
			}
		})
	}
}

func TestInstallKnowsTheClientsOfItsHelp(t *testing.T) {
	field, _ := reflect.TypeFor[installCommand]().FieldByName("Client")
	if got, want := field.Tag.Get("enum"), strings.Join(install.Clients(), ","); got != want {
		t.Errorf("the command line takes %s, want %s", got, want)
	}
}
