//go:build !unix

package postgres_test

import (
	"errors"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres"
)

func TestOpenIsRefused(t *testing.T) {
	if _, err := postgres.Open(t.Context(), postgres.Config{Dir: t.TempDir()}); !errors.Is(err, postgres.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}
