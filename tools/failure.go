package tools

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"

	"github.com/run402/functions-mcp/core"
)

// Codes of failures that the tools find themselves. All others are the backend's: UPPER_SNAKE, a SQLSTATE or PGRSTnnn.
const (
	codeInvalidArgument = "INVALID_ARGUMENT"
	codeUnknownArgument = "UNKNOWN_ARGUMENT"
	codeUnknownTable    = "UNKNOWN_TABLE"
	codeRecipient       = "RECIPIENT_NOT_ALLOWED" // by --email-allow
	codeInvalidToken    = "INVALID_TOKEN"
	codeTimeout         = "TIMEOUT"
	codeCanceled        = "CANCELED"
	codeInternal        = "INTERNAL_ERROR"

	codeConfirm       = "CONFIRMATION_REQUIRED" // repeat the call with confirm_token
	codeConfirmDenied = "CONFIRMATION_DENIED"   // there is no way to confirm it
	codeDeclined      = "CONFIRMATION_DECLINED" // the person was asked and did not agree
	codeNotConfirmed  = "CONFIRMATION_INVALID"  // what came as a confirmation is none
	codeInputRequired = "INPUT_REQUIRED"        // an outcome only: the client is asking
)

// failure is what a tool answers when it could not do its work, in words that an agent can act on: what was wrong with
// what, what would be right, one next step.
type failure struct {
	Code          string   `json:"code"`
	Message       string   `json:"message"`
	Details       string   `json:"details,omitempty"`
	Argument      string   `json:"argument,omitempty"`
	DidYouMean    string   `json:"did_you_mean,omitempty"`
	Valid         []string `json:"valid,omitempty"`
	NextStep      string   `json:"next_step,omitempty"`
	Destroys      []string `json:"destroys,omitempty"`
	AllowedRoles  []string `json:"allowed_roles,omitempty"` // of ROLE_FORBIDDEN
	ConfirmToken  string   `json:"confirm_token,omitempty"`
	Retryable     bool     `json:"retryable"`
	RetryAfter    int      `json:"retry_after,omitempty"` // seconds
	MutationState string   `json:"mutation_state,omitempty"`
	TraceID       string   `json:"trace_id,omitempty"`
}

func (f *failure) Error() string { return f.Code + ": " + f.Message }

// failed makes a failure of whatever a tool returned. An error that nobody foresaw is ours: the caller gets an id, the
// log gets the same id and the error's type, since its text may hold a value.
func failed(ctx context.Context, log *slog.Logger, tool string, err error) *failure {
	var f *failure
	var remote *core.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f = &failure{
			Code: codeTimeout, Message: "the call took too long and was stopped", Retryable: true,
			NextStep: "Ask for less: more filters, fewer columns or a smaller limit.",
		}
	case errors.Is(err, context.Canceled):
		return &failure{Code: codeCanceled, Message: "the call was cancelled", MutationState: "unknown"}
	case errors.As(err, &remote):
		return fromRemote(remote)
	default:
		id := rand.Text()[:12]
		log.ErrorContext(ctx, "tool failed", "tool", tool, "id", id, "type", typeName(err))
		return &failure{
			Code: codeInternal, Message: "something went wrong in functions-mcp itself", TraceID: id,
			NextStep: "Report it with the trace_id; the server's log says more.",
		}
	}
	if errors.As(err, &remote) {
		f.MutationState = remote.MutationState
	}
	return f
}

// fromRemote keeps what the backend said. Advice about it is explain's.
func fromRemote(e *core.Error) *failure {
	f := &failure{
		Code: e.Code, Message: e.Message, Details: e.Details, NextStep: e.Hint, Retryable: e.Retryable,
		RetryAfter: e.RetryAfter, MutationState: e.MutationState, TraceID: e.TraceID,
	}
	if f.Code == "" {
		f.Code = "BACKEND_ERROR"
	}
	if f.Message == "" {
		f.Message = e.Error()
	}
	return f
}

// argument is a failure about one argument.
func argument(name, message, next string) *failure {
	return &failure{Code: codeInvalidArgument, Argument: name, Message: message, NextStep: next}
}
