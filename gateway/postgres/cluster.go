package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	poll            = 2 * time.Millisecond  // between two looks at a PostgreSQL that is changing
	busyPoll        = 50 * time.Millisecond // between two tries to start while the last one's processes are still there
	strangerAfter   = 2 * time.Second       // then the process that postmaster.pid names is not PostgreSQL, see disown
	leftoverTimeout = 30 * time.Second      // then the last one's processes will not go by themselves
)

// cluster is a database's files and the PostgreSQL that serves them. Its methods need start.lock.
type cluster struct {
	cfg     Config
	account account
	dir     string   // cfg.Dir without symbolic links
	data    string   // PostgreSQL's data directory
	sockets string   // where the socket of a PostgreSQL that we start goes
	ident   []string // lines of pg_ident.conf
	log     *slog.Logger

	child *process // the postmaster that we started last, nil when none
}

func newCluster(cfg Config) (*cluster, error) {
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := makeDir(account, cfg.Dir); err != nil {
		return nil, err
	}
	c := &cluster{cfg: cfg, account: account, log: cfg.Log}
	// Programs that came by different links must agree on the socket's name.
	if c.dir, err = filepath.EvalSymlinks(cfg.Dir); err != nil {
		return nil, explain("open", err)
	}
	c.data = filepath.Join(c.dir, "pg")
	if c.sockets, err = socketDir(account, c.dir, cfg.Getenv); err != nil {
		return nil, err
	}
	if c.ident, err = identLines(cfg.Logins); err != nil {
		return nil, explain("open", err)
	}
	return c, nil
}

func (c *cluster) logPath() string { return filepath.Join(c.dir, "pg.log") }
func (c *cluster) pidPath() string { return filepath.Join(c.data, "postmaster.pid") }

// phase is what a cluster's PostgreSQL is doing.
type phase int

const (
	down     phase = iota // nobody listens
	changing              // it listens, but is starting, stopping or too busy to answer
	ready
)

// postmaster is what postmaster.pid says of the running PostgreSQL.
type postmaster struct {
	pid     int
	data    string
	sockets string
	status  string
}

// readPostmaster reads postmaster.pid, whose lines are the process id, the data directory, the start time, the port,
// the socket directory, the address, the shared memory and the status. One not yet wholly written has fewer.
func (c *cluster) readPostmaster() postmaster {
	text, err := os.ReadFile(c.pidPath())
	if err != nil {
		return postmaster{}
	}
	lines := strings.Split(string(text), "\n")
	line := func(i int) string {
		if i < len(lines) {
			return strings.TrimSpace(lines[i])
		}
		return ""
	}
	pid, _ := strconv.Atoi(line(0)) // 0, nobody, when it is not a number
	return postmaster{pid: pid, data: line(1), sockets: line(4), status: line(7)}
}

// probe says what PostgreSQL is doing. The file may be a dead one's, so what counts is that somebody listens at the
// socket it names, in a directory where nobody else can.
func (c *cluster) probe() (postmaster, phase) {
	pm := c.readPostmaster()
	if pm.data != c.data || pm.sockets == "" || !isPrivate(c.account, pm.sockets) {
		return pm, down
	}
	conn, err := dialSocket(context.Background(), pm.sockets, probeTimeout)
	if err != nil {
		if nobodyAnswers(err) {
			return pm, down
		}
		return pm, changing
	}
	_ = conn.Close() // nothing is under way
	if pm.status != "ready" {
		return pm, changing
	}
	return pm, ready
}

// ensure makes sure that PostgreSQL runs and lets our logins in, and returns its socket's directory.
func (c *cluster) ensure(ctx context.Context) (string, error) {
	began := time.Now()
	for {
		wait := poll
		switch pm, phase := c.probe(); phase {
		case ready:
			return pm.sockets, c.admit(pm)
		case changing:
		case down:
			err := c.launch(ctx)
			if err == nil {
				return c.sockets, nil
			}
			if !errors.Is(err, errBusy) || time.Since(began) > leftoverTimeout {
				return "", err
			}
			if time.Since(began) > strangerAfter {
				if err := c.disown(pm); err != nil {
					return "", explain("start", err)
				}
			}
			wait = busyPoll
		}
		if err := pause(ctx, wait); err != nil {
			return "", explain("wait for PostgreSQL, which is starting or stopping", err)
		}
	}
}

// admit adds our logins to those of a PostgreSQL that another program started. The postmaster reloads before it accepts
// its next connection.
func (c *cluster) admit(pm postmaster) error {
	added, err := c.addLogins()
	if err == nil && added {
		err = c.signal(pm, sigReload)
	}
	return explain("allow this program's logins", err)
}

// launch starts PostgreSQL and waits until it is ready. It fails with errBusy when processes of the last one are left.
func (c *cluster) launch(ctx context.Context) error {
	need, err := dataMajor(c.data)
	if err != nil {
		return err
	}
	bin, err := find(ctx, c.cfg, c.account, need)
	if err != nil {
		return err
	}
	if need == 0 {
		if err := c.create(ctx, bin); err != nil {
			return err
		}
	} else if err := c.checkOwner(); err != nil {
		return err
	}
	err = writeFile(c.account, c.hbaPath(), hbaText)
	if err == nil {
		_, err = c.addLogins()
	}
	if err != nil {
		return explain("write who may log in", err)
	}
	if err := makeSocketDir(c.account, c.sockets); err != nil {
		return err
	}

	began := time.Now()
	if c.child, err = c.spawn(bin); err != nil {
		return explain("start", err)
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if pm := c.readPostmaster(); pm.pid == c.child.Pid && pm.status == "ready" {
			c.log.Debug("postgresql is ready", "version", bin.Version, "dir", bin.Dir, "took", time.Since(began))
			return nil
		}
		select {
		case <-c.child.done:
			return c.child.failure()
		case <-ctx.Done():
			return explain("start", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (c *cluster) checkOwner() error {
	info, err := os.Stat(c.data)
	if err != nil {
		return explain("start", err)
	}
	if owner := ownerOf(info); owner != c.account.uid {
		return errorf("start", ErrDirectory, "%s belongs to user id %d, but PostgreSQL would run as %d; run as that user, "+
			"or give it away with `chown -R %d %s`", c.data, owner, c.account.uid, c.account.uid, c.data)
	}
	return nil
}

// stop asks for a fast shutdown, which ends open connections, and waits for its end or for ctx's.
func (c *cluster) stop(ctx context.Context) error {
	pm, phase := c.probe()
	switch {
	case c.child != nil && c.child.running(): // it may not listen yet
		if err := ignoreDone(c.child.Signal(sigFastShutdown)); err != nil {
			return explain("stop", err)
		}
		select {
		case <-c.child.done:
		case <-ctx.Done():
		}
	case phase != down:
		if err := c.signal(pm, sigFastShutdown); err != nil {
			return explain("stop", err)
		}
		for c.readPostmaster().pid == pm.pid && pause(ctx, poll) == nil {
		}
	}
	if pm.data == c.data && isPrivate(c.account, pm.sockets) {
		_ = os.Remove(pm.sockets) // fails while PostgreSQL is still ending
	}
	return nil
}

// signal sends a signal to a postmaster. The handle is taken before it is seen to answer, so it is no other process
// that got the same id since.
func (c *cluster) signal(pm postmaster, sig os.Signal) error {
	process, err := os.FindProcess(pm.pid)
	if err != nil {
		return err
	}
	defer func() { _ = process.Release() }() // frees the handle
	if now, phase := c.probe(); phase == down || now.pid != pm.pid {
		return nil
	}
	return ignoreDone(process.Signal(sig))
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// disown makes PostgreSQL start although the process that its postmaster.pid names is alive: after a crash of the
// machine some other program may have got that id, and PostgreSQL would refuse for ever. Its own parent's id it takes
// for a leftover, so that is what the file gets. What protects the data, the look at the shared memory that the file
// names, it still does.
func (c *cluster) disown(pm postmaster) error {
	text, err := os.ReadFile(c.pidPath())
	if errors.Is(err, fs.ErrNotExist) || pm.pid == os.Getpid() {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	c.log.Warn("postgresql's postmaster.pid names a process that is not postgresql; starting all the same", "pid", pm.pid)
	return writeFile(c.account, c.pidPath(), strconv.Itoa(os.Getpid())+"\n"+rest)
}
