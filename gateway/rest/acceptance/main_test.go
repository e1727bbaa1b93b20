// Package acceptance holds the REST dialect to what PostgREST promises its clients: over HTTP, through the whole
// gateway, on a real PostgreSQL with a small library of books, as nobody, as a user and as the admin.
package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// library is what the tests share: one gateway over one PostgreSQL. Tests that write put its rows back with restock.
var library place

type place struct {
	gateway *gateway.Gateway
	server  *httptest.Server
	cluster *postgres.Server
	project gateway.Project
	tokens  map[string]string // by user
}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acceptance")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(postgres.MakeDir(dir), library.open(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer library.close()
	return m.Run()
}

func (p *place) open(dir string) (err error) {
	ctx := context.Background()
	if p.project, err = gateway.LoadProject(dir); err != nil {
		return err
	}
	if p.cluster, err = postgres.Open(ctx, pgtest.Config(dir, append(gateway.Logins(), "web")...)); err != nil {
		return err
	}
	p.gateway = gateway.New(gateway.Options{
		Project: p.project,
		Version: "test",
		Open:    func(context.Context) (gateway.Cluster, error) { return borrowed{p.cluster}, nil },
	})
	if err := p.gateway.Ready(ctx); err != nil {
		return err
	}
	p.server = httptest.NewServer(p.gateway)
	p.tokens = map[string]string{}
	for _, user := range []string{"ana", "ben"} {
		p.tokens[user], err = auth.Sign([]byte(p.project.JWTSecret), auth.Claims{
			Subject: user, Role: auth.RoleAuthenticated, Email: user + "@example.com", ProjectID: p.project.ID,
			Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			return err
		}
	}
	for _, file := range []string{"testdata/schema.sql", "testdata/functions.sql", "testdata/rows.sql"} {
		sql, err := os.ReadFile(file)
		if err == nil {
			err = p.run(ctx, "owner", string(sql))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (p *place) close() {
	p.server.Close()
	_ = p.gateway.Close(context.Background())
	_ = p.cluster.Close(context.Background())
}

// borrowed is the cluster without its end, which is not the gateway's here.
type borrowed struct{ *postgres.Server }

func (borrowed) Close(context.Context) error { return nil }

// run runs statements as one of the logins, on a connection of its own: the gateway hears nothing of it.
func (p *place) run(ctx context.Context, login, sql string) error {
	conn, err := pgx.ConnectConfig(ctx, p.cluster.ConnConfig(login, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

func owner(t testing.TB, sql string) {
	t.Helper()
	if err := library.run(t.Context(), "owner", sql); err != nil {
		t.Fatal(err)
	}
}

// restock puts every row back.
func restock(t testing.TB) {
	t.Helper()
	sql, err := os.ReadFile("testdata/rows.sql")
	if err != nil {
		t.Fatal(err)
	}
	owner(t, string(sql))
}

// sign sets who asks: "" is nobody, "admin" is the service on its own plane. It returns the path of the plane.
func (p *place) sign(h http.Header, who string) (mount string) {
	switch who {
	case "admin":
		h.Set("Apikey", p.project.ServiceKey)
		return "/admin/v1/rest/"
	case "":
	default:
		h.Set("Authorization", "Bearer "+p.tokens[who])
	}
	h.Set("Apikey", p.project.AnonKey)
	return "/rest/v1/"
}
