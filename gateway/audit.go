package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// AuditEntry is who did what to what, and how it ended; no argument and no value.
type AuditEntry struct {
	At        time.Time
	Principal string
	Tool      string
	Plane     string
	Target    string
	Outcome   string
	Confirmed string // "elicitation" or "token" when the call was confirmed that way
	Rows      int
	Duration  time.Duration
}

const (
	auditBuffer = 4096 // entries that wait; more are dropped, and counted in the log
	auditPause  = 500 * time.Millisecond
)

// auditTrail writes entries to the internal schema in the background, so that no call waits for it.
type auditTrail struct {
	db  *lazyDatabase
	log *slog.Logger

	once    sync.Once
	entries chan AuditEntry
	stopped chan struct{}

	// open ends when close is called: it is the life of the trail, not of a call.
	open context.Context
	stop context.CancelFunc

	mu      sync.Mutex
	dropped int
}

func newAuditTrail(db *lazyDatabase, log *slog.Logger) *auditTrail {
	a := &auditTrail{db: db, log: log, entries: make(chan AuditEntry, auditBuffer), stopped: make(chan struct{})}
	a.open, a.stop = context.WithCancel(context.Background())
	return a
}

// Audit keeps an entry; it never blocks. Close writes what still waits.
func (g *Gateway) Audit(e AuditEntry) {
	if !g.Internal() {
		return
	}
	g.audit.once.Do(func() { go g.audit.run() })
	select {
	case g.audit.entries <- e:
	default:
		g.audit.mu.Lock()
		g.audit.dropped++
		g.audit.mu.Unlock()
	}
}

func (a *auditTrail) run() {
	defer close(a.stopped)
	for {
		select {
		case e := <-a.entries:
			select { // gather what comes close together
			case <-time.After(auditPause):
			case <-a.open.Done():
			}
			a.write(append([]AuditEntry{e}, a.waiting()...))
		case <-a.open.Done():
			a.write(a.waiting())
			return
		}
	}
}

func (a *auditTrail) waiting() []AuditEntry {
	var out []AuditEntry
	for {
		select {
		case e := <-a.entries:
			out = append(out, e)
		default:
			return out
		}
	}
}

func (a *auditTrail) write(entries []AuditEntry) {
	if len(entries) == 0 {
		return
	}
	db, err := a.db.get(a.open) // no program ends later because its database is still starting
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		columns := []string{"at", "principal", "tool", "plane", "target", "outcome", "confirmed", "rows", "duration_us"}
		_, err = db.pool(gatewayLogin).CopyFrom(ctx, pgx.Identifier{"internal", "audit"}, columns,
			pgx.CopyFromSlice(len(entries), func(i int) ([]any, error) {
				e := entries[i]
				return []any{
					e.At, e.Principal, e.Tool, e.Plane, e.Target, e.Outcome, e.Confirmed, e.Rows, e.Duration.Microseconds(),
				}, nil
			}))
	}
	a.mu.Lock()
	dropped := a.dropped
	a.dropped = 0
	a.mu.Unlock()
	if err != nil {
		a.log.Error("audit entries were lost", "entries", len(entries)+dropped, "error", err)
	} else if dropped > 0 {
		a.log.Error("audit entries were lost", "entries", dropped, "error", "the buffer was full")
	}
}

// close writes what waits, if the database is open, and returns when that is done or ctx ends.
func (a *auditTrail) close(ctx context.Context) {
	a.stop()
	a.once.Do(func() { close(a.stopped) })
	select {
	case <-a.stopped:
	case <-ctx.Done():
	}
}
