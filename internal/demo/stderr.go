package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// lines passes on what a server says on standard error, line by line, but for its records of admin calls: it logs those
// at any level, and the screen shows each call.
type lines struct {
	w    io.Writer
	rest []byte // of a line that has not ended yet
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	var errs []error
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), errors.Join(errs...)
		}
		if !isAudit(line) {
			_, err := l.w.Write(append(bytes.Clone(line), '\n'))
			errs = append(errs, err)
		}
		l.rest = rest
	}
}

func isAudit(line []byte) bool {
	var record struct{ Audit json.RawMessage }
	return json.Unmarshal(line, &record) == nil && record.Audit != nil
}
