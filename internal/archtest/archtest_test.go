// Package archtest holds the tests that keep the tree in the shape of the design: which package may import which.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/run402/functions-mcp"

// arrows says which of our packages each package may import. A name ending in /... also means what lies below it; a
// package that is not named may not exist yet. A new arrow, or a new top-level folder, needs a reason in its commit.
var arrows = []arrow{
	{".", []string{"internal/app"}},
	{"internal/app", []string{"config", "core", "core/wire", "auth", "tools", "resources", "gateway/...",
		"internal/install", "internal/demo"}},
	{"internal/install", []string{"config", "auth"}},
	{"internal/demo", []string{"config", "core", "core/wire", "gateway/postgres", "gateway/users"}},
	{"internal/archtest", nil},
	{"config", []string{"auth"}},
	{"tools", []string{"core", "core/wire", "auth"}},
	{"resources", []string{"core", "core/wire", "auth"}},
	{"core", []string{"core/wire"}},
	{"core/wire", nil},
	{"core/hostedtest", []string{"core/wire"}},
	{"auth", []string{"core/wire"}},
	{"gateway/...", []string{"auth", "core/wire", "gateway/..."}},
	{"e2e/...", []string{"core/wire"}}, // it drives the built program, as a stranger would
}

// confined says which packages may import a library: the rest of the program must not come to depend on it.
var confined = []confinement{
	{"github.com/mark3labs/mcp-go", []string{"tools", "resources", "internal/app", "internal/demo", "e2e/..."}},
	{"github.com/modelcontextprotocol/go-sdk", []string{"e2e/..."}}, // the peer: it must share no code with the program
	{"github.com/jackc/pgx/v5", []string{"gateway/...", "e2e/..."}},
	{"github.com/pressly/goose/v3", []string{"gateway/..."}},
	{"github.com/alecthomas/kong", []string{"config", "internal/app"}},
}

type arrow struct {
	from string
	to   []string
}

type confinement struct {
	library string
	to      []string
}

// source is one Go file: where it lies, in slashes below the module's root, and what it imports.
type source struct {
	file    string
	imports []string
}

func TestNoNewArrow(t *testing.T) {
	sources, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 2 {
		t.Fatalf("read %d Go files below the module's root: the walk is broken", len(sources))
	}
	for _, complaint := range check(sources) {
		t.Error(complaint)
	}
}

func TestCheckFindsPlantedArrows(t *testing.T) {
	const mcp, pgx = "github.com/mark3labs/mcp-go/mcp", "github.com/jackc/pgx/v5/pgxpool"
	tests := map[string]struct {
		file, imports string
		want          string // the complaint; empty when the import is fine
	}{
		"the program":                    {"main.go", module + "/internal/app", ""},
		"a layer skipped":                {"main.go", module + "/core", "the root package may not import core"},
		"a tool that calls core":         {"tools/data.go", module + "/core", ""},
		"a tool that knows the gateway":  {"tools/data.go", module + "/gateway/rest", "tools may not import gateway/rest"},
		"core over the gateway":          {"core/client.go", module + "/gateway", "core may not import gateway"},
		"a gateway over the client":      {"gateway/sql.go", module + "/core", "gateway may not import core"},
		"a part of the gateway":          {"gateway/rest/parse.go", module + "/core/wire", ""},
		"a leaf that grew a branch":      {"core/wire/wire.go", module + "/auth", "core/wire may not import auth"},
		"a test with a real neighbour":   {"tools/data_test.go", module + "/gateway", ""},
		"a helper of tests":              {"gateway/gateway.go", module + "/gateway/pgtest", "gateway may not import gateway/pgtest"},
		"a helper in a test":             {"gateway/gateway_test.go", module + "/gateway/pgtest", ""},
		"a helper of a helper":           {"gateway/mailtest/mail.go", module + "/gateway/pgtest", ""},
		"MCP in a tool":                  {"tools/tool.go", mcp, ""},
		"MCP in core":                    {"core/client.go", mcp, "core may not import " + mcp},
		"MCP in a test of core":          {"core/client_test.go", mcp, "core may not import " + mcp},
		"a database in auth":             {"auth/role.go", pgx, "auth may not import " + pgx},
		"a library with a longer name":   {"core/client.go", "github.com/alecthomas/kong-yaml", ""},
		"a new top-level folder":         {"util/util.go", "strings", "package util is not in the table of arrows"},
		"a file for another system":      {"auth/guard_windows.go", module + "/core", "auth may not import core"},
		"what lies outside the program":  {"e2e/npm/node_modules/x/x.go", module + "/core", ""},
		"what belongs to another module": {"e2e/peers/main.go", module + "/core", ""},
		"what is only data to its tests": {"tools/testdata/x.go", module + "/gateway", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sources, err := read(fstest.MapFS{
				"go.mod":           {Data: []byte("module " + module)},
				"e2e/peers/go.mod": {Data: []byte("module peers")},
				test.file:          {Data: fmt.Appendf(nil, "package p\n\nimport _ %q\n", test.imports)},
			})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if test.want != "" {
				want = []string{test.file + ": " + test.want}
			}
			if diff := cmp.Diff(want, check(sources)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// read parses the imports of every Go file of the module at the root of tree, whatever system it is for.
func read(tree fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && outside(tree, name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: name}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

// outside reports whether the go command would leave a folder out of the module's packages.
func outside(tree fs.FS, dir string) bool {
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

// check returns what the files do that the tables do not allow. A test may import its package's real neighbours, since
// the arrows are the program's; the libraries stay confined in tests too.
func check(sources []source) []string {
	var complaints []string
	for _, s := range sources {
		from := path.Dir(s.file)
		row := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.from, from) })
		if row < 0 {
			complaints = append(complaints, fmt.Sprintf("%s: package %s is not in the table of arrows", s.file, from))
			continue
		}
		for _, imported := range s.imports {
			if !allowed(from, arrows[row].to, imported, strings.HasSuffix(s.file, "_test.go")) {
				complaint := fmt.Sprintf("%s: %s may not import %s", s.file, called(from), called(imported))
				complaints = append(complaints, complaint)
			}
		}
	}
	return complaints
}

// allowed reports whether a package with the given arrows may import what a file of it does.
func allowed(from string, to []string, imported string, inTest bool) bool {
	if ours, ok := cutModule(imported); ok {
		if strings.HasSuffix(ours, "test") { // fakes and helpers, which the program must not carry
			return inTest || strings.HasSuffix(from, "test")
		}
		return inTest || slices.ContainsFunc(to, func(pattern string) bool { return matches(pattern, ours) })
	}
	for _, c := range confined {
		if matches(c.library+"/...", imported) {
			return slices.ContainsFunc(c.to, func(pattern string) bool { return matches(pattern, from) })
		}
	}
	return true
}

// matches reports whether a pattern as the go command writes them, with at most a final /..., names a package.
func matches(pattern, pkg string) bool {
	parent, below := strings.CutSuffix(pattern, "/...")
	return pkg == parent || below && strings.HasPrefix(pkg, parent+"/")
}

// cutModule returns an import path of ours as a folder below the module's root.
func cutModule(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// called names a package in a complaint.
func called(pkg string) string {
	if ours, ok := cutModule(pkg); ok {
		pkg = ours
	}
	if pkg == "." {
		return "the root package"
	}
	return pkg
}
