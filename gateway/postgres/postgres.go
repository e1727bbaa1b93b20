// Package postgres finds, starts, shares and stops the private PostgreSQL of a local project.
//
// Open gives a program its share in the one PostgreSQL of a data directory: it joins the one that runs or starts it,
// and makes the database first when there is none. Close gives the share back, and the last one out stops PostgreSQL.
// A program that is killed leaves PostgreSQL usable for the next Open; a PostgreSQL that is killed is started again by
// the next connection.
//
// Two lock files keep programs from each other's way, so that nothing is ever guessed from a process id: start.lock is
// held exclusively around every start and stop, use.lock is held shared for as long as a Server is open. A shared lock
// is never upgraded, since a failed upgrade drops it: who leaves lets go first and then, under start.lock, tries for
// the exclusive one.
//
// It is written by hand because the known library (fergusstrange/embedded-postgres) cannot run as root, share a
// database between programs, survive a kill or listen on a unix socket alone.
package postgres

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the database role that owns everything. The OS user running the program may always log in as it; it is
// for bootstrap and upgrades only.
const Superuser = "postgres"

const (
	stopPatience = 700 * time.Millisecond // how long Close waits for PostgreSQL to end; the next start waits for the rest
	logInterval  = time.Minute            // how often the log's size is looked at

	// For a first sign of life on a new connection.
	answerTimeout = 10 * time.Second
	probeTimeout  = 250 * time.Millisecond // leaves Close some of its time even if PostgreSQL hangs
)

// Config says where a project's database lives and who may use it.
type Config struct {
	// Dir is the project's data directory. It is made when missing (see MakeDir). PostgreSQL's files go to Dir/pg, its log
	// to Dir/pg.log, the locks and, if the path is short enough, the socket beside them.
	Dir string
	// BinDir holds PostgreSQL's programs (RUN402_PG_BIN); empty means to search, see Find.
	BinDir string
	// ExtraBinDirs are searched last: where InstallEmbedded put its programs.
	ExtraBinDirs []string
	// Logins are the database roles, beside Superuser, that the OS user running the program may log in as. Nobody else
	// may log in at all. Programs that share a database share their logins until the last one leaves.
	Logins []string
	// Log hears of starts, restarts and stops; nil means slog.Default. It never sees a statement or a value.
	Log *slog.Logger
	// Getenv looks up PATH, HOME, XDG_RUNTIME_DIR, TMPDIR and the like; nil means os.Getenv.
	Getenv func(string) string
}

// withDefaults returns the configuration with its defaults filled in and its directory made absolute.
func (c Config) withDefaults() (Config, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.Dir == "" {
		return c, &Error{Op: "open", Kind: ErrDirectory, Msg: "no data directory is given: set one with --data-dir"}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, explain("open "+c.Dir, err)
	}
	c.Dir = dir
	return c, nil
}

// Server is a program's share in a running PostgreSQL. It is safe for concurrent use.
type Server struct {
	cluster *cluster
	start   *startLock
	use     *fileLock
	log     *slog.Logger
	base    *pgx.ConnConfig        // what ConnConfig copies
	sockets atomic.Pointer[string] // the socket's directory; another program may have restarted PostgreSQL elsewhere

	// open ends when Close is called: it is the life of the Server, not of a call, and ends restarts under way.
	open  context.Context
	close context.CancelCauseFunc
}

// Open joins the PostgreSQL of cfg.Dir, or starts it, making the database first when there is none. It waits for
// another program that is just starting or stopping it. A start takes about 0.1 s, a new database about 0.6 s more.
//
// Errors are of type *Error and match one of ErrNotFound, ErrVersion, ErrDirectory, ErrDiskFull, ErrUnsupported or
// ErrStart, or wrap the context's error.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	cluster, err := newCluster(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cluster: cluster, start: newStartLock(filepath.Join(cluster.dir, "start.lock")), log: cfg.Log}
	if s.base, err = baseConnConfig(cluster.sockets); err != nil {
		return nil, explain("open", err)
	}
	s.base.DialFunc = s.dial
	s.open, s.close = context.WithCancelCause(context.Background())

	unlock, err := s.start.lock(ctx)
	if err != nil {
		return nil, explain("wait for another program that is starting or stopping PostgreSQL", err)
	}
	defer unlock()
	if err := s.share(ctx); err != nil {
		return nil, explain("open", err)
	}
	sockets, err := cluster.ensure(ctx)
	if err != nil {
		s.close(ErrClosed)
		if err := s.leave(context.WithoutCancel(ctx)); err != nil {
			s.log.Warn("postgresql cannot be stopped", "error", err)
		}
		return nil, err
	}
	s.sockets.Store(&sockets)
	go s.tendLog()
	return s, nil
}

// share takes a share, with start.lock held. The first one in forgets the logins of those who had one before.
func (s *Server) share(ctx context.Context) error {
	first, err := tryLockFile(s.useLock(), exclusive)
	if err != nil {
		return err
	}
	if first != nil {
		err = s.cluster.forgetLogins()
		first.unlock()
	}
	if err != nil {
		return err
	}
	s.use, err = lockFile(ctx, s.useLock(), shared)
	return err
}

// ConnConfig returns what connects as a database role, which must be Superuser or one of Config.Logins, over the unix
// socket. It takes nothing from libpq's environment variables or files. Its DialFunc starts PostgreSQL again when it
// died. A cancelled context cancels the statement and keeps the connection. The caller may change the copy.
//
// While PostgreSQL recovers from a crash of one of its processes it answers a new connection with SQLSTATE 57P03,
// cannot_connect_now: the caller may try again.
func (s *Server) ConnConfig(user, database string) *pgx.ConnConfig {
	c := s.base.Copy()
	c.Host = *s.sockets.Load()
	c.User, c.Database = user, database
	return c
}

// dial connects to the socket, wherever it is by now, and starts PostgreSQL again when nobody answers. It is a
// pgconn.DialFunc.
func (s *Server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.open.Err() != nil {
		return nil, ErrClosed
	}
	conn, err := dialSocket(ctx, *s.sockets.Load(), answerTimeout)
	if err == nil || !nobodyAnswers(err) {
		return conn, err
	}
	if err := s.restart(ctx); err != nil {
		return nil, err
	}
	return dialSocket(ctx, *s.sockets.Load(), answerTimeout)
}

// dialSocket connects to the PostgreSQL that listens in a directory, and makes sure that it serves: asked for TLS, its
// process for this connection says no in one byte (the protocol's SSLRequest), and waits for what comes next.
func dialSocket(ctx context.Context, dir string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketPath(dir))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends the wait
	_, err = conn.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f})
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return conn, nil
}

// restart starts PostgreSQL unless somebody did so meanwhile. It ends early when the Server is closed.
func (s *Server) restart(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.open, func() { cancel(ErrClosed) })()

	unlock, err := s.start.lock(ctx)
	if err != nil {
		return explain("restart", err)
	}
	defer unlock()
	if s.open.Err() != nil {
		return ErrClosed
	}
	before := s.cluster.child
	sockets, err := s.cluster.ensure(ctx)
	if err != nil {
		return err
	}
	if s.cluster.child != before {
		s.log.Warn("postgresql had died and was started again")
	}
	s.sockets.Store(&sockets)
	return nil
}

// Close gives the share back. The last one out stops PostgreSQL with a fast shutdown and waits at most 0.7 s for its
// end, or until ctx ends; a PostgreSQL that needs longer goes on ending by itself. Open connections are broken then, so
// close the pools first. A second Close does nothing.
func (s *Server) Close(ctx context.Context) error {
	if s.open.Err() != nil {
		return nil
	}
	s.close(ErrClosed)
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()

	s.use.unlock()
	unlock, err := s.start.lock(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil // who holds the lock for so long is starting PostgreSQL, so it is theirs to stop, or stopping it
	}
	if err != nil {
		return explain("close", err)
	}
	defer unlock()
	return s.leave(ctx)
}

// leave drops this program's share, with start.lock held, and stops PostgreSQL when nobody else has one.
func (s *Server) leave(ctx context.Context) error {
	s.use.unlock()
	last, err := tryLockFile(s.useLock(), exclusive)
	if err != nil {
		return explain("close", err)
	}
	if last == nil {
		return nil
	}
	defer last.unlock()
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	return s.cluster.stop(ctx)
}

func (s *Server) useLock() string { return filepath.Join(s.cluster.dir, "use.lock") }

// tendLog keeps PostgreSQL's log from growing without bound.
func (s *Server) tendLog() {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	for {
		if err := trimLog(s.cluster.logPath()); err != nil {
			s.log.Warn("postgresql's log cannot be trimmed", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.open.Done():
			return
		}
	}
}
