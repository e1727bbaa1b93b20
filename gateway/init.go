package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/run402/functions-mcp/auth"
)

// The logins that Init makes, one for each plane and one for the internal tables.
const (
	initCaller  = "functions_mcp_caller"
	initAdmin   = "functions_mcp_admin"
	initGateway = "functions_mcp_gateway"
)

// Init sets an existing PostgreSQL up for the whole API: roles, logins, the functions by which policies know who is
// calling, and the internal tables. It opens nothing that is there to callers.
type Init struct {
	SQL  string // all that Run will run; empty when all is there
	Made Own    // its three URLs, with the passwords of the logins that are made; empty for those that are there

	url     string
	roles   string // what runs before the migrations, and after
	revoke  string
	migrate bool
}

// state is what of it is there.
type initState struct {
	roles    []string
	database string
	super    bool
	member   bool // may become initGateway already
	helpers  bool
	version  int64 // of the internal tables
	granted  bool
	newest   int64
}

// PlanInit looks at a database, as a user who may create roles and schemas in it, and changes nothing.
func PlanInit(ctx context.Context, databaseURL string, schemas []string) (*Init, error) {
	cfg, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("the database URL is not understood: want one such as postgres://user@host:5432/database")
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("plan init: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	state, err := readInitState(ctx, conn, schemas)
	if err != nil {
		return nil, fmt.Errorf("plan init: %w", err)
	}
	if state.newest, err = newestMigration(); err != nil {
		return nil, fmt.Errorf("plan init: %w", err)
	}
	p := &Init{url: databaseURL}
	made, err := p.logins(state)
	if err != nil {
		return nil, fmt.Errorf("plan init: %w", err)
	}
	if made == "" && state.granted && state.helpers && state.version >= state.newest {
		return p, nil
	}
	p.write(state, made, schemas)
	return p, nil
}

const initStateSQL = `select array(select rolname::text from pg_catalog.pg_roles where rolname = any($1)),
	current_database()::text,
	(select rolsuper from pg_catalog.pg_roles where rolname = current_user),
	coalesce((select pg_catalog.pg_has_role(current_user, oid, 'usage') from pg_catalog.pg_roles
		where rolname = $2), false),
	to_regprocedure('auth.uid()') is not null,
	(select count(*) = cardinality($3::text[]) from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.rolname = $4
		where n.nspname = any($3) and pg_catalog.has_schema_privilege(r.oid, n.oid, 'create'))`

func readInitState(ctx context.Context, conn *pgx.Conn, schemas []string) (initState, error) {
	var s initState
	err := conn.QueryRow(ctx, initStateSQL, initRoles(), initGateway, schemas, initAdmin).
		Scan(&s.roles, &s.database, &s.super, &s.member, &s.helpers, &s.granted)
	if err != nil {
		return s, err
	}
	var there bool
	err = conn.QueryRow(ctx, "select to_regclass('internal.goose_db_version') is not null").Scan(&there)
	if err != nil || !there {
		return s, err
	}
	if s.super || s.member {
		err = conn.QueryRow(ctx, "select coalesce(max(version_id), 0) from internal.goose_db_version").Scan(&s.version)
	}
	return s, err
}

func initRoles() []string {
	return []string{auth.RoleAnon, auth.RoleAuthenticated, auth.RoleProjectAdmin, initCaller, initAdmin, initGateway}
}

// logins writes the statements that make what roles are missing.
func (p *Init) logins(s initState) (string, error) {
	var b strings.Builder
	for _, role := range initRoles() {
		if slices.Contains(s.roles, role) {
			continue
		}
		var attributes string
		var to *string
		switch role {
		case initCaller:
			attributes, to = "login noinherit", &p.Made.URL
		case initAdmin:
			attributes, to = "login bypassrls", &p.Made.AdminURL
		case initGateway:
			attributes, to = "login", &p.Made.GatewayURL
		default:
			fmt.Fprintf(&b, "create role %s nologin;\n", role)
			continue
		}
		password := rand.Text()
		verifier, err := scram(password)
		if err != nil {
			return "", err
		}
		*to = withUser(p.url, role, password)
		fmt.Fprintf(&b, "create role %s %s password %s;\n", role, attributes, quoteLiteral(verifier))
	}
	return b.String(), nil
}

// write puts the SQL together. Every statement can be repeated but those of roles, which are there only when missing.
func (p *Init) write(s initState, made string, schemas []string) {
	var b strings.Builder
	b.WriteString("-- Roles. The callers' login becomes the role of each request, and none that bypasses policies.\n")
	b.WriteString(made)
	fmt.Fprintf(&b, "grant anon, authenticated, project_admin to %s;\n", initCaller)
	b.WriteString("grant authenticated to project_admin;\n")
	if !s.super && !s.member {
		fmt.Fprintf(&b, "grant %s to current_user;\n", initGateway)
		p.revoke = fmt.Sprintf("revoke %s from current_user;\n", initGateway)
	}
	fmt.Fprintf(&b, "alter role %s in database %s set search_path = '';\n",
		initGateway, pgx.Identifier{s.database}.Sanitize())
	b.WriteString("\n-- What is served. Tables are opened to callers by GRANT and policies of yours alone.\n")
	for _, schema := range schemas {
		name := pgx.Identifier{schema}.Sanitize()
		fmt.Fprintf(&b, "grant usage on schema %s to anon, authenticated, project_admin;\n", name)
		fmt.Fprintf(&b, "grant usage, create on schema %s to %s;\n", name, initAdmin)
		for _, what := range []string{"select, insert, update, delete on tables", "usage, select on sequences"} {
			privileges, kind, _ := strings.Cut(what, " on ")
			fmt.Fprintf(&b, "grant %s on all %s in schema %s to %s;\n", privileges, kind, name, initAdmin)
			fmt.Fprintf(&b, "alter default privileges in schema %s grant %s on %s to %s;\n", name, privileges, kind, initAdmin)
		}
	}
	if !s.helpers {
		b.WriteString("\n" + authSQL)
		b.WriteString("grant usage on schema auth to anon, authenticated, project_admin, " + initAdmin + ";\n")
	}
	fmt.Fprintf(&b, "\n-- The internal tables.\ncreate schema if not exists internal authorization %s;\n", initGateway)
	p.roles = b.String()
	p.migrate = s.version < s.newest
	p.SQL = "begin;\n" + p.roles + "commit;\n"
	if p.migrate {
		p.SQL += fmt.Sprintf("\nset role %s; set search_path = internal;\n", initGateway) + migrationsAfter(s.version) +
			"reset role; reset search_path;\n"
	}
	p.SQL += p.revoke
}

// Run does what SQL says. The roles and schemas are made by one transaction; each migration is another.
func (p *Init) Run(ctx context.Context) error {
	if p.SQL == "" {
		return nil
	}
	cfg, err := pgx.ParseConfig(p.url)
	if err != nil {
		return errors.New("init: the database URL is not understood")
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.PgConn().Exec(ctx, "begin;"+p.roles+"commit").Close(); err != nil {
		return fmt.Errorf("init: nothing was changed: %w", err)
	}
	if p.migrate {
		become := stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "set role "+initGateway)
			return err
		})
		if err := migrateAs(ctx, cfg, become); err != nil {
			return fmt.Errorf("init: roles are there, the internal tables are not all: run it again: %w", err)
		}
	}
	if p.revoke != "" {
		if _, err := conn.Exec(ctx, p.revoke); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	return nil
}

// newestMigration is the version that the internal tables have when all is there.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("the program has no migrations"), err)
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(slices.Max(names), "migrations/"), "_")
	return strconv.ParseInt(number, 10, 64)
}

// migrationsAfter is what goose runs, as it stands in the files, but for its table of versions.
func migrationsAfter(version int64) string {
	var b strings.Builder
	names, _ := fs.Glob(migrations, "migrations/*.sql") // newestMigration has read them
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err != nil || n <= version {
			continue
		}
		text, _ := fs.ReadFile(migrations, name)
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		b.WriteString(strings.Replace(up, "-- +goose Up", "-- "+name, 1))
	}
	return b.String()
}

// scram is what PostgreSQL keeps of a password (RFC 5803), so that no log of its ever holds the password itself.
func scram(password string) (string, error) {
	const rounds = 4096
	salt := []byte(rand.Text())[:16]
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	keyed := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		rounds, encode(salt), encode(stored[:]), encode(keyed("Server Key"))), nil
}

// withUser is a database URL with another user; all else stays.
func withUser(databaseURL, user, password string) string {
	if u, err := url.Parse(databaseURL); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.User = url.UserPassword(user, password)
		return u.String()
	}
	return databaseURL + " user=" + user + " password=" + password
}
