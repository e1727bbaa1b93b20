package gateway

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed bootstrap.sql
var bootstrapText string

// authSQL are the functions by which policies know who is calling.
//
//go:embed auth.sql
var authSQL string

// bootstrapSQL is all that is run as the superuser.
func bootstrapSQL() string {
	return strings.Replace(bootstrapText, "-- auth.sql goes here.\n", authSQL, 1)
}

//go:embed migrations/*.sql
var migrations embed.FS

// bootstrapLock is the advisory lock under which programs that start at once take turns.
const bootstrapLock = 402402

// bootstrap brings a cluster to what this program needs: roles, schemas and rules as the superuser, the internal
// tables as the gateway's own login. A stamp on the auth schema says that it is all there, which costs one query.
func bootstrap(ctx context.Context, cluster Cluster) error {
	stamp, err := bootstrapStamp()
	if err != nil {
		return fmt.Errorf("bootstrap project: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, cluster.ConnConfig(superuser, databaseName))
	if err != nil {
		return fmt.Errorf("bootstrap project: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if done, err := stamped(ctx, conn, stamp); err != nil || done {
		return err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", bootstrapLock); err != nil { // ends with the connection
		return fmt.Errorf("bootstrap project: %w", err)
	}
	if done, err := stamped(ctx, conn, stamp); err != nil || done {
		return err
	}
	if err := conn.PgConn().Exec(ctx, "begin;"+bootstrapSQL()+";commit").Close(); err != nil {
		return fmt.Errorf("bootstrap project: %w", err)
	}
	if err := migrate(ctx, cluster); err != nil {
		return fmt.Errorf("bootstrap project: migrate internal schema: %w", err)
	}
	if _, err := conn.Exec(ctx, "comment on schema auth is "+quoteLiteral(stamp)); err != nil {
		return fmt.Errorf("bootstrap project: %w", err)
	}
	return nil
}

func stamped(ctx context.Context, conn *pgx.Conn, stamp string) (bool, error) {
	var same bool
	const query = "select coalesce(obj_description(to_regnamespace('auth'), 'pg_namespace') = $1, false)"
	err := conn.QueryRow(ctx, query, stamp).Scan(&same)
	if err != nil {
		return false, fmt.Errorf("bootstrap project: %w", err)
	}
	return same, nil
}

// bootstrapStamp changes whenever anything that bootstrap runs does.
func bootstrapStamp() (string, error) {
	h := sha256.New()
	h.Write([]byte(bootstrapSQL()))
	err := fs.WalkDir(migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := migrations.ReadFile(path)
		h.Write([]byte(path))
		h.Write(raw)
		return err
	})
	return "functions-mcp " + hex.EncodeToString(h.Sum(nil)[:8]), err
}

// migrate brings the internal schema up to date as its owner, who has no other schema in its search_path.
func migrate(ctx context.Context, cluster Cluster) error {
	return migrateAs(ctx, cluster.ConnConfig(gatewayLogin, databaseName))
}

// migrateAs migrates by a connection of the owner, or of one who becomes it.
func migrateAs(ctx context.Context, cfg *pgx.ConnConfig, options ...stdlib.OptionOpenDB) (err error) {
	cfg.RuntimeParams["search_path"] = "internal"
	db := stdlib.OpenDB(*cfg, options...)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithVerbose(false))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// quoteLiteral is for the one text that goes into SQL without a parameter: a constant of ours.
func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
