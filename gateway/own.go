package gateway

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/users"
)

// Own is a PostgreSQL that was there before, and how it is served: as PostgREST would. Nothing is created in it.
type Own struct {
	URL        string // of the callers' login, which becomes each request's role; a libpq URL or key=value string
	AdminURL   string // of the admin plane's login; empty when there is no admin plane
	GatewayURL string // of the login that owns the internal tables; empty when there are none

	Schemas    []string // the first is the default
	SearchPath []string // schemas that functions may use besides
	AnonRole   string
	AnonGiven  bool     // whether the operator named it: then it has to be there
	Roles      []string // the only ones besides AnonRole; nil means any that the login may become
	PreRequest string   // a function that is called before each request of a caller; may be empty
	TrustLogin bool     // serve although the login could bypass row level security

	JWTSecret string         // what verifies HS256; may be empty
	Keys      *auth.KeySet   // a keyset besides; may be nil
	KeysURL   string         // where one is published; may be empty
	Audience  string         // what a token's aud claim must name, if it has one; empty means anything
	RoleClaim auth.ClaimPath // where a token has its role
}

// callerLogin and watchLogin name the pools of the callers' login: for requests, and for our own questions, which no
// request's leftovers may answer. The admin plane's are those of auth.RoleService, ownerLogin and readerLogin.
const (
	callerLogin = "caller"
	watchLogin  = "watch"
)

// connections are parsed URLs; admin and gateway may be nil.
type connections struct{ caller, admin, gateway *pgx.ConnConfig }

// parse reads the URLs. Its errors repeat no password.
func (o *Own) parse() (connections, error) {
	var c connections
	for _, u := range []struct {
		name, text string
		to         **pgx.ConnConfig
	}{
		{"RUN402_DATABASE_URL", o.URL, &c.caller},
		{"RUN402_ADMIN_DATABASE_URL", o.AdminURL, &c.admin},
		{"RUN402_GATEWAY_DATABASE_URL", o.GatewayURL, &c.gateway},
	} {
		if u.text == "" {
			continue
		}
		cfg, err := pgx.ParseConfig(u.text)
		if err != nil {
			return connections{}, fmt.Errorf("%s is not understood: want one such as postgres://user@host:5432/database",
				u.name)
		}
		if cfg.RuntimeParams["application_name"] == "" {
			cfg.RuntimeParams["application_name"] = issuer
		}
		*u.to = cfg
	}
	for name, other := range map[string]*pgx.ConnConfig{
		"RUN402_ADMIN_DATABASE_URL": c.admin, "RUN402_GATEWAY_DATABASE_URL": c.gateway,
	} {
		switch {
		case other == nil:
		case other.User == c.caller.User:
			return connections{}, fmt.Errorf("%s and RUN402_DATABASE_URL log in as the same user %q, and what one plane may do "+
				"the other must not: give each a login of its own", name, other.User)
		case other.Database != c.caller.Database:
			return connections{}, fmt.Errorf("%s names another database than RUN402_DATABASE_URL: "+
				"all logins are of one database", name)
		}
	}
	if c.admin != nil && c.gateway != nil && c.admin.User == c.gateway.User {
		return connections{}, errors.New("RUN402_GATEWAY_DATABASE_URL and RUN402_ADMIN_DATABASE_URL log in as the same " +
			"user, and admin SQL must not read the internal tables: give each a login of its own")
	}
	return c, nil
}

// Project derives what a Run402 project has besides its database: an id from where that is, and keys from the secrets
// that are configured, so that every copy of the program has the same. Where none is, the keys last as long as the
// process.
func (o *Own) Project() (Project, error) {
	c, err := o.parse()
	if err != nil {
		return Project{}, err
	}
	where := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%s", c.caller.Host, c.caller.Port, c.caller.Database))
	p := Project{ID: "prj_" + hex.EncodeToString(where[:8]), JWTSecret: o.JWTSecret}
	secret := o.JWTSecret
	if c.admin != nil { // so that who may sign tokens has no admin plane by that
		secret += "\n" + c.admin.Password
	}
	if len(secret) < 16 {
		secret = rand.Text()
	}
	keys := map[string]*string{"anon": &p.AnonKey}
	if c.admin != nil { // where there is no admin plane, nobody has its key
		keys["service"] = &p.ServiceKey
	}
	for role, to := range keys {
		key, err := hkdf.Key(sha256.New, []byte(secret), []byte(p.ID), "functions-mcp "+role+" key", 24)
		if err != nil {
			return Project{}, fmt.Errorf("derive keys: %w", err)
		}
		*to = "r402_" + role + "_" + hex.EncodeToString(key) // contract section 1.2
	}
	return p, nil
}

// clockLeeway is how far PostgREST lets clocks differ.
const clockLeeway = 30 * time.Second

// verifier verifies callers' tokens: by the operator's secret and keyset, and the key of users who sign in here.
func (o *Own) verifier(p Project, log *slog.Logger) auth.Verify {
	set := auth.HS256([]byte(o.JWTSecret))
	if o.Keys != nil {
		set = set.With(o.Keys)
	}
	if key, err := users.DeriveKey(o.JWTSecret, p.ID); err == nil && o.GatewayURL != "" {
		set = set.With(key.KeySet())
	}
	set = set.AnyKid()
	keys := auth.Keys(set)
	if o.KeysURL != "" {
		fetch := auth.FetchKeys(o.KeysURL, "")
		keys = auth.NewRemoteKeys(func(ctx context.Context) (*auth.KeySet, error) {
			fetched, err := fetch(ctx)
			if err != nil {
				return nil, err
			}
			return fetched.With(set), nil
		}, set, log)
	}
	verify := auth.NewVerifier(keys, "", auth.AllowNoExpiry(), auth.WithLeeway(clockLeeway),
		auth.RoleAt(o.RoleClaim, o.AnonRole)).Verify
	return func(token string) (auth.Caller, error) {
		caller, err := verify(token)
		if err == nil {
			err = o.checkClaims(caller.Claims)
		}
		if err != nil {
			return auth.Caller{}, err
		}
		return caller, nil
	}
}

// verifies reports whether there is anything to verify a token with.
func (o *Own) verifies() bool { return o.JWTSecret != "" || o.Keys != nil || o.KeysURL != "" }

func (o *Own) space() space { return space{schemas: o.Schemas, searchPath: o.SearchPath, own: true} }

// open opens a pool for each kind of work, 12 connections in all, and refuses a login that is not safe.
func (o *Own) open(ctx context.Context, log *slog.Logger) (_ *database, err error) {
	c, err := o.parse()
	if err != nil {
		return nil, err
	}
	db := &database{space: o.space(), pools: map[string]*pgxpool.Pool{}, watch: watchLogin}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.close(ctx))
		}
	}()
	for _, p := range []struct {
		login string
		conn  *pgx.ConnConfig
		max   int32
		reset bool
	}{
		{watchLogin, c.caller, 2, false},
		{callerLogin, c.caller, 5, false},
		{auth.RoleService, c.admin, 2, false},
		{ownerLogin, c.admin, 2, true},
		{gatewayLogin, c.gateway, 1, false},
	} {
		if p.conn == nil {
			continue
		}
		if err := db.open(ctx, p.login, p.conn.Copy(), p.max, p.reset); err != nil {
			return nil, err
		}
	}
	if c.admin != nil { // what reads alone does so in a transaction that can do no more
		db.pools[readerLogin] = db.pools[ownerLogin]
	}
	watch := db.pool(watchLogin)
	db.roles = newRoleCache(watch)
	// What pgx itself calls it when statements are not to be prepared, as with a pooler that shares connections out by
	// transaction.
	db.unprepared = c.caller.DefaultQueryExecMode == pgx.QueryExecModeExec ||
		c.caller.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol
	if err := o.checkServed(ctx, db); err != nil {
		return nil, err
	}
	if err := checkInternal(ctx, db.pool(gatewayLogin)); err != nil {
		return nil, err
	}
	if err := checkLogin(ctx, watch, o.Schemas); err != nil {
		unsafe, ok := errors.AsType[*UnsafeLoginError](err)
		if !ok || !o.TrustLogin {
			return nil, err
		}
		log.Warn("the callers' login could bypass row level security, and is trusted all the same", "login", unsafe.Login)
	}
	return db, nil
}

// MisfitError says that the database is not what the settings say. It does not pass by itself.
type MisfitError struct{ message string }

func (e *MisfitError) Error() string { return e.message }

// checkInternal finds that the internal tables are those of this version; without their login there is nothing to find.
func checkInternal(ctx context.Context, pool *pgxpool.Pool) error {
	if pool == nil {
		return nil
	}
	newest, err := newestMigration()
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	var version int64
	err = pool.QueryRow(ctx, "select coalesce(max(version_id), 0) from internal.goose_db_version").Scan(&version)
	pg, refused := errors.AsType[*pgconn.PgError](err)
	switch {
	case refused && (pg.Code == "42P01" || pg.Code == "3F000" || pg.Code == "42501"), err == nil && version < newest:
		return &MisfitError{"the internal tables are missing, of an older version, or not those of the login of " +
			"RUN402_GATEWAY_DATABASE_URL: run functions-mcp gateway init, or unset it"}
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	}
	return nil
}

// checkServed finds that what the operator named is there.
func (o *Own) checkServed(ctx context.Context, db *database) error {
	rows, err := db.pool(watchLogin).Query(ctx,
		"select s from pg_catalog.unnest($1::text[]) s where pg_catalog.to_regnamespace(pg_catalog.quote_ident(s)) is null",
		o.Schemas)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case len(missing) > 0:
		return &MisfitError{fmt.Sprintf("RUN402_DB_SCHEMAS names a schema that is not there: %q", missing)}
	case !o.AnonGiven:
		return nil
	}
	anon, err := db.roles.get(ctx, o.AnonRole)
	switch {
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case !anon.Exists:
		return &MisfitError{fmt.Sprintf("RUN402_DB_ANON_ROLE names a role that is not there: %q", o.AnonRole)}
	case anon.Bypasses:
		return &MisfitError{fmt.Sprintf("RUN402_DB_ANON_ROLE names %q, which bypasses row level security: "+
			"name a role that does not", o.AnonRole)}
	}
	return nil
}
