//go:build unix

package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// BenchmarkFirstConnection measures from Open to a connection that answered. (ext4 makes a file slowly for a minute
// after thousands were removed, so "fresh" tells most at its first run, or with TMPDIR on a tmpfs.)
func BenchmarkFirstConnection(b *testing.B) {
	ctx := context.Background()
	first := func(b *testing.B, dir string) *postgres.Server {
		server, err := postgres.Open(ctx, pgtest.Config(dir))
		if err != nil {
			b.Fatal(err)
		}
		conn, err := pgx.ConnectConfig(ctx, server.ConnConfig(postgres.Superuser, "postgres"))
		if err != nil {
			b.Fatal(err)
		}
		if err := conn.Close(ctx); err != nil {
			b.Fatal(err)
		}
		return server
	}
	closeIt := func(b *testing.B, server *postgres.Server) {
		if err := server.Close(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir := pgtest.Dir(b)
			b.StartTimer()
			server := first(b, dir)
			b.StopTimer()
			closeIt(b, server)
			b.StartTimer()
		}
	})
	b.Run("existing", func(b *testing.B) {
		dir := pgtest.Dir(b)
		closeIt(b, first(b, dir))
		for b.Loop() {
			server := first(b, dir)
			b.StopTimer()
			closeIt(b, server)
			b.StartTimer()
		}
	})
	b.Run("running", func(b *testing.B) {
		dir := pgtest.Dir(b)
		pgtest.Open(b, dir)
		for b.Loop() {
			closeIt(b, first(b, dir))
		}
	})
}
