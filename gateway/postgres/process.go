package postgres

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// process is a postmaster that we started.
type process struct {
	*os.Process
	done    chan struct{} // closed when it ended
	err     error         // how it ended, once done is closed
	logPath string
	logFrom int64 // where in the log it began
}

// spawn starts the postmaster. It outlives us when we are killed, so its log is a file and not a pipe.
func (c *cluster) spawn(bin Binaries) (*process, error) {
	log, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // PostgreSQL has a copy
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	args := []string{"-D", c.data}
	for _, setting := range settings(bin.Major, c.sockets) {
		args = append(args, "-c", setting)
	}
	cmd := command(context.Background(), c.cfg.Getenv, c.account, bin.path("postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{Process: cmd.Process, done: make(chan struct{}), logPath: c.logPath(), logFrom: from}
	go func() { // reaps it, so that no zombie stays
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// errBusy says that processes of the last PostgreSQL, or what looks like them, are still there.
var errBusy = errors.New("an earlier PostgreSQL's processes are still there")

// failure says why the postmaster ended before it was ready.
func (p *process) failure() error {
	text := readFrom(p.logPath, p.logFrom)
	if strings.Contains(text, " F0001 ") { // SQLSTATE lock_file_exists
		return &Error{Op: "start", Kind: ErrStart, Err: errBusy, Log: lastLines(text),
			Msg: "the data directory is in use; end the processes named below, or wait for their end, and try again"}
	}
	return explainLog("start", text, p.err)
}

const (
	logLimit = 1 << 20  // bytes; a longer log is trimmed
	logKept  = 64 << 10 // bytes kept beside it then
)

// readFrom returns what a log holds from an offset on, the last 64 KiB at most, or nothing when it cannot be read.
func readFrom(path string, from int64) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // only read
	if info, err := file.Stat(); err == nil {
		from = max(from, info.Size()-logKept)
	}
	text, err := io.ReadAll(io.NewSectionReader(file, from, logKept))
	if err != nil {
		return ""
	}
	return string(text)
}

// trimLog empties a log that has grown too long, and keeps its end beside it. PostgreSQL appends, so it goes on writing
// at the new end.
func trimLog(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= logLimit {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".1", []byte(readFrom(path, 0)), 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}
