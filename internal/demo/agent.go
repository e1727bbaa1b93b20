package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/config"
)

// program is this program, to be started again in an environment of its own.
type program struct {
	exe     string
	version string
	env     []string // NAME=value
	stderr  io.Writer
}

// newProgram hands down the environment without what the user has set for servers of their own.
func newProgram(o Options, local config.Local) program {
	env := slices.DeleteFunc(slices.Clone(o.Environ), isOurs)
	env = append(env, "RUN402_DATA_DIR="+filepath.Dir(local.Dir), "RUN402_LOCAL_PROJECT="+local.Project,
		"RUN402_LOG=warn", "RUN402_LOG_FORMAT=json")
	if local.PGBin != "" {
		env = append(env, "RUN402_PG_BIN="+local.PGBin)
	}
	return program{exe: o.Exe, version: o.Version, env: env, stderr: o.Stderr}
}

// command prepares the program. It is not killed when ctx ends: its end is in order, so that it leaves the database so.
func (p program) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.exe, args...)
	cmd.Env = slices.Concat(p.env, env)
	cmd.Stderr = &lines{w: p.stderr}
	return cmd
}

// writeToken makes a user's token and puts it where only the user reads it.
func (p program) writeToken(ctx context.Context, email, file string) error {
	token, err := p.command(ctx, nil, "token", "--email", email, "--expires-in", "720h").Output()
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	return os.WriteFile(file, token, 0o600)
}

// agent is one MCP server and the client that speaks to it.
type agent struct {
	client   *client.Client
	protocol string // the revision that was agreed on
}

// start starts a seat's server and says hello.
func (p program) start(ctx context.Context, s seat) (*agent, error) {
	command := func(_ context.Context, _ string, env, _ []string) (*exec.Cmd, error) {
		return p.command(ctx, env), nil
	}
	c, err := client.NewStdioMCPClientWithOptions(p.exe, s.env(), nil, transport.WithCommandFunc(command),
		transport.WithCommandLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	hello := mcp.InitializeRequest{}
	hello.Params.ClientInfo = mcp.Implementation{Name: "functions-mcp-demo", Version: p.version}
	result, err := c.Initialize(ctx, hello)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &agent{client: c, protocol: result.ProtocolVersion}, nil
}

// env is what distinguishes the seat's server from the others.
func (s seat) env() []string {
	var env []string
	if s.tokenFile != "" {
		env = append(env, "RUN402_USER_TOKEN_FILE="+s.tokenFile)
	}
	if s.toolsets != "" {
		env = append(env, "RUN402_TOOLSETS="+s.toolsets)
	}
	return env
}

func (a *agent) close() error { return a.client.Close() }

// listTools is the one method of the session that is not a tool.
const listTools = "tools/list"

// answer is what came back from a call.
type answer struct {
	text    json.RawMessage // an object, as the agent reads it
	refused bool
	took    time.Duration
}

// call calls a tool with arguments that are sent as they are written.
func (a *agent) call(ctx context.Context, tool, args string) (answer, error) {
	if tool == listTools {
		return a.list(ctx)
	}
	req := mcp.CallToolRequest{}
	req.Params.Name, req.Params.Arguments = tool, json.RawMessage(args)
	began := time.Now()
	result, err := a.client.CallTool(ctx, req)
	took := time.Since(began)
	if err != nil {
		return answer{}, err
	}
	if len(result.Content) != 1 {
		return answer{}, fmt.Errorf("the answer has %d contents, not one", len(result.Content))
	}
	text, ok := mcp.AsTextContent(result.Content[0])
	if !ok {
		return answer{}, errors.New("the answer is no text")
	}
	return answer{text: json.RawMessage(text.Text), refused: result.IsError, took: took}, nil
}

func (a *agent) list(ctx context.Context) (answer, error) {
	began := time.Now()
	result, err := a.client.ListTools(ctx, mcp.ListToolsRequest{})
	took := time.Since(began)
	if err != nil {
		return answer{}, err
	}
	size, err := json.Marshal(result.Tools)
	if err != nil {
		return answer{}, err
	}
	names := make([]string, len(result.Tools))
	for i, t := range result.Tools {
		names[i] = t.Name
	}
	text, err := json.Marshal(map[string]any{"tools": len(names), "bytes": len(size), "names": names})
	return answer{text: text, took: took}, err
}
