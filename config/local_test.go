package config

import (
	"path/filepath"
	"testing"
)

func TestLocalDirectory(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	const user, root = 1000, 0
	for name, test := range map[string]struct {
		dataDir, vars string
		euid          int
		want          string
	}{
		"home":                        {"", "", user, "/home/ana/.local/share/functions-mcp/desk"},
		"XDG":                         {"", "XDG_DATA_HOME=/xdg", user, "/xdg/functions-mcp/desk"},
		"relative XDG is ignored":     {"", "XDG_DATA_HOME=xdg", user, "/home/ana/.local/share/functions-mcp/desk"},
		"root":                        {"", "XDG_DATA_HOME=/root/xdg", root, "/var/lib/functions-mcp/desk"},
		"the operator's choice":       {"/data/", "XDG_DATA_HOME=/xdg", user, "/data/desk"},
		"the operator's, as root":     {"/data", "", root, "/data/desk"},
		"the operator's, from here":   {"data", "", user, filepath.Join(here, "data", "desk")},
		"no home":                     {"", "HOME=", user, ""},
		"a home that is not absolute": {"", "HOME=ana", user, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ProjectFlags{DataDir: test.dataDir, LocalProject: "desk"}.local(env(test.vars), test.euid)
			if got.Dir != test.want || (err != nil) != (test.want == "") {
				t.Errorf("directory %q, error %v; want %q", got.Dir, err, test.want)
			}
		})
	}
}
