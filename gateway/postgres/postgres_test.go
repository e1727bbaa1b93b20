package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestTmp(t *testing.T) {
	dir := pgtest.Dir(t)
	b := time.Now()
	s, err := postgres.Open(t.Context(), pgtest.Config(dir, "ana"))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("fresh", time.Since(b))
	for range 3 {
		b = time.Now()
		conn, err := pgx.ConnectConfig(t.Context(), s.ConnConfig("postgres", "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Log("connect", time.Since(b))
		conn.Close(t.Context())
		b = time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		t.Log("close", time.Since(b))
		b = time.Now()
		if s, err = postgres.Open(t.Context(), pgtest.Config(dir, "ana")); err != nil {
			t.Fatal(err)
		}
		t.Log("open", time.Since(b))
	}
	s.Close(context.Background())
}
