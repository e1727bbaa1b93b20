package users

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// failure is an answer that says no; its text is for whoever asked.
type failure struct {
	status   int
	envelope wire.Error
}

func (f *failure) Error() string { return f.envelope.Message }

func refuse(status int, code, message string) *failure {
	return &failure{status, wire.Error{Code: code, Category: "auth", Message: message}}
}

func invalid(field, message string) *failure {
	return &failure{http.StatusBadRequest, wire.Error{
		Code: "INVALID_REQUEST", Category: "validation", Message: message, Details: fieldDetail(field),
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

// handle turns a route that may fail into a handler. Its answers are never to be kept by anybody in between.
func (u *Users) handle(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		var (
			said    *failure
			tooLong *http.MaxBytesError
		)
		switch {
		case errors.As(err, &said):
			said.envelope.MutationState = "none"
			auth.WriteError(w, said.status, said.envelope)
		case errors.As(err, &tooLong):
			auth.WriteError(w, http.StatusRequestEntityTooLarge, auth.BodyTooLarge(tooLong.Limit))
		default: // pgx puts no value into an error's text
			u.opts.Log.ErrorContext(r.Context(), "a request about users failed", "route", r.Pattern, "error", err)
			auth.WriteError(w, http.StatusServiceUnavailable, wire.Error{
				Code: "DATABASE_UNAVAILABLE", Category: "local", Retryable: true, MutationState: "unknown", RetryAfter: 1,
				Message: "the database did not answer: try again in a moment",
			})
		}
	}
}

// maxBody is room for a password and an address many times over.
const maxBody = 64 << 10

// decode reads a JSON object.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return err
	}
	if err != nil {
		return invalid("", "the request's body ended early: send it again")
	}
	err = json.Unmarshal(raw, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return invalid(wrong.Field, wrong.Field+" has the wrong type")
	}
	if err != nil {
		return invalid("", "the body must be a JSON object")
	}
	return nil
}

func answer(w http.ResponseWriter, status int, v any) error {
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
