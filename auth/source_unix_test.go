//go:build unix

package auth

import (
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTokenFileThatIsAPipeIsRefusedWithoutReadingIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}
