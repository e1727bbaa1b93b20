package gateway

import (
	"context"
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

// A parameter of an extension or of nobody has a dot in its name. Those that the gateway sets itself are left out, and
// so are those that the login may not set. A timeout is a number of milliseconds or has a unit. Every name is qualified:
// what the session's search_path may have become does not matter.
const rolesSQL = `with own as (
	select pg_catalog.split_part(s, '=', 1) as name, pg_catalog.substr(s, pg_catalog.strpos(s, '=') + 1) as value
	from pg_catalog.pg_roles r join pg_catalog.pg_db_role_setting d on d.setrole = r.oid and d.setdatabase = 0
	cross join pg_catalog.unnest(d.setconfig) s where r.rolname = $1)
select true, r.rolsuper or r.rolbypassrls,
	coalesce((select pg_catalog.json_object_agg(o.name, o.value)::text from own o
		left join pg_catalog.pg_settings p on p.name = o.name
		where (p.context = 'user' or o.name like '%.%' or GRANTED) and o.name <> all ('{search_path,statement_timeout,lock_timeout,
			role,session_authorization,transaction_read_only,default_transaction_read_only,default_transaction_isolation}')), ''),
	coalesce((select case when value ~ '^[0-9]+$' then value::float8
		else extract(epoch from value::interval)::float8 * 1000 end from own where name = 'statement_timeout'), 0),
	coalesce((select value from own where name = 'default_transaction_isolation'), '')
from pg_catalog.pg_roles r where r.rolname = $1`

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
	if major, _, _ := strings.Cut(conn.Conn().PgConn().ParameterStatus("server_version"), "."); len(major) == 2 && major >= "15" {
		granted = "p.context = 'superuser' and has_parameter_privilege(session_user, o.name, 'set')"
	}
	rows, err := conn.Query(ctx, strings.Replace(rolesSQL, "GRANTED", granted, 1), name)
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
