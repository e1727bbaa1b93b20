// Package route is what the parts of the gateway have in common about a route: reading a JSON object, answering one,
// and saying no with the envelope of contract section 11.
package route

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// Failure is an answer that says no; its text is for whoever asked. Its mutation state is "none" unless it says
// another.
type Failure struct {
	Status   int
	Envelope wire.Error
}

// Error returns the message.
func (f *Failure) Error() string { return f.Envelope.Message }

// Invalid refuses a request for what one of its fields holds; of the whole body the field is empty.
func Invalid(field, message string) *Failure {
	return &Failure{Status: http.StatusBadRequest, Envelope: wire.Error{
		Code: "INVALID_REQUEST", Category: "validation", Message: message, Field: field, Details: fieldDetail(field),
	}}
}

func fieldDetail(field string) json.RawMessage {
	if field == "" {
		return nil
	}
	raw, err := json.Marshal(map[string]string{"field": field})
	if err != nil { // a string always can be
		return nil
	}
	return raw
}

// Handle turns a route that may fail into a handler. An error that is no Failure is the database's: the log gets its
// text, in which pgx puts no value.
func Handle(log *slog.Logger, serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		var (
			said    *Failure
			tooLong *http.MaxBytesError
		)
		switch {
		case errors.As(err, &said):
			envelope := said.Envelope
			if envelope.MutationState == "" {
				envelope.MutationState = "none"
			}
			auth.WriteError(w, said.Status, envelope)
		case errors.As(err, &tooLong):
			auth.WriteError(w, http.StatusRequestEntityTooLarge, auth.BodyTooLarge(tooLong.Limit))
		default:
			log.ErrorContext(r.Context(), "a request failed", "route", r.Pattern, "error", err)
			auth.WriteError(w, http.StatusServiceUnavailable, wire.Error{
				Code: "DATABASE_UNAVAILABLE", Category: "local", Retryable: true, MutationState: "unknown", RetryAfter: 1,
				Message: "the database did not answer: try again in a moment",
			})
		}
	}
}

// Decode reads a JSON object of at most limit bytes.
func Decode(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	raw, err := Read(w, r, limit)
	if err != nil {
		return err
	}
	return Unmarshal(raw, into)
}

// Read reads a body of at most limit bytes.
func Read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, err
	}
	if err != nil {
		return nil, Invalid("", "the request's body ended early: send it again")
	}
	return raw, nil
}

// Unmarshal takes a body that must be a JSON object.
func Unmarshal(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return Invalid(wrong.Field, wrong.Field+" has the wrong type")
	}
	if err != nil {
		return Invalid("", "the body must be a JSON object")
	}
	return nil
}

// Answer answers with JSON that nobody in between is to keep.
func Answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody left to tell
	return nil
}
