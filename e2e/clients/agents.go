package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
)

// claudeStdio and the others below let an agent work with a model that plays a script.
func claudeStdio(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "claude-code"); err != nil {
		return outcome{}, err
	}
	return s.claudeSession(ctx)
}

// claudeKeys has Claude Code hand on the keys of a project that is not this machine's own, which install did not write.
func claudeKeys(ctx context.Context, s *seat) (outcome, error) {
	s.extra = []string{
		"RUN402_ANON_KEY=" + s.keys["RUN402_ANON_KEY"], "RUN402_SERVICE_KEY=" + s.keys["RUN402_SERVICE_KEY"],
	}
	env := append([]string{
		"RUN402_API_BASE=" + s.gateway.url, "RUN402_PROJECT_ID=" + s.keys["RUN402_PROJECT_ID"],
		"RUN402_USER_TOKEN_FILE=" + s.tokenFile,
	}, s.extra...)
	if _, err := s.installWith(ctx, env, "claude-code"); err != nil {
		return outcome{}, err
	}
	text, err := os.ReadFile(s.path(".claude.json"))
	if err != nil {
		return outcome{}, err
	}
	for _, name := range []string{"RUN402_ANON_KEY", "RUN402_SERVICE_KEY"} {
		if strings.Contains(string(text), s.keys[name]) {
			return outcome{}, fmt.Errorf("install wrote %s", name)
		}
	}
	return s.claudeSession(ctx)
}

// claudeHTTP trusts the project's server as a person would.
func claudeHTTP(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.installHTTP(ctx, "claude-code", "--scope", "project"); err != nil {
		return outcome{}, err
	}
	if err := s.write(s.path(".claude", "settings.json"), `{"enabledMcpjsonServers": ["run402"]}`); err != nil {
		return outcome{}, err
	}
	return s.claudeSession(ctx)
}

func (s *seat) claudeSession(ctx context.Context) (o outcome, err error) {
	m := s.newModel()
	defer func() {
		shown, failed := m.end()
		o.shown, err = shown, errors.Join(err, failed)
	}()
	s.extra = append(s.extra, "ANTHROPIC_BASE_URL="+m.server.URL, "ANTHROPIC_API_KEY=dummy")
	out, err := s.run(ctx, s.claude(), "-p", "Work on the tickets.", "--allowedTools", "mcp__run402",
		"--output-format", "stream-json", "--verbose")
	for line := range strings.Lines(out) {
		var event struct {
			Subtype string
			Servers []struct{ Name, Status string } `json:"mcp_servers"`
		}
		if json.Unmarshal([]byte(line), &event) != nil || event.Subtype != "init" {
			continue
		}
		for _, server := range event.Servers {
			o.connected = o.connected || server.Name == "run402" && server.Status == "connected"
		}
	}
	return o, err
}

// printed is the entry that install printed for Claude Code.
type printed struct {
	Command string
	Env     map[string]string
	URL     string
}

func parsePrinted(text string) (printed, error) {
	var file struct {
		MCPServers map[string]printed `json:"mcpServers"`
	}
	err := json.Unmarshal([]byte(text), &file)
	return file.MCPServers["run402"], err
}

// codexStdio hands what install printed to Codex's own command: Codex is not one of install's clients.
func codexStdio(ctx context.Context, s *seat) (outcome, error) {
	text, err := s.install(ctx, "claude-code", "--print")
	if err != nil {
		return outcome{}, err
	}
	entry, err := parsePrinted(text)
	if err != nil {
		return outcome{}, err
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(entry.Env)) {
		args = append(args, "--env", name+"="+entry.Env[name])
	}
	return s.codexSession(ctx, append(args, "--", entry.Command)...)
}

func codexHTTP(ctx context.Context, s *seat) (outcome, error) {
	text, err := s.installHTTP(ctx, "claude-code", "--print")
	if err != nil {
		return outcome{}, err
	}
	entry, err := parsePrinted(text)
	if err != nil {
		return outcome{}, err
	}
	return s.codexSession(ctx, "--url", entry.URL, "--bearer-token-env-var", "RUN402_USER_TOKEN")
}

func (s *seat) codexSession(ctx context.Context, server ...string) (o outcome, err error) {
	m := s.newModel()
	defer func() {
		shown, failed := m.end()
		o.shown, err = shown, errors.Join(err, failed)
	}()
	err = s.write(s.path(".codex", "config.toml"), fmt.Sprintf(`model = "stand-in"
model_provider = "stand-in"
approval_policy = "never"

[model_providers.stand-in]
name = "stand-in"
base_url = "%s/v1"
wire_api = "responses"
`, m.server.URL))
	if err != nil {
		return o, err
	}
	if _, err := s.run(ctx, "codex", append([]string{"mcp", "add", "run402"}, server...)...); err != nil {
		return o, err
	}
	// Codex reads from our hints that query_table only reads. What writes it asks a person about, who says yes.
	out, err := s.run(ctx, "codex", "exec", "--skip-git-repo-check", "--json",
		"-c", `mcp_servers.run402.tools.insert_rows.approval_mode="approve"`, "Work on the tickets.")
	o.connected = strings.Contains(out, `"server":"run402"`)
	return o, err
}

func clineStdio(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "cline"); err != nil {
		return outcome{}, err
	}
	return s.clineSession(ctx)
}

// clineHTTP fills in the token as a person has to.
func clineHTTP(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.installHTTP(ctx, "cline"); err != nil {
		return outcome{}, err
	}
	settings := s.path(".cline", "data", "settings", "cline_mcp_settings.json")
	if err := s.fillIn(settings, "fill in here"); err != nil {
		return outcome{}, err
	}
	return s.clineSession(ctx)
}

func (s *seat) clineSession(ctx context.Context) (o outcome, err error) {
	m := s.newModel()
	defer func() {
		shown, failed := m.end()
		o.shown, err = shown, errors.Join(err, failed)
	}()
	port, err := freePort(ctx)
	if err != nil {
		return o, err
	}
	s.extra = append(s.extra, "CLINE_HUB_PORT="+port) // else a hub of yours, which has your settings, would do the work
	if _, err := s.run(ctx, "cline", "auth", "-p", "openai-compatible", "-k", "dummy", "-m", "stand-in",
		"-b", m.server.URL+"/v1"); err != nil {
		return o, err
	}
	out, err := s.run(ctx, "cline", "--json", "Work on the tickets.")
	o.connected = strings.Contains(out, "run402__query_table")
	return o, err
}

// freePort is a port on which nobody listens, for a program that cannot be given 0.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
