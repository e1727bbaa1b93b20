package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// settings are PostgreSQL's, given on its command line, where neither a file nor ALTER SYSTEM overrides them.
func settings(major int, socketDir string) []string {
	all := []string{
		// Reached by nobody but this user.
		"listen_addresses=",
		"port=5432",
		"unix_socket_directories=" + socketDir,
		"unix_socket_permissions=0700",

		// What was committed stays.
		"fsync=on",
		"synchronous_commit=on",
		"full_page_writes=on",

		// Small: eight programs of twelve connections each, one machine, no replicas.
		"max_connections=100",
		"shared_buffers=32MB",
		"wal_level=minimal",
		"max_wal_senders=0",
		"max_logical_replication_workers=0",
		"min_wal_size=32MB",
		"max_wal_size=256MB",
		"jit=off",
		"huge_pages=off",

		// The log tells of the server, not of what is done with it: no statement, no parameter, no row. Errors, whose text
		// quotes values, are the client's to see.
		"logging_collector=off",
		"log_destination=stderr",
		"log_min_messages=log",
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
		"log_statement=none",
		"log_duration=off",
		"log_min_duration_statement=-1",
		"log_min_duration_sample=-1",
		"log_transaction_sample_rate=0",
		"log_parameter_max_length=0",
		"log_parameter_max_length_on_error=0",
		"log_checkpoints=off",
		"log_connections=off",
		"log_disconnections=off",
		"log_lock_waits=off",
		"log_temp_files=-1",
		"log_autovacuum_min_duration=-1",
		"log_timezone=UTC",
		"log_line_prefix=" + logPrefix,

		"timezone=UTC",
		"cluster_name=functions-mcp",
	}
	if major >= 18 {
		all = append(all, "io_method=sync") // three processes fewer
	}
	return all
}

// logPrefix puts the SQLSTATE into each line, which explainLog and isBusy read.
const logPrefix = "%m [%p] %e "

// hbaText lets in who is mapped, over the unix socket.
const hbaText = `# Written by functions-mcp at every start.
local all all peer map=` + identMap + "\n"

const identMap = "run402"

// identLines map our OS user to the database roles that it may log in as, one line of pg_ident.conf each.
func identLines(logins []string) ([]string, error) {
	us, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("look up the current user: %w", err)
	}
	var lines []string
	for _, login := range append([]string{Superuser}, logins...) {
		// A leading slash would make a pattern of it, and a line ends where it ends.
		if login == "" || login[0] == '/' || strings.ContainsFunc(login, func(r rune) bool { return r < ' ' }) {
			return nil, errorf("open", nil, "%q cannot be a login; use a plain role name", login)
		}
		lines = append(lines, strings.Join([]string{identMap, quote(us.Username), quote(login)}, " "))
	}
	return lines, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (c *cluster) hbaPath() string   { return filepath.Join(c.data, "pg_hba.conf") }
func (c *cluster) identPath() string { return filepath.Join(c.data, "pg_ident.conf") }

// forgetLogins begins the list of those who may log in anew.
func (c *cluster) forgetLogins() error {
	err := os.Remove(c.identPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// addLogins adds our logins to those of the programs that we share the database with. It reports whether that was news.
func (c *cluster) addLogins() (bool, error) {
	text, err := os.ReadFile(c.identPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	known := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, identMap+" ") { // initdb's file is all comment
			known[line] = true
		}
	}
	before := len(known)
	for _, line := range c.ident {
		known[line] = true
	}
	if len(known) == before {
		return false, nil
	}
	lines := slices.Sorted(maps.Keys(known))
	return true, writeFile(c.account, c.identPath(), strings.Join(lines, "\n")+"\n")
}

// baseConnConfig returns what every connection has in common. Each setting that libpq's environment could give is given
// here, so that a developer's PGHOST or ~/.pgpass changes nothing.
func baseConnConfig(socketDir string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig("port=5432 user=postgres password=none passfile='' sslmode=disable sslcertmode=disable " +
		"target_session_attrs=any channel_binding=disable require_auth='' connect_timeout=0 " +
		"min_protocol_version=3.0 max_protocol_version=3.0 host=/")
	if err != nil {
		return nil, err
	}
	c.Host, c.Port = socketDir, 5432
	c.Password = ""
	c.Fallbacks = nil
	c.RuntimeParams = map[string]string{"application_name": "functions-mcp"}
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		// The statement is cancelled at once; a server that does not even answer that costs the connection.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
	return c, nil
}
