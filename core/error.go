package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

// Error is every failure that a backend answered or that kept a request from being sent. Its text is the one that
// @run402/functions throws for the same answer (sections 2.2, 4): it names the code and never the message, which may
// quote a row's values, so it can be logged.
type Error struct {
	Op     string // "query items", "insert items", "sql", "schema", "invoke"
	Status int    // HTTP status; 0 when no answer came
	Code   string // UPPER_SNAKE of the envelope, or the SQLSTATE/PGRST code of a REST body

	Message string
	Details string
	Hint    string

	Category      string
	Retryable     bool // it may succeed later; false where the answer says so
	SafeToRetry   bool // repeating it cannot do anything twice
	MutationState string
	TraceID       string
	RetryAfter    int // seconds
	NextActions   []wire.NextAction
	Body          json.RawMessage // the body when it was JSON
	Err           error           // the cause when no answer came

	remote   string // body.code || body.error, as spelled
	affected int64  // of CodeMaxAffected
}

// Codes of failures that core finds itself.
const (
	CodeAnonKeyMissing    = "ANON_KEY_MISSING"
	CodeServiceKeyMissing = "SERVICE_KEY_MISSING"
	CodeProjectIDMissing  = "PROJECT_ID_MISSING"
	CodeAdminRequired     = "ADMIN_REQUIRED" // the service key was given as a caller's token
	CodeInvalidToken      = "INVALID_TOKEN"
	CodeInvalidQuery      = "INVALID_QUERY"
	CodeNotSupported      = "NOT_SUPPORTED"         // the backend does not honour what the request needs
	CodeMaxAffected       = "MAX_AFFECTED_EXCEEDED" // found by counting first; see Error.MaxAffected
	CodeNetwork           = "NETWORK"
	CodeTimeout           = "TIMEOUT"
	CodeCanceled          = "CANCELED"
	CodeInvalidAnswer     = "INVALID_ANSWER" // an answer that is not what the contract says, or too large
)

// Error returns "PostgREST error (<status>): <code>" for the REST routes, "SQL error (<status>): <code>" for raw SQL,
// "Email send failed (<status>): <error>" for mail, and likewise for the AI helpers. Of an image it has the message
// too, which is about the request and quotes none of it.
func (e *Error) Error() string {
	if e.Status == 0 {
		text := e.Op + ": " + e.Message
		if e.Err != nil {
			text += ": " + e.Err.Error()
		}
		return text
	}
	text := e.remote
	if text == "" {
		text = e.Code
	}
	if e.Op == opGenerateImage && e.Code != "" && e.Message != "" {
		text = e.Code + ": " + e.Message
	}
	if text == "" && e.Body == nil {
		text = e.Message
	}
	if text == "" {
		text = "<envelope>"
	}
	return fmt.Sprintf("%s (%d): %s", e.what(), e.Status, text)
}

func (e *Error) what() string {
	switch e.Op {
	case "sql":
		return "SQL error"
	case opSendEmail:
		return "Email send failed"
	case opTranslate:
		return "Translation failed"
	case opModerate:
		return "Moderation failed"
	case opGenerateImage:
		return "Image generation failed"
	case opDiscoverMailbox:
		return "Failed to discover mailbox"
	case "schema", "health", "invoke", "list mailboxes", "create mailbox", "list emails", "get email",
		"put asset", "list assets", "get asset", "delete asset", "sign asset", opAIUsage:
		return "Run402 error"
	}
	return "PostgREST error"
}

// Unwrap returns the cause when no answer came.
func (e *Error) Unwrap() error { return e.Err }

// MaxAffected reports whether the error is a refused Query.MaxAffected, found inside the statement (PGRST124) or by
// counting first, or a refused SQLRequest.MaxRows, and how many rows it would have touched (0 when the backend did not
// say).
func (e *Error) MaxAffected() (n int64, ok bool) {
	switch e.Code {
	case CodeMaxAffected:
		return e.affected, true
	case "MAX_ROWS_EXCEEDED":
		var d struct{ Affected int64 }
		if json.Unmarshal([]byte(e.Details), &d) != nil {
			return 0, true
		}
		return d.Affected, true
	case "PGRST124":
		// "The query affects 2 rows"
		for word := range strings.FieldsSeq(e.Details) {
			if n, err := strconv.ParseInt(word, 10, 64); err == nil {
				return n, true
			}
		}
		return 0, true
	}
	return 0, false
}

// Destruction reports whether the error is a refused SQLRequest.Destroy, and what the SQL would have dropped or
// truncated.
func (e *Error) Destruction() (d wire.Destruction, ok bool) {
	if e.Code != "DESTRUCTIVE_SQL" || json.Unmarshal([]byte(e.Details), &d) != nil {
		return wire.Destruction{}, false
	}
	return d, true
}

// notSent is a failure found before any request.
func notSent(op, code, message, hint string) *Error {
	return &Error{Op: op, Code: code, Message: message, Hint: hint, MutationState: "not_started"}
}

// invalidAnswer is an answer that the contract does not know. What the request did is not known either.
func invalidAnswer(op string, status int, err error) *Error {
	return &Error{
		Op: op, Status: status, Code: CodeInvalidAnswer, Err: err, MutationState: "unknown",
		Message: "the backend's answer is not what the API promises: " + err.Error(),
		Hint:    "Check that the API base points to a Run402 API.",
	}
}

// answerBody is the union of the bodies that an error can have: the Run402 envelope (section 11), PostgREST's (2.5),
// and Core's {error, message}.
type answerBody struct {
	Code          string            `json:"code"`
	Error         string            `json:"error"`
	Message       string            `json:"message"`
	Details       json.RawMessage   `json:"details"`
	Hint          string            `json:"hint"`
	Category      string            `json:"category"`
	Retryable     *bool             `json:"retryable"`
	SafeToRetry   bool              `json:"safe_to_retry"`
	MutationState string            `json:"mutation_state"`
	TraceID       string            `json:"trace_id"`
	RetryAfter    float64           `json:"retry_after"`
	RetryAfterS   float64           `json:"retry_after_seconds"`
	NextActions   []wire.NextAction `json:"next_actions"`
}

// answerError reads the failure out of an answer.
func answerError(op string, status int, header http.Header, body []byte) *Error {
	e := &Error{Op: op, Status: status}
	var b answerBody
	if isObject(body) && json.Valid(body) {
		e.Body = body
		decodeLoosely(body, &b)
	} else {
		e.Message = plainText(body)
	}
	e.remote = orDefault(b.Code, b.Error)
	if op == opTranslate || op == opModerate {
		e.remote = orDefault(b.Error, b.Code)
	}
	e.Code = codeOf(b)
	if b.Message != "" {
		e.Message = b.Message
	} else if b.Error != "" {
		e.Message = b.Error
	}
	e.Details = scalarText(b.Details)
	e.Hint = b.Hint
	if e.Hint == "" && status >= 300 && status < 400 {
		e.Hint = "The API base redirects elsewhere, and keys are not sent along: set RUN402_API_BASE to the final address."
	}
	e.Category, e.MutationState, e.TraceID, e.NextActions = b.Category, b.MutationState, b.TraceID, b.NextActions
	e.RetryAfter = retryAfter(header, max(b.RetryAfter, b.RetryAfterS))
	e.SafeToRetry = b.SafeToRetry || neverRan(e.Code)
	if b.Retryable != nil {
		e.Retryable = *b.Retryable
	} else {
		e.Retryable = retryableAnswer(status, e.Code)
	}
	return e
}

// decodeLoosely fills what it can: one field of an unexpected type must not hide the others.
func decodeLoosely(body []byte, b *answerBody) {
	var typeErr *json.UnmarshalTypeError
	if err := json.Unmarshal(body, b); err != nil && !errors.As(err, &typeErr) {
		*b = answerBody{}
	}
}

// codeOf returns the envelope's code in upper case, a PostgREST code as it is, or "" when the body has only texts.
func codeOf(b answerBody) string {
	for _, s := range []string{b.Code, b.Error} {
		if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isWordRune(r) }) {
			return strings.ToUpper(s)
		}
	}
	return ""
}

func isWordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// isSQLState reports whether a code is one of PostgreSQL's: five upper-case letters and digits.
func isSQLState(code string) bool {
	return len(code) == 5 && !strings.ContainsFunc(code, func(r rune) bool {
		return !isWordRune(r) || r == '_' || r >= 'a'
	})
}

// retryableAnswer says whether an answer that says nothing about it may succeed later (section 11). A SQLSTATE at 500
// is the statement's own fault, which repeating does not mend, unless PostgreSQL asks for it (class 40).
func retryableAnswer(status int, code string) bool {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return true
	case status < 500:
		return false
	case code == CodeRuntimeUnavailable: // it has none, today and tomorrow
		return false
	case isSQLState(code) && status != http.StatusServiceUnavailable:
		return strings.HasPrefix(code, "40")
	}
	return status != http.StatusNotImplemented
}

// neverRan reports whether a code proves that no statement took effect: PostgREST had no connection or no schema cache
// (PGRST000 to 003), or PostgreSQL rolled back for a conflict.
func neverRan(code string) bool {
	switch code {
	case "PGRST000", "PGRST001", "PGRST002", "PGRST003", "40001", "40P01":
		return true
	}
	return false
}

// schemaCacheMiss reports whether PostgREST refused a request because its schema cache does not know a name: nothing
// ran, and after DDL the cache may learn the name within the second.
func (e *Error) schemaCacheMiss() bool {
	switch e.Code {
	case "PGRST200", "PGRST202", "PGRST204", "PGRST205":
		return true
	}
	return false
}

// retryAfter returns the seconds to wait, from the header (seconds or a date) or the body; 0 when neither says.
func retryAfter(header http.Header, body float64) int {
	if s := header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return n
		}
		if t, err := http.ParseTime(s); err == nil {
			return max(0, int(time.Until(t).Round(time.Second)/time.Second))
		}
	}
	return int(min(max(body, 0), 24*60*60))
}

func isObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '{'
	}
	return false
}

// plainText is what a person can read of a body that is not JSON: one line, at most 200 bytes; of a proxy's HTML page
// its title.
func plainText(body []byte) string {
	const limit, look = 200, 16 << 10
	text := strings.ToValidUTF8(string(body[:min(len(body), look)]), "")
	if _, after, found := strings.Cut(text, "<title>"); found {
		text, _, _ = strings.Cut(after, "<")
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
