package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/auth"
)

const (
	databaseName  = "postgres" // the cluster is the project's own: no second database to create
	projectSchema = "project"
	superuser     = "postgres"
	ownerLogin    = "owner"
	readerLogin   = "reader"
	gatewayLogin  = "gateway"
)

// poolSizes shares out a program's connections among the logins, 12 in all with the one that hears of changes of the
// schema; design.md, "PostgreSQL roles".
var poolSizes = [...]struct {
	login string
	max   int32
	// reset: what a request leaves behind in the session must not meet the next one.
	reset bool
}{
	{login: auth.RoleAnon, max: 2},
	{login: auth.RoleAuthenticated, max: 3},
	{login: auth.RoleProjectAdmin, max: 1},
	{login: auth.RoleService, max: 2},
	{login: ownerLogin, max: 1, reset: true},
	{login: readerLogin, max: 1, reset: true},
	{login: gatewayLogin, max: 1},
}

// Logins are the database roles that a gateway logs in as, besides the superuser: what a Cluster must let in.
func Logins() []string {
	var logins []string
	for _, p := range poolSizes {
		logins = append(logins, p.login)
	}
	return logins
}

// database is an open database with a pool for each login: a bootstrapped cluster, or one that was there before.
type database struct {
	cluster    Cluster // nil for one that was there before
	space      space
	pools      map[string]*pgxpool.Pool
	watch      string     // the login that looks at the schema
	unprepared bool       // a pooler stands between that keeps no prepared statements
	roles      *roleCache // of one that was there before
}

func openDatabase(ctx context.Context, opts Options) (*database, error) {
	cluster, err := opts.Open(ctx)
	if err != nil {
		return nil, err
	}
	db := &database{
		cluster: cluster, space: projectSpace(), pools: make(map[string]*pgxpool.Pool, len(poolSizes)), watch: gatewayLogin,
	}
	if err := bootstrap(ctx, cluster); err != nil {
		return nil, errors.Join(err, db.close(ctx))
	}
	for _, p := range poolSizes {
		if err := db.open(ctx, p.login, cluster.ConnConfig(p.login, databaseName), p.max, p.reset); err != nil {
			return nil, errors.Join(err, db.close(ctx))
		}
	}
	return db, nil
}

// open adds a pool. What a request leaves behind in a session must not meet the next one where reset says so.
func (db *database) open(ctx context.Context, login string, conn *pgx.ConnConfig, most int32, reset bool) error {
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		return fmt.Errorf("open pool of %s: %w", login, err)
	}
	cfg.ConnConfig = conn
	cfg.ConnConfig.OnNotice = noteNotice
	cfg.ConnConfig.BuildContextWatcherHandler = cancelStatement
	cfg.MaxConns = most
	cfg.MaxConnIdleTime = 10 * time.Minute
	if reset {
		cfg.AfterRelease = discardAll
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // prepared statements are discarded too
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open pool of %s: %w", login, err)
	}
	db.pools[login] = pool
	return nil
}

func (db *database) pool(login string) *pgxpool.Pool { return db.pools[login] }

func (db *database) close(ctx context.Context) error {
	for _, pool := range db.pools {
		pool.Close()
	}
	if db.cluster == nil {
		return nil
	}
	return db.cluster.Close(ctx)
}

// cancelStatement ends a request's statement in PostgreSQL when the request is cancelled, and keeps the connection; pgx
// would otherwise drop it. A server that does not answer within two seconds loses it all the same.
func cancelStatement(conn *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 2 * time.Second}
}

// discardAll makes a session as new; one that cannot be is closed.
func discardAll(conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if conn.PgConn().TxStatus() != 'I' {
		return false
	}
	return conn.PgConn().Exec(ctx, "discard all").Close() == nil
}

// lazyDatabase opens the database once, in the background, for whoever waits. A failed opening is tried again by the
// first request that comes a second later: the operator may have mended what was wrong.
type lazyDatabase struct {
	open func(context.Context) (*database, error)

	mu      sync.Mutex
	current *opening
	closed  bool
}

type opening struct {
	done   chan struct{}
	cancel context.CancelFunc
	db     *database
	err    error
	ended  time.Time
}

const (
	openTimeout = time.Minute
	openPause   = time.Second
)

var errClosed = errors.New("the gateway is closed")

func (l *lazyDatabase) start() *opening {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		done := make(chan struct{})
		close(done)
		return &opening{done: done, err: errClosed}
	}
	if o := l.current; o != nil {
		select {
		case <-o.done:
			if o.err == nil || time.Since(o.ended) < openPause {
				return o
			}
		default:
			return o
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	o := &opening{done: make(chan struct{}), cancel: cancel}
	l.current = o
	go func() {
		defer cancel()
		o.db, o.err = l.open(ctx)
		o.ended = time.Now()
		close(o.done)
	}()
	return o
}

func (l *lazyDatabase) get(ctx context.Context) (*database, error) {
	o := l.start()
	select {
	case <-o.done: // wins over a ctx that has ended, too
		return o.db, o.err
	default:
	}
	select {
	case <-o.done:
		return o.db, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the database is still starting: %w", context.Cause(ctx))
	}
}

// close stops an opening that is under way, and leaves the cluster when there is one.
func (l *lazyDatabase) close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	o := l.current
	l.mu.Unlock()
	if o == nil {
		return nil
	}
	o.cancel()
	<-o.done
	if o.db == nil { // it never opened
		return nil
	}
	return o.db.close(ctx)
}
