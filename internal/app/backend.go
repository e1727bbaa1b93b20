package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/tools"
)

// backend is what answers below core, and what the tools need to know about it.
type backend struct {
	client    *core.Client
	verify    auth.Verify
	name      string // for people and agents
	projectID string
	caller    bool // there is an anon key
	admin     bool // there is a service key
	gateway   *gateway.Gateway
	own       bool // the gateway's database was there before

	aiProviders map[string]string // of what helper; nil where that is not known

	anonKey, serviceKey string // to tell them from callers' tokens

	keeper *auth.Gatekeeper // see guard
}

// newBackend wires the backend that the operator chose. It touches neither network nor database; close it in any case.
func newBackend(b config.Backend, log *slog.Logger) (*backend, error) {
	switch b := b.(type) {
	case config.Remote:
		client, err := core.New(core.Config{
			Base: b.API, ProjectID: b.ProjectID, AnonKey: b.AnonKey.Reveal(), ServiceKey: b.ServiceKey.Reveal(),
		})
		if err != nil {
			return nil, err
		}
		return &backend{
			client: client, verify: b.Verify(whose(client), log), name: b.API, projectID: b.ProjectID,
			caller: b.AnonKey != "", admin: b.ServiceKey != "",
			anonKey: b.AnonKey.Reveal(), serviceKey: b.ServiceKey.Reveal(),
		}, nil
	case config.Local, config.Database:
		g, project, err := newGateway(b, gatewayURL, log)
		if err != nil {
			return nil, err
		}
		back, err := inProcess(g, project, nameOf(b), hasAdmin(b))
		if err != nil {
			return nil, err
		}
		_, back.own = b.(config.Database)
		back.aiProviders = g.AIProviders()
		return back, nil
	}
	return nil, fmt.Errorf("there is no backend of type %T", b)
}

// inProcess is a backend that is a gateway of this program.
func inProcess(g *gateway.Gateway, project gateway.Project, name string, admin bool) (*backend, error) {
	keys := core.Config{
		Base: "http://localhost", ProjectID: project.ID, AnonKey: project.AnonKey, Transport: core.Handler(g),
	}
	if admin {
		keys.ServiceKey = project.ServiceKey
	}
	client, err := core.New(keys)
	if err != nil {
		return nil, err
	}
	return &backend{
		client: client, verify: g.Verify(), name: name, projectID: project.ID, caller: true, admin: admin, gateway: g,
		anonKey: project.AnonKey, serviceKey: project.ServiceKey,
	}, nil
}

// nameOf names a backend that is a gateway of this program. It shows no more of a URL than people need.
func nameOf(b config.Backend) string {
	if local, ok := b.(config.Local); ok {
		return "local project " + local.Project
	}
	return "your own PostgreSQL"
}

// hasAdmin reports whether a backend that is a gateway of this program has an admin plane.
func hasAdmin(b config.Backend) bool {
	d, ok := b.(config.Database)
	return !ok || d.AdminURL != ""
}

// start begins to open the database, if it is ours, while the client still says hello.
func (b *backend) start() {
	if b.gateway != nil {
		b.gateway.Start()
	}
}

// refuseUnfit ends the program by stop when its database is one that must not be served as the settings say.
func (b *backend) refuseUnfit(ctx context.Context, stop func(cause error)) {
	if b.gateway == nil {
		return
	}
	go func() {
		err := b.gateway.Ready(ctx)
		if errors.As(err, new(*gateway.UnsafeLoginError)) || errors.As(err, new(*gateway.MisfitError)) {
			stop(&usageError{err})
		}
	}()
}

// guard puts somebody at the gates; see newGatekeeper.
func (b *backend) guard(ctx context.Context, gates *auth.Gates, stop func(cause error), log *slog.Logger) {
	b.keeper = newGatekeeper(ctx, b.client, gates, stop, log)
}

// ready reports whether a caller can be served: the backend answers, and its database.
func (b *backend) ready(ctx context.Context) error {
	_, err := b.client.DB("").Tables(ctx)
	if e, ok := errors.AsType[*core.Error](err); ok && e.Code == noAnonymous { // it answers, to who signs in
		return nil
	}
	return err
}

// noAnonymous is the code of a database that serves nobody who did not sign in.
const noAnonymous = "PGRST302"

func (b *backend) close() error {
	if b.gateway == nil {
		return nil
	}
	return closeGateway(b.gateway)
}

func closeGateway(g *gateway.Gateway) error {
	// Clients kill a server that does not end about a second after it was asked to.
	ctx, cancel := context.WithTimeout(context.Background(), 900*time.Millisecond)
	defer cancel()
	return g.Close(ctx)
}

// gatewayURL is where `functions-mcp gateway` listens unless it is told otherwise: what has a URL is found there,
// whoever made it.
const gatewayURL = "http://127.0.0.1:4020"

// newGateway makes the gateway of a database of the operator's own, or of a local project, which the first call makes.
// Browsers reach it by the public URL; empty means as each request did.
func newGateway(b config.Backend, publicURL string, log *slog.Logger) (*gateway.Gateway, gateway.Project, error) {
	project, err := project(b)
	if err != nil {
		return nil, gateway.Project{}, err
	}
	opts := gateway.Options{Project: project, Version: version, Log: log}
	switch b := b.(type) {
	case config.Local:
		cfg := postgresConfig(b, log)
		opts.Open = func(ctx context.Context) (gateway.Cluster, error) { return postgres.Open(ctx, cfg) }
		opts.MaxRows, opts.Aggregates = b.MaxRows, b.Aggregates
		opts.Assets = gateway.AssetOptions{
			Dir: filepath.Join(b.Dir, "assets"), URL: b.Assets.URL, Quota: b.Assets.Quota, PublicURL: publicURL,
		}
	case config.Database:
		opts.Own = ownDatabase(b)
		opts.MaxRows, opts.Aggregates = b.MaxRows, b.Aggregates
		opts.Assets = gateway.AssetOptions{
			Dir: filepath.Join(b.DataDir, ".assets", project.ID), URL: b.Assets.URL, Quota: b.Assets.Quota, PublicURL: publicURL,
		}
	}
	opts.MailProvider, opts.MailDomain = mailProvider(b, project.ID)
	opts.AI = aiOptions(b)
	return gateway.New(opts), project, nil
}

// project is the project of a backend that is a gateway of this program.
func project(b config.Backend) (gateway.Project, error) {
	switch b := b.(type) {
	case config.Local:
		return localProject(b)
	case config.Database:
		project, err := ownDatabase(b).Project()
		if err != nil {
			return gateway.Project{}, &usageError{err}
		}
		return project, nil
	}
	return gateway.Project{}, fmt.Errorf("a backend of type %T has no project here", b)
}

func ownDatabase(d config.Database) *gateway.Own {
	return &gateway.Own{
		URL: d.URL.Reveal(), AdminURL: d.AdminURL.Reveal(), GatewayURL: d.GatewayURL.Reveal(),
		Schemas: d.Schemas, SearchPath: d.SearchPath, AnonRole: d.AnonRole, AnonGiven: d.AnonGiven, Roles: d.Roles,
		PreRequest: d.PreRequest, TrustLogin: d.TrustLogin, RoleClaim: d.RoleClaim, Audience: d.Audience,
		JWTSecret: d.JWTSecret.Reveal(), Keys: d.Keys, KeysURL: d.KeysURL,
	}
}

func localProject(local config.Local) (gateway.Project, error) {
	if err := postgres.MakeDir(local.Dir); err != nil {
		return gateway.Project{}, err
	}
	return gateway.LoadProject(local.Dir)
}

func postgresConfig(local config.Local, log *slog.Logger) postgres.Config {
	return postgres.Config{
		Dir: local.Dir, BinDir: local.PGBin, ExtraBinDirs: []string{postgres.EmbeddedBinDir(installDir(local))},
		Logins: gateway.Logins(), Log: log,
	}
}

// installDir is where `doctor --fix` puts a PostgreSQL of its own; no local project can have that name.
func installDir(local config.Local) string {
	return filepath.Join(filepath.Dir(local.Dir), ".postgresql")
}

// audit tells the log of every call, and the internal schema when the database is ours.
type audit struct {
	log     *slog.Logger
	gateway *gateway.Gateway
}

// Record implements tools.Audit. What was done with the service key is logged whatever the level.
func (a audit) Record(ctx context.Context, e tools.Event) {
	fields := []any{
		slog.String("principal", e.Principal), slog.String("tool", e.Tool), slog.String("plane", e.Plane),
		slog.String("target", e.Target), slog.String("outcome", e.Outcome),
		slog.Int("rows", e.Rows), slog.Duration("duration", e.Duration),
	}
	if e.Confirmed != "" {
		fields = append(fields, slog.String("confirmed", e.Confirmed))
	}
	if handler := a.log.Handler(); handler.Enabled(ctx, slog.LevelInfo) || e.Plane == "admin" || e.Plane == "service" {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "call", 0)
		r.AddAttrs(slog.Group("audit", fields...))
		_ = handler.Handle(ctx, r) // a log that cannot be written has no log to say so
	}
	if a.gateway != nil {
		a.gateway.Audit(gateway.AuditEntry{
			At: time.Now(), Principal: e.Principal, Tool: e.Tool, Plane: e.Plane, Target: e.Target, Outcome: e.Outcome,
			Confirmed: e.Confirmed, Rows: e.Rows, Duration: e.Duration,
		})
	}
}

var errNotHere = errors.New("this command works on a local project or a database of your own, but project keys are " +
	"set: unset RUN402_*_KEY")

// onlyHere refuses a command for what this program serves itself when the environment chooses another backend.
func onlyHere(flags config.ProjectFlags, p Process) (config.Backend, error) {
	settings, err := config.Config{ProjectFlags: flags}.Settings(p.Lookup)
	if err != nil {
		return nil, &usageError{err}
	}
	if _, remote := settings.Backend.(config.Remote); remote {
		return nil, &usageError{errNotHere}
	}
	return settings.Backend, nil
}
