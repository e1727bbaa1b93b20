package rest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// cache knows the statements that are prepared on one connection. It stands in for pgx's own because a new statement is
// then prepared within the batch that needs it (no extra round trip, and under the batch's search_path), a refused
// statement stays prepared (pgx forgets every statement of a batch that fails, and a policy may refuse often), and one
// that went stale is told from one that is wrong.
type cache struct {
	conn  *pgconn.PgConn
	known map[string]*pgconn.StatementDescription // by SQL
	old   []string                                // names to deallocate
	sent  int                                     // how many of them are under way
	last  int                                     // for names
}

// maxPrepared bounds the statements of a connection, which cost PostgreSQL some 20 to 100 KB each. Beyond it a random
// one goes: clients choose the statements, and no order of theirs can then empty the cache on purpose.
const maxPrepared = 200

// maxKept is how long a statement may be, in bytes, to stay prepared: long ones cost PostgreSQL megabytes each.
const maxKept = 16 << 10

// cacheOf returns the connection's cache, which lives and dies with the connection.
func cacheOf(conn *pgconn.PgConn) *cache {
	const key = "gateway/rest"
	data := conn.CustomData()
	if c, ok := data[key].(*cache); ok {
		return c
	}
	c := &cache{conn: conn, known: map[string]*pgconn.StatementDescription{}}
	data[key] = c
	return c
}

// knows says that all statements are prepared, and none is to go.
func (c *cache) knows(all []statement) bool {
	for _, st := range all {
		if c.known[st.sql] == nil {
			return false
		}
	}
	return len(c.old) == 0
}

func (c *cache) describe(sql string) *pgconn.StatementDescription {
	c.last++
	return &pgconn.StatementDescription{Name: "rest_" + strconv.Itoa(c.last), SQL: sql}
}

// prepared reads that a statement is now prepared.
func (c *cache) prepared(p *pgconn.Pipeline, sd *pgconn.StatementDescription) error {
	res, err := result[*pgconn.StatementDescription](p)
	if err != nil {
		return err
	}
	sd.ParamOIDs, sd.Fields = res.ParamOIDs, res.Fields
	if len(c.known) >= maxPrepared {
		for sql := range c.known {
			c.drop(sql)
			break
		}
	}
	c.known[sd.SQL] = sd
	return nil
}

func (c *cache) drop(sql string) {
	c.old = append(c.old, c.known[sql].Name)
	delete(c.known, sql)
}

// deallocate sends for the names that are to go, and deallocated reads that they are gone. Closing a statement that
// does not exist is no error in PostgreSQL.
func (c *cache) deallocate(p *pgconn.Pipeline) {
	for _, name := range c.old {
		p.SendDeallocate(name)
	}
	c.sent = len(c.old)
}

func (c *cache) deallocated(p *pgconn.Pipeline) error {
	for ; c.sent > 0; c.sent-- {
		if _, err := result[*pgconn.CloseComplete](p); err != nil {
			return err
		}
	}
	c.old = c.old[:0]
	return nil
}

// forget drops a prepared statement if the error may come from what it remembers of a schema that has changed since: a
// parameter's type, a column's type, an operator. It reports whether to try again; a client's own mistake ("abc" for a
// number) looks the same and costs one more try.
func (c *cache) forget(sql string, err error) bool {
	var pg *pgconn.PgError
	if c.known[sql] == nil || !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "26000": // somebody deallocated it, and so perhaps all
		for sql := range c.known {
			c.drop(sql)
		}
		return true
	case "0A000": // cached plan must not change result type
		if !strings.Contains(pg.Message, "cached plan") {
			return false
		}
	case "XX000": // a parameter's type is gone
		if !strings.Contains(pg.Message, "cache lookup failed") {
			return false
		}
	case "42883", "42804", "42846", "42704", // no such operator, wrong type, no such cast, no such type
		"22P02", "22P03", "22003", "22007", "22008": // a value that the parameter's old type does not take
	default:
		return false
	}
	c.drop(sql)
	return true
}
