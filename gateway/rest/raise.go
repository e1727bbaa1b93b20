package rest

import (
	"encoding/json"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"
)

// raised is the answer that a function wants when it raises SQLSTATE PGRST: the message of the error is a JSON object
// with what the body says, its detail one with the status and the headers.
func raised(pg *pgconn.PgError) *Error {
	var body struct{ Code, Message, Details, Hint *string }
	if json.Unmarshal([]byte(pg.Message), &body) != nil || body.Code == nil || body.Message == nil {
		return misraised("Invalid JSON value for MESSAGE: '"+pg.Message+"'",
			"MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.")
	}
	const hint = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
	if pg.Detail == "" {
		return misraised("DETAIL is missing in the RAISE statement", hint)
	}
	var head struct {
		Status  *int
		Headers map[string]string
	}
	if json.Unmarshal([]byte(pg.Detail), &head) != nil || head.Status == nil || head.Headers == nil ||
		*head.Status < 200 || *head.Status > 599 {
		return misraised("Invalid JSON value for DETAIL: '"+pg.Detail+"'", hint)
	}
	e := &Error{Status: *head.Status, Code: *body.Code, Message: *body.Message, Header: http.Header{}}
	if body.Details != nil {
		e.Details = *body.Details
	}
	if body.Hint != nil {
		e.Hint = *body.Hint
	}
	for name, value := range head.Headers {
		e.Header.Set(name, value)
	}
	return e
}

func misraised(details, hint string) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "PGRST121",
		Message: "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", Details: details, Hint: hint}
}
