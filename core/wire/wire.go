// Package wire holds the JSON shapes and the paths of the Run402 API that both its client (core) and our gateway speak.
// It is a leaf: it imports nothing of ours. Section numbers refer to the wire contract.
package wire

import "encoding/json"

// Paths of the API, relative to the base URL.
const (
	CallerRest = "/rest/v1"       // caller plane, section 2
	AdminRest  = "/admin/v1/rest" // admin plane, section 3
	AuthUser   = "/auth/v1/user"  // who a token speaks for, section 5
	Health     = "/health"
)

// AdminSQL is the path of raw admin SQL for a project, section 4.
func AdminSQL(projectID string) string { return "/projects/v1/admin/" + projectID + "/sql" }

// AdminSchema is the path of a project's schema description, section 4.
func AdminSchema(projectID string) string { return "/projects/v1/admin/" + projectID + "/schema" }

// HealthStatus answers GET /health. Honours names the extensions of the contract that this backend keeps to, so that a
// client never has to guess: see the Honours constants. A backend that leaves it out honours none.
type HealthStatus struct {
	Status  string   `json:"status"` // "ok" or "starting" or "failed"
	Service string   `json:"service,omitempty"`
	Version string   `json:"version,omitempty"`
	Honours []string `json:"honours,omitempty"`
	// Providers are what the gateway sends by: "mail": "outbox, configured". Ours [R].
	Providers map[string]string `json:"providers,omitempty"`
}

// What a backend may say it honours.
const (
	HonoursMaxAffected = "max-affected"  // Prefer: max-affected=n with handling=strict is checked inside the statement
	HonoursReadOnlySQL = "sql-read-only" // read_only, max_rows and destroy of SQLRequest
)

// SQLRequest is the JSON form of raw admin SQL, section 4. Query is an accepted alias of SQL. Params are the values of
// $1, $2, …; with them, or with ReadOnly, SQL is exactly one statement. ReadOnly, MaxRows and Destroy are ours [R]:
// MaxRows > 0 cuts what is returned (SQLResult.Truncated says so) and rolls back a write that touched more rows than
// that, with code MAX_ROWS_EXCEEDED. Destroy rolls back SQL that drops or truncates anything when it is DestroyNothing,
// with code DESTRUCTIVE_SQL and a Destruction as details, and anything but that Destruction when it is its digest;
// empty lets everything through. SQL that is bounded by either must not end its transaction itself.
type SQLRequest struct {
	SQL      string `json:"sql"`
	Query    string `json:"query,omitempty"`
	Params   []any  `json:"params,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
	MaxRows  int    `json:"max_rows,omitempty"`
	Destroy  string `json:"destroy,omitempty"`
}

// DestroyNothing is the SQLRequest.Destroy of SQL that must neither drop nor truncate.
const DestroyNothing = "nothing"

// Destruction says what SQL would have dropped or truncated, had it not been rolled back.
type Destruction struct {
	Destroys []string `json:"destroys"`       // "drop table project.items", "truncate project.items", …; at most 50
	More     int      `json:"more,omitempty"` // how many are not listed
	Digest   string   `json:"digest"`         // of all: 16 hexadecimal digits
	Affected int64    `json:"affected"`       // rows inserted, updated or deleted besides
}

// SQLResult answers raw admin SQL, section 4. Both spellings of the counter are sent and either is read; it is null
// after DDL. Int8 and numeric values are JSON strings here, unlike on the REST routes.
type SQLResult struct {
	Status    string            `json:"status"` // "ok"
	Schema    string            `json:"schema"`
	Rows      []json.RawMessage `json:"rows"`
	RowCount  *int64            `json:"rowCount"`
	RowCount2 *int64            `json:"row_count"`
	Fields    []SQLField        `json:"fields"`
	Truncated bool              `json:"truncated,omitempty"`
	// Notices are ours: what the person who ran it should know, such as a new table that callers cannot reach yet.
	Notices []string `json:"notices,omitempty"`
}

// SQLField names a column of an SQLResult and its PostgreSQL type ("int4", "text[]", or "oid:<n>").
type SQLField struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Schema describes a project's tables, section 4.
type Schema struct {
	Schema string  `json:"schema"`
	Tables []Table `json:"tables"`
}

// Table is one table or view of a Schema. Kind, Exposed, Dark and Grants are ours.
type Table struct {
	Name        string       `json:"name"`
	Kind        string       `json:"kind,omitempty"` // table, view, materialized view, foreign table, partitioned table
	Columns     []Column     `json:"columns"`
	Constraints []Constraint `json:"constraints"`
	RLSEnabled  bool         `json:"rls_enabled"`
	RowEstimate int64        `json:"row_estimate"`
	Policies    []Policy     `json:"policies"`
	// Dark is empty when callers can reach the table, else why they cannot and the statement that opens it.
	Dark string `json:"dark,omitempty"`
	// Grants maps a role to its privileges ("SELECT", "INSERT", …).
	Grants map[string][]string `json:"grants,omitempty"`
}

// Column is one column of a Table; Type is spelled as PostgreSQL's format_type does.
type Column struct {
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	Nullable     bool    `json:"nullable"`
	DefaultValue *string `json:"default_value"`
	// Grants are what roles may do on this column beyond what they may on the table. Ours [R].
	Grants map[string][]string `json:"grants,omitempty"`
}

// Constraint is one constraint of a Table. Type is PRIMARY KEY, FOREIGN KEY, UNIQUE, CHECK or EXCLUDE.
type Constraint struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Definition string `json:"definition"`
}

// Policy is one row level security policy. Command is ALL, SELECT, INSERT, UPDATE or DELETE.
type Policy struct {
	Name            string   `json:"name"`
	Command         string   `json:"command"`
	Roles           []string `json:"roles,omitempty"`
	UsingExpression *string  `json:"using_expression"`
	CheckExpression *string  `json:"check_expression"`
}

// Error is the Run402 error envelope, section 11. Code is UPPER_SNAKE; Error is its lower case.
type Error struct {
	Error         string          `json:"error"`
	Message       string          `json:"message"`
	Code          string          `json:"code"`
	Category      string          `json:"category,omitempty"`
	Retryable     bool            `json:"retryable"`
	SafeToRetry   bool            `json:"safe_to_retry"`
	MutationState string          `json:"mutation_state,omitempty"` // none not_started committed rolled_back unknown …
	TraceID       string          `json:"trace_id,omitempty"`
	RequestID     string          `json:"request_id,omitempty"`
	Hint          string          `json:"hint,omitempty"`
	RetryAfter    int             `json:"retry_after,omitempty"` // seconds
	Details       json.RawMessage `json:"details,omitempty"`
	NextActions   []NextAction    `json:"next_actions,omitempty"`
	AllowedRoles  []string        `json:"allowed_roles,omitempty"` // of ROLE_FORBIDDEN, section 6
	Field         string          `json:"field,omitempty"`         // of INVALID_REQUEST
	*MailRefusal                  // of mail, section 7.2
}

// NextAction is advice for a person, never run by a program; section 11.
type NextAction struct {
	Type    string `json:"type"`
	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`
	Auth    string `json:"auth,omitempty"`
	Why     string `json:"why,omitempty"`
	Command string `json:"command,omitempty"`
	// Fields are what the request to edit should hold.
	Fields map[string]any `json:"fields,omitempty"`
}

// PostgRESTError is the body of an error on the REST routes, section 2.5. All four keys are always there.
type PostgRESTError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Details json.RawMessage `json:"details"` // a string or null; for an ambiguous embedding (PGRST201) a list
	Hint    *string         `json:"hint"`
}
