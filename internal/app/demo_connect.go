package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// entry is one server in a client's configuration.
type entry struct {
	name string
	exe  string
	env  []string // NAME=value
}

// howToConnect says what to paste into which client.
func (s *screen) howToConnect(e entry) {
	s.gap()
	s.title("Connect your own client")
	if strings.Contains(e.exe, string(filepath.Separator)+"go-build") { // of go run, and gone in a moment
		if dir, err := os.Getwd(); err == nil {
			e.exe = filepath.Join(dir, "bin", "functions-mcp")
		}
		s.text("", "Build the program first: make build")
	}
	s.text("", "Claude Code:")
	s.println(e.command())
	s.text("", "Claude Desktop (claude_desktop_config.json), Cursor (~/.cursor/mcp.json) and Cline "+
		"(cline_mcp_settings.json); a file that has mcpServers already gets the entry alone:")
	s.println(e.json())
}

// command is for a shell: on one line if that is short, else one setting a line.
func (e entry) command() string {
	parts := []string{"claude mcp add " + e.name}
	for _, pair := range e.env {
		parts = append(parts, "-e "+shellQuote(pair))
	}
	parts = append(parts, "-- "+shellQuote(e.exe))
	if line := strings.Join(parts, " "); columns(line) <= screenWidth {
		return line
	}
	return strings.Join(parts, " \\\n  ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./=:@%+,-]+$`)

func shellQuote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// json is a whole configuration file.
func (e entry) json() string {
	type server struct {
		Command string            `json:"command"`
		Env     map[string]string `json:"env,omitempty"`
	}
	env := make(map[string]string)
	for _, pair := range e.env {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]map[string]server{"mcpServers": {e.name: {e.exe, env}}}); err != nil {
		return err.Error() // texts in maps can always be encoded
	}
	return strings.TrimSpace(b.String())
}

// connect says how to go on: with the demo's project when it was kept, else with one of the reader's own.
func (d *demo) connect(kept bool) {
	if !kept {
		d.out.howToConnect(entry{name: "run402", exe: d.program.exe})
		d.out.text("", "The client then has a local project of your own, empty and as nobody. Ask it to make a table. "+
			"To look into the help desk instead: functions-mcp demo --keep")
		return
	}
	ana := d.seats()[slices.IndexFunc(d.seats(), func(s seat) bool { return s.name == "ana" })]
	d.out.howToConnect(entry{name: "helpdesk", exe: d.program.exe, env: slices.Concat(d.program.project, ana.env())})
	d.out.text("", "The client is ana then. Ask it: which of my team's open tickets wait longest? To be ben, name "+
		"ben.token; to be nobody, leave the token out. Tokens last 30 days; functions-mcp token makes others.")
}
