package gateway

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// roleFacts are what has to be known of a role before a request becomes it.
type roleFacts struct {
	Exists    bool
	Bypasses  bool   // row level security, or everything
	Settings  string // a JSON object of the parameters that ALTER ROLE set for it; may be empty
	Timeout   time.Duration
	Isolation string // of its transactions, as SQL; empty for the default
}

// roleCache remembers the facts of roles for a moment, so that a request costs no question and ALTER ROLE soon counts.
type roleCache struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	known map[string]knownRole
}

type knownRole struct {
	roleFacts
	until time.Time
}

const (
	roleMemory = 5 * time.Second
	maxRoles   = 1000 // names come from tokens that were verified, but they may be many
)

func newRoleCache(pool *pgxpool.Pool) *roleCache {
	return &roleCache{pool: pool, known: map[string]knownRole{}}
}

//go:embed own_roles.sql
var rolesSQL string

// get returns the facts of a role, at most roleMemory old.
func (c *roleCache) get(ctx context.Context, name string) (roleFacts, error) {
	now := time.Now()
	c.mu.Lock()
	known, ok := c.known[name]
	c.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.roleFacts, nil
	}
	facts, err := c.ask(ctx, name)
	if err != nil {
		return roleFacts{}, fmt.Errorf("look up role: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxRoles {
		clear(c.known)
	}
	c.known[name] = knownRole{facts, now.Add(roleMemory)}
	return facts, nil
}

func (c *roleCache) ask(ctx context.Context, name string) (roleFacts, error) {
	var f roleFacts
	var millis float64
	var isolation string
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return f, err
	}
	defer conn.Release()
	granted := "false" // before PostgreSQL 15 nobody could be
	major, _, _ := strings.Cut(conn.Conn().PgConn().ParameterStatus("server_version"), ".")
	if len(major) == 2 && major >= "15" {
		granted = "p.context = 'superuser' and has_parameter_privilege(session_user, o.name, 'set')"
	}
	rows, err := conn.Query(ctx, strings.ReplaceAll(rolesSQL, "GRANTED", granted), name)
	if err != nil {
		return f, err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&f.Exists, &f.Bypasses, &f.Settings, &millis, &isolation); err != nil {
			return f, err
		}
	}
	switch level := strings.ToLower(isolation); level {
	case "serializable", "repeatable read":
		f.Isolation = level
	}
	f.Timeout = time.Duration(millis * float64(time.Millisecond))
	return f, rows.Err()
}
