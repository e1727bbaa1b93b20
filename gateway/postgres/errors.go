package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// What can be wrong, for errors.Is.
var (
	ErrUnsupported = errors.New("private postgresql is not supported here")
	ErrNotFound    = errors.New("postgresql not found")
	ErrVersion     = errors.New("wrong postgresql version")
	ErrDirectory   = errors.New("unusable directory")
	ErrDiskFull    = errors.New("disk full")
	ErrStart       = errors.New("postgresql does not start")
	ErrClosed      = errors.New("postgresql share is closed")
)

// Error says why PostgreSQL cannot serve, and what to do next. It holds paths, versions and the server's own start-up
// messages, never a statement or a value.
type Error struct {
	Op   string // what was tried: "open", "initdb", "start"
	Kind error  // one of this package's Err values; nil when none fits
	Msg  string // what is wrong and what to do next; may be empty when Err says it all
	Log  string // the last lines that PostgreSQL's program wrote; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	parts := []string{"postgres: " + e.Op}
	if e.Msg != "" {
		parts = append(parts, e.Msg)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	text := strings.Join(parts, ": ")
	if e.Log != "" {
		text += "\n" + e.Log
	}
	return text
}

// Unwrap makes errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	var causes []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			causes = append(causes, err)
		}
	}
	return causes
}

// explain wraps an error of the operating system or of a context with the operation and what to do about it. An *Error
// stays as it is.
func explain(op string, err error) error {
	var ours *Error
	switch {
	case err == nil, errors.As(err, &ours), errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Op: op, Msg: "given up", Err: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{Op: op, Kind: ErrDiskFull, Msg: adviceDiskFull, Err: err}
	case errors.Is(err, syscall.ENOTDIR):
		return &Error{Op: op, Kind: ErrDirectory, Err: err,
			Msg: "a file is where a directory should be; move it away or choose another directory with --data-dir"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &Error{Op: op, Kind: ErrDirectory, Err: err,
			Msg: "not allowed; run as the user who owns the directory, or choose another one with --data-dir"}
	}
	return &Error{Op: op, Err: err}
}

const adviceDiskFull = "no space is left on the disk of the data directory; free some, or choose another directory " +
	"with --data-dir, and try again (nothing that was committed is lost)"

// explainLog says why one of PostgreSQL's programs failed, from what it wrote: its message carries the SQLSTATE or the
// operating system's words, which are English because it runs in the C locale.
func explainLog(op, text string, err error) error {
	text = lastLines(text)
	if strings.Contains(text, " 53100 ") || strings.Contains(text, "No space left on device") ||
		strings.Contains(text, "Disk quota exceeded") {
		return &Error{Op: op, Kind: ErrDiskFull, Msg: adviceDiskFull, Log: text}
	}
	if strings.Contains(text, "Permission denied") || strings.Contains(text, "Read-only file system") {
		return &Error{Op: op, Kind: ErrDirectory, Log: text,
			Msg: "PostgreSQL's files cannot be used; its data directory must belong to the user it runs as"}
	}
	return &Error{Op: op, Kind: ErrStart, Msg: "it says", Log: text, Err: err}
}

// lastLines returns the last lines of a text, at most ten of them.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// errorf is the short form for an *Error whose text says it all.
func errorf(op string, kind error, format string, args ...any) error {
	return &Error{Op: op, Kind: kind, Msg: fmt.Sprintf(format, args...)}
}
