// Package gateway is a Run402 gateway on real parts, for local projects and self-hosting: the HTTP API of the wire
// contract over PostgreSQL. What a request may do is decided by the PostgreSQL login it runs as, never by looking at
// its SQL.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/ai"
	"github.com/run402/functions-mcp/gateway/assets"
	"github.com/run402/functions-mcp/gateway/mail"
	"github.com/run402/functions-mcp/gateway/rest"
	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// Cluster is the PostgreSQL that a gateway works on; gateway/postgres has one.
type Cluster interface {
	ConnConfig(user, database string) *pgx.ConnConfig
	Close(ctx context.Context) error
}

// Options say which project a Gateway serves and on what.
type Options struct {
	Project Project
	Open    func(context.Context) (Cluster, error) // called when the database is first needed, or by Start
	Own     *Own                                   // instead of Open, a database that was there before

	MaxRows    int64 // that one read may answer; 0 means any number
	Aggregates bool  // whether reads may ask for them

	Version string // of this program, for /health
	Log     *slog.Logger

	MailProvider mail.Provider // nil means that the project sends none
	MailDomain   string        // of its mailboxes' addresses
	Assets       AssetOptions
	AI           ai.Options // its Pool and Log are the gateway's
}

// Gateway serves one project. It is an http.Handler: give it to core.Handler, or to a listener behind auth.Guard.
type Gateway struct {
	opts   Options
	mux    *http.ServeMux
	db     *lazyDatabase
	verify auth.Verify
	schema *catalog.Cache // of the project
	rest   *rest.Handler
	audit  *auditTrail
	mail   *mail.Mail
	assets *assets.Assets
	ai     *ai.AI
}

// New returns a gateway that has not touched its database yet.
func New(opts Options) *Gateway {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{opts: opts, mux: http.NewServeMux()}
	g.db = &lazyDatabase{open: g.openDatabase}
	place := projectSpace()
	if opts.Own != nil {
		place, g.verify = opts.Own.space(), opts.Own.verifier(opts.Project, opts.Log)
	} else {
		g.verify = opts.Project.Verify()
	}
	g.schema = catalog.New(func(ctx context.Context, old *catalog.Catalog) (*catalog.Catalog, error) {
		db, err := g.db.get(ctx)
		if err != nil {
			return nil, err
		}
		return catalog.Load(ctx, db.pool(db.watch), place.schemas, place.searchPath, old)
	})
	g.schema.Watch(func(ctx context.Context) (*pgx.Conn, error) {
		db, err := g.db.get(ctx)
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, db.pool(db.watch).Config().ConnConfig)
	})
	g.rest = rest.New(rest.Options{
		Schemas: place.schemas, AnyProfile: !place.own, SearchPath: place.searchPath, Catalog: g.schema,
		MaxRows: opts.MaxRows, Aggregates: opts.Aggregates, ReturnMinimal: place.own, Log: opts.Log,
	})
	g.audit = newAuditTrail(g.db, opts.Log)
	g.mail = mail.New(mail.Options{
		ProjectID: opts.Project.ID, FromDomain: opts.MailDomain, Provider: opts.MailProvider,
		Pool: g.internalPool, Log: opts.Log,
	})
	g.mux.HandleFunc("GET "+wire.Health, g.health)
	g.mux.HandleFunc("POST "+wire.AdminSQL("{project}"), g.serviceOnly(g.adminSQL))
	g.mux.HandleFunc("GET "+wire.AdminSchema("{project}"), g.serviceOnly(g.adminSchema))
	g.mux.HandleFunc(wire.Functions+"/{name}", g.invoke)
	if g.Internal() {
		g.userRoutes()
		g.mail.Routes(g.mux, func(next http.HandlerFunc) http.HandlerFunc { return g.serviceKey(apikeyFirst, g.open(next)) })
		g.assetRoutes()
		g.aiRoutes()
	}
	g.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		message := "there is no route " + r.Method + " " + r.URL.Path + " here"
		if !g.Internal() {
			message += ": users, mail and the like need internal tables, which functions-mcp gateway init makes, and " +
				"RUN402_GATEWAY_DATABASE_URL to reach them"
		}
		auth.WriteError(w, http.StatusNotFound, wire.Error{
			Code: "NOT_FOUND", Category: "not_found", MutationState: "none", Message: message,
		})
	})
	return g
}

// openDatabase opens the database, and has what waits there sent.
func (g *Gateway) openDatabase(ctx context.Context) (*database, error) {
	if g.opts.Own != nil {
		db, err := g.opts.Own.open(ctx, g.opts.Log)
		if err != nil {
			g.opts.Log.Error("the database cannot be served", "err", err)
			return nil, &ownError{err}
		}
		if g.Internal() {
			g.mail.Start(db.pool(gatewayLogin))
		}
		return db, nil
	}
	db, err := openDatabase(ctx, g.opts)
	if err == nil {
		g.mail.Start(db.pool(gatewayLogin))
	}
	return db, err
}

// Start begins to open the database in the background, so that the first request finds it open.
func (g *Gateway) Start() { g.db.start() }

// Verify verifies callers' tokens as the gateway itself does.
func (g *Gateway) Verify() auth.Verify { return g.verify }

// Internal reports whether the internal tables are there: users, audit and what else the whole API keeps.
func (g *Gateway) Internal() bool { return g.opts.Own == nil || g.opts.Own.GatewayURL != "" }

// Ready waits for the database; the error says why there is none and what to do.
func (g *Gateway) Ready(ctx context.Context) error {
	_, err := g.db.get(ctx)
	return err
}

// Close stops sending mail, writes the audit entries that wait, closes every connection and leaves the cluster. It is
// called once.
func (g *Gateway) Close(ctx context.Context) error {
	g.mail.Close(ctx)
	g.audit.close(ctx)
	g.schema.Close()
	if g.assets == nil {
		return g.db.close(ctx)
	}
	return errors.Join(g.assets.Close(), g.db.close(ctx))
}

// ServeHTTP keeps the routes of tables and assets out of the mux, which would redirect paths such as //items and answer
// for methods.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if tail, ok := below(r.URL, wire.CallerRest); ok {
		g.callerRest(w, r, tail)
		return
	}
	if tail, ok := below(r.URL, wire.AdminRest); ok {
		g.adminRest(w, r, tail)
		return
	}
	if tail, ok := below(r.URL, wire.Blob); ok && g.Internal() {
		g.open(g.assets.Blob(tail))(w, r)
		return
	}
	if tail, ok := below(r.URL, wire.AssetBlob); ok && g.Internal() {
		g.serviceKey(apikeyFirst, g.open(g.assets.One(tail)))(w, r)
		return
	}
	g.mux.ServeHTTP(w, r)
}

// below is the path under a mount point, decoded, unless a slash is part of a name: the table "rpc/fn" is no function.
func below(u *url.URL, mount string) (tail string, ok bool) {
	path := u.Path
	if raw := u.EscapedPath(); strings.Contains(strings.ToLower(raw), "%2f") {
		path = raw
	}
	tail, ok = strings.CutPrefix(path, mount)
	if !ok || (tail != "" && tail[0] != '/') {
		return "", false
	}
	return strings.TrimPrefix(tail, "/"), true
}

// health waits a moment for a database that is just starting: who asks is about to use it.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthPatience)
	defer cancel()
	health := wire.HealthStatus{
		Status: "ok", Service: "functions-mcp", Version: g.opts.Version,
		Providers: map[string]string{"mail": g.mail.Standing()},
		Honours:   []string{wire.HonoursMaxAffected, wire.HonoursReadOnlySQL},
	}
	status := http.StatusOK
	if _, err := g.db.get(ctx); err != nil {
		health.Status, status = "failed", http.StatusServiceUnavailable
		if errors.Is(err, context.DeadlineExceeded) {
			health.Status = "starting"
		}
	}
	writeJSON(w, status, health)
}

// ownError is why a database of the operator's own cannot be served, which callers are not told.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// unavailable says that there is no database, and why: the operator of a local project is the one who reads it.
func unavailable(w http.ResponseWriter, err error) {
	if errors.As(err, new(*ownError)) {
		err = errors.New("the database cannot be served now: this server's log says why")
	}
	w.Header().Set("Retry-After", "1")
	auth.WriteError(w, http.StatusServiceUnavailable, wire.Error{
		Code: "DATABASE_UNAVAILABLE", Category: "local", Retryable: true, SafeToRetry: true, MutationState: "none",
		Message: err.Error(), RetryAfter: 1,
	})
}

// Limits of one statement by plane, design.md "PostgreSQL roles".
const (
	anonTimeout   = 5 * time.Second
	callerTimeout = 15 * time.Second
	sqlTimeout    = 30 * time.Second
	lockTimeout   = 3 * time.Second
	idleTimeout   = 10 * time.Second
)

const healthPatience = 5 * time.Second

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		auth.WriteError(w, http.StatusInternalServerError, wire.Error{
			Code: "INTERNAL_ERROR", Message: "the answer could not be written as JSON", MutationState: "unknown",
		})
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody left to tell
}
