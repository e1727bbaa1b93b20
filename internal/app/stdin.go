package app

import "io"

// maxLine is the longest message on stdio, in bytes; mcp-go itself has no limit. Inline assets of 5 MiB fit in twice.
const maxLine = 16 << 20

// limitLines returns r without what exceeds the limit in any line. Such a line is no JSON any more, so that the client
// is answered with a parse error, and the next line is a message again.
func limitLines(r io.Reader, limit int) io.Reader { return &lineLimiter{r: r, limit: limit} }

type lineLimiter struct {
	r     io.Reader
	limit int
	line  int // bytes of the current line so far; more than limit when the rest is dropped
}

// tooLong replaces the rest of a line. It stands in no JSON.
const tooLong = 0

func (l *lineLimiter) Read(p []byte) (int, error) {
	for {
		n, err := l.r.Read(p)
		if n = l.trim(p[:n]); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// trim drops what is too much of p, in place, and returns how much is left.
func (l *lineLimiter) trim(p []byte) (kept int) {
	for _, c := range p {
		switch {
		case c == '\n':
			l.line = 0
		case l.line > l.limit:
			continue
		default:
			if l.line == l.limit {
				c = tooLong
			}
			l.line++
		}
		p[kept] = c
		kept++
	}
	return kept
}
