package core

import (
	"encoding/json"

	"github.com/run402/functions-mcp/core/wire"
)

// Error is every failure that a backend answered or that kept a request from being sent. Its text is the one that
// @run402/functions throws for the same answer (section 2.2, 4).
type Error struct {
	Op     string // "query items", "insert items", "sql", "schema"
	Status int    // HTTP status; 0 when no answer came
	Code   string // UPPER_SNAKE of the envelope, or the SQLSTATE/PGRST code of a REST body

	Message string
	Details string
	Hint    string

	Category      string
	Retryable     bool
	SafeToRetry   bool
	MutationState string
	TraceID       string
	RetryAfter    int // seconds
	NextActions   []wire.NextAction
	Body          json.RawMessage // the body when it was JSON
	Err           error           // the cause when no answer came
}

func (e *Error) Error() string { panic("TODO") }
func (e *Error) Unwrap() error { return e.Err }

// Codes of failures that core finds before any request.
const (
	CodeAnonKeyMissing    = "ANON_KEY_MISSING"
	CodeServiceKeyMissing = "SERVICE_KEY_MISSING"
	CodeInvalidQuery      = "INVALID_QUERY"
	CodeNetwork           = "NETWORK"
)
