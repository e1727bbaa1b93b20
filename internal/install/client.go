package install

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// mcpClient is how one client wants to be configured.
type mcpClient struct {
	title string
	// paths of the file for each scope; no project path means that there is only the user's.
	user    func(Machine) (string, error)
	project string
	servers string // the key of the object that holds the servers
	stdio   string // the type of an entry with a command; empty when the client infers it
	http    string // the type of an entry with a URL; empty when the client infers it
	// secret is what stands for a variable's value; nil when the client expands nothing and a person must fill it in.
	secret func(entry, variable string) string
	inputs bool // the client asks for secrets and stores them: VS Code's "inputs"
	noHTTP error
	link   func(name string, s serverEntry, inputs []input) (string, error)
	next   map[string]string // what to do after, by scope
}

const (
	scopeUser    = "user"
	scopeProject = "project"
)

func (m Machine) env(name string) string {
	value, _ := m.Lookup(name)
	return value
}

// home is a path in the user's home directory.
func (m Machine) home(elements ...string) (string, error) {
	name := "HOME"
	if m.GOOS == "windows" {
		name = "USERPROFILE"
	}
	dir := m.env(name)
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("%s is not an absolute path, so there is no telling where the client's configuration "+
			"is: set it, or take --print", name)
	}
	return filepath.Join(append([]string{dir}, elements...)...), nil
}

// appData is a path where desktop programs keep their files.
func (m Machine) appData(elements ...string) (string, error) {
	switch m.GOOS {
	case "darwin":
		return m.home(append([]string{"Library", "Application Support"}, elements...)...)
	case "windows":
		if dir := m.env("APPDATA"); filepath.IsAbs(dir) {
			return filepath.Join(append([]string{dir}, elements...)...), nil
		}
		return m.home(append([]string{"AppData", "Roaming"}, elements...)...)
	}
	if dir := m.env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(append([]string{dir}, elements...)...), nil
	}
	return m.home(append([]string{".config"}, elements...)...)
}

// Clients are the names of the clients whose configuration is known.
func Clients() []string {
	return []string{"claude-code", "claude-desktop", "cursor", "cline", "vscode"}
}

// errBridge is for a client that can only start programs.
var errBridge = errors.New("claude desktop starts servers itself and ignores a url: install without --url; or, for a " +
	"server on the internet, add it there under Settings, Connectors; or bridge with " +
	`"command": "npx", "args": ["-y", "mcp-remote", URL]`)

// clientNamed returns how the client of that name wants to be configured.
func clientNamed(name string) (mcpClient, error) {
	switch name {
	case "claude-code":
		return mcpClient{
			title: "Claude Code", servers: "mcpServers", stdio: "stdio", http: "http", project: ".mcp.json",
			user: func(m Machine) (string, error) {
				if dir := m.env("CLAUDE_CONFIG_DIR"); dir != "" {
					return filepath.Join(dir, ".claude.json"), nil
				}
				return m.home(".claude.json")
			},
			// Without a default Claude Code would hand over the placeholder itself.
			secret: func(_, variable string) string { return "${" + variable + ":-}" },
			next: map[string]string{
				scopeUser:    "Start claude; /mcp there shows the server.",
				scopeProject: "Start claude in this directory; it asks whether to trust the server.",
			},
		}, nil
	case "claude-desktop":
		return mcpClient{
			title: "Claude Desktop", servers: "mcpServers", noHTTP: errBridge,
			user: func(m Machine) (string, error) { return m.appData("Claude", "claude_desktop_config.json") },
			next: map[string]string{scopeUser: "Quit Claude Desktop altogether, and start it again."},
		}, nil
	case "cursor":
		return mcpClient{
			title: "Cursor", servers: "mcpServers", stdio: "stdio", project: filepath.Join(".cursor", "mcp.json"),
			user:   func(m Machine) (string, error) { return m.home(".cursor", "mcp.json") },
			secret: func(_, variable string) string { return "${env:" + variable + "}" },
			link:   cursorLink,
			next: map[string]string{
				scopeUser:    "Cursor shows the server under Settings, MCP: switch it on there.",
				scopeProject: "Open this directory in Cursor, and switch the server on under Settings, MCP.",
			},
		}, nil
	case "cline":
		return mcpClient{
			title: "Cline", servers: "mcpServers", stdio: "stdio", http: "streamableHttp",
			user: clineSettings,
			next: map[string]string{scopeUser: "Cline, in an editor or a terminal, has the server at once."},
		}, nil
	case "vscode":
		return mcpClient{
			title: "VS Code", servers: "servers", stdio: "stdio", http: "http", inputs: true,
			project: filepath.Join(".vscode", "mcp.json"),
			user:    func(m Machine) (string, error) { return m.appData("Code", "User", "mcp.json") },
			secret:  func(entry, variable string) string { return "${input:" + inputID(entry, variable) + "}" },
			link:    vscodeLink,
			next: map[string]string{
				scopeUser:    "In VS Code run “MCP: List Servers”, and start it there.",
				scopeProject: "Open this directory in VS Code, run “MCP: List Servers”, and start it there.",
			},
		}, nil
	}
	return mcpClient{}, fmt.Errorf("there is no client %q: choose from %s", name, strings.Join(Clients(), ", "))
}

// clineSettings is one file for the extension and the terminal program, found as the latter finds it.
func clineSettings(m Machine) (string, error) {
	if file := m.env("CLINE_MCP_SETTINGS_PATH"); file != "" {
		return file, nil
	}
	file := filepath.Join("settings", "cline_mcp_settings.json")
	if dir := m.env("CLINE_DATA_DIR"); dir != "" {
		return filepath.Join(dir, file), nil
	}
	if dir := m.env("CLINE_DIR"); dir != "" {
		return filepath.Join(dir, "data", file), nil
	}
	return m.home(".cline", "data", file)
}

// path is where the client reads its servers from.
func (c mcpClient) path(m Machine, scope string) (string, error) {
	if cmp.Or(scope, scopeUser) == scopeUser {
		return c.user(m)
	}
	if c.project == "" {
		return "", &UsageError{fmt.Errorf("%s has one configuration for all projects: leave out --scope", c.title)}
	}
	return filepath.Abs(c.project)
}
