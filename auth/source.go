package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Verify turns a token into its caller: the method of a Verifier, or Unverified.
type Verify func(token string) (Caller, error)

// AnonymousCaller is Callers for a server that nobody signs in to.
func AnonymousCaller(context.Context) (Caller, error) { return Caller{Role: RoleAnon}, nil }

// ContextCaller is Callers for HTTP, where a middleware has put each request's caller in the context.
func ContextCaller(ctx context.Context) (Caller, error) {
	c, ok := CallerFrom(ctx)
	if !ok {
		return Caller{}, errors.New("the request has no caller: it did not pass through the auth middleware")
	}
	return c, nil
}

// TokenSource gives the one token of a stdio server, from the environment or from a file.
type TokenSource struct {
	text string // a fixed token
	path string // or the file that holds it
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	warned bool
	seen   os.FileInfo // the file's state when it was last read
	readAt time.Time
}

// StaticToken is a source of one token that never changes.
func StaticToken(token string) *TokenSource {
	return &TokenSource{text: strings.TrimSpace(token), now: time.Now}
}

// TokenFile is a source that reads its token from a file, again whenever the file changes: written in place or replaced
// by rename. A file that others on the machine can read gets a warning on log.
func TokenFile(path string, log *slog.Logger) *TokenSource {
	return &TokenSource{path: path, log: log, now: time.Now}
}

// Callers resolves the source's caller on every call. A file that is missing, unreadable or empty and a token that is
// refused or has expired are errors that say what to do; the caller is never silently anonymous.
func (s *TokenSource) Callers(verify Verify) Callers {
	return func(context.Context) (Caller, error) {
		token, err := s.token()
		if err != nil {
			return Caller{}, err
		}
		c, err := verify(token) // each time: it remembers what it may
		switch {
		case err != nil:
		case c.Role == RoleService:
			err = errServiceRole
		case c.expired(s.now()): // as Unverified does not say
			err = ErrExpired
		}
		if err != nil {
			return Caller{}, s.explain(err)
		}
		return c, nil
	}
}

// The service key never travels on the caller plane.
var errServiceRole = errors.New("the token is a service key, which no caller may be")

func (s *TokenSource) explain(err error) error {
	const fresh = "`functions-mcp token` prints one for a local project"
	if s.path != "" {
		return fmt.Errorf("%s: %w: put a fresh token in that file, no restart needed; %s", inFile, err, fresh)
	}
	return fmt.Errorf("the caller in RUN402_USER_TOKEN: %w: set a fresh token and restart this server; %s", err, fresh)
}

const inFile = "the caller in RUN402_USER_TOKEN_FILE"

// token returns the source's token, from the file when that may have changed.
func (s *TokenSource) token() (string, error) {
	if s.path == "" {
		return s.text, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	info, err := os.Stat(s.path)
	if err != nil {
		return "", fmt.Errorf("%s: %w: write a token there, or unset the variable to be anonymous", inFile, err)
	}
	if s.unchanged(info) {
		return s.text, nil
	}
	s.seen, s.text = nil, ""
	if !info.Mode().IsRegular() { // reading a pipe would hang
		return "", fmt.Errorf("%s: %s is not a regular file", inFile, s.path)
	}
	text, err := readToken(s.path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", inFile, err)
	}
	if info.Mode().Perm()&0o004 != 0 && !s.warned {
		s.warned = true
		s.log.Warn("everyone on this machine can read the token file: chmod 600 it", "path", s.path)
	}
	s.seen, s.readAt, s.text = info, now, text
	return text, nil
}

// racy is how long after a write another one may leave the same modification time.
const racy = 2 * time.Second

// unchanged reports whether the file is surely the one last read. A file that was read just after it was written is
// read again, since a second write in the same tick of the file system's clock does not show.
func (s *TokenSource) unchanged(info os.FileInfo) bool {
	return s.seen != nil && os.SameFile(s.seen, info) && s.seen.Size() == info.Size() &&
		s.seen.ModTime().Equal(info.ModTime()) && s.readAt.Sub(info.ModTime()) > racy
}

func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxTokenBytes+16)) // and a line feed or two
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	switch {
	case token == "":
		return "", fmt.Errorf("%s is empty: write a token there, or unset the variable to be anonymous", path)
	case len(token) > MaxTokenBytes:
		return "", fmt.Errorf("%s is longer than %d bytes and cannot be a token", path, MaxTokenBytes)
	}
	return token, nil
}
