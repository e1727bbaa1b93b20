package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
)

// trials are the clients and ways to configure them that are tried, cheap ones first.
func trials() []trial {
	return []trial{
		{client: "inspector", how: "claude-desktop", try: inspectorStdio},
		{client: "inspector", how: "claude-code --url", try: inspectorHTTP},
		{client: "mcporter", how: "cursor --scope project", try: mcporterCursor},
		{client: "mcporter", how: "vscode --scope project", try: mcporterVSCode},
		{client: "mcporter", how: "cursor --scope project --url", try: mcporterHTTP},
		{client: "claude mcp list", how: "claude-code", try: claudeList, listOnly: true},
		{client: "claude", how: "claude-code", try: claudeStdio},
		{client: "claude", how: "claude-code, keys in its environment", try: claudeKeys},
		{client: "claude", how: "claude-code --scope project --url", try: claudeHTTP},
		{client: "codex", how: "claude-code --print", try: codexStdio},
		{client: "codex", how: "claude-code --print --url", try: codexHTTP},
		{client: "cline", how: "cline", try: clineStdio},
		{client: "cline", how: "cline --url", try: clineHTTP},
		{client: "gemini mcp list", how: "claude-desktop --print", try: geminiList, listOnly: true},
	}
}

// inspectorStdio and the others below show their results to a person, as JSON.
func inspectorStdio(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "claude-desktop"); err != nil {
		return outcome{}, err
	}
	return inspect(ctx, s, s.path(".config", "Claude", "claude_desktop_config.json"))
}

func inspectorHTTP(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.installHTTP(ctx, "claude-code"); err != nil {
		return outcome{}, err
	}
	file := s.path(".claude.json")
	if err := s.fillIn(file, "${RUN402_USER_TOKEN:-}"); err != nil {
		return outcome{}, err
	}
	return inspect(ctx, s, file)
}

func inspect(ctx context.Context, s *seat, file string) (outcome, error) {
	var o outcome
	base := []string{"--cli", "--config", file, "--server", "run402", "--stored-auth-only", "--format", "json", "-q"}
	out, err := s.run(ctx, "mcp-inspector", append(base, "--method", "tools/list", "--strict")...)
	if err != nil {
		return o, err
	}
	o.connected = strings.Contains(out, `"insert_rows"`)
	for _, call := range [][2]string{{"query_table", s.queryArgs()}, {"insert_rows", s.insertArgs()}} {
		out, err := s.run(ctx, "mcp-inspector", append(base, "--method", "tools/call", "--tool-name", call[0],
			"--tool-args-json", call[1])...)
		if err != nil {
			return o, err
		}
		o.shown = append(o.shown, out)
	}
	return o, nil
}

func mcporterCursor(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "cursor", "--scope", "project"); err != nil {
		return outcome{}, err
	}
	return mcporter(ctx, s)
}

func mcporterVSCode(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "vscode", "--scope", "project"); err != nil {
		return outcome{}, err
	}
	return mcporter(ctx, s)
}

func mcporterHTTP(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.installHTTP(ctx, "cursor", "--scope", "project"); err != nil {
		return outcome{}, err
	}
	if err := s.fillIn(filepath.Join(s.work, ".cursor", "mcp.json"), "${env:RUN402_USER_TOKEN}"); err != nil {
		return outcome{}, err
	}
	return mcporter(ctx, s)
}

func mcporter(ctx context.Context, s *seat) (outcome, error) {
	var o outcome
	out, err := s.run(ctx, "mcporter", "list", "run402", "--json")
	if err != nil {
		return o, err
	}
	o.connected = strings.Contains(out, `"status": "ok"`)
	for _, call := range [][2]string{{"query_table", s.queryArgs()}, {"insert_rows", s.insertArgs()}} {
		out, err := s.run(ctx, "mcporter", "call", "run402."+call[0], "--args", call[1], "--output", "json")
		if err != nil {
			return o, err
		}
		o.shown = append(o.shown, out)
	}
	return o, nil
}

func claudeList(ctx context.Context, s *seat) (outcome, error) {
	if _, err := s.install(ctx, "claude-code"); err != nil {
		return outcome{}, err
	}
	out, err := s.run(ctx, s.claude(), "mcp", "list")
	return outcome{connected: strings.Contains(out, "✔ Connected")}, err
}

// geminiList reads the file of Claude Desktop, whose form it shares.
func geminiList(ctx context.Context, s *seat) (outcome, error) {
	settings, err := s.install(ctx, "claude-desktop", "--print")
	if err := errors.Join(err, s.write(s.path(".gemini", "settings.json"), settings)); err != nil {
		return outcome{}, err
	}
	_, err = s.run(ctx, "gemini", "mcp", "list") // which writes to standard error
	return outcome{connected: strings.Contains(s.transcript.String(), "(stdio) - Connected")}, err
}

// claude is Claude Code, whose package names no command.
func (s *seat) claude() string {
	return filepath.Join(s.modules, "@anthropic-ai", "claude-code-linux-x64", "claude")
}
