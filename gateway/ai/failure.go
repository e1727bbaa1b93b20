package ai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Failure is why a provider did not do its work. Its texts are ours: what providers say may quote prompts and keys.
type Failure struct {
	Cause Cause
	// Text says more, for whoever asked; it may be empty.
	Text string
	// RetryAfter is what a provider asked to wait, in seconds; 0 when it did not say.
	RetryAfter int
	Err        error // for errors.Is; it is never shown

	status int  // of HTTP, where there was one
	again  bool // it may go better at once
}

// Error names the cause.
func (f *Failure) Error() string { return "AI provider: " + string(f.Cause) + ": " + f.Text }

// Unwrap returns what was behind it.
func (f *Failure) Unwrap() error { return f.Err }

// paid reports whether somebody may have paid for the call all the same.
func (f *Failure) paid() bool {
	return f.Cause == CauseDown || f.Cause == CauseTimeout || f.Cause == CauseAnswer
}

// Cause is a kind of failure; it is the code of the answer.
type Cause string

// The causes.
const (
	CauseAccess   Cause = "PROVIDER_ACCESS_DENIED"  // it does not take the key
	CauseRejected Cause = "PROVIDER_REJECTED"       // it takes no such request, as for a model that it does not have
	CauseContent  Cause = "CONTENT_REJECTED"        // it does not want to work on this text
	CauseLimited  Cause = "PROVIDER_RATE_LIMITED"   // too much at once, or its quota is used up
	CauseDown     Cause = "PROVIDER_UNAVAILABLE"    // no answer, or that it is unwell
	CauseTimeout  Cause = "PROVIDER_TIMEOUT"        // no answer in time
	CauseAnswer   Cause = "PROVIDER_INVALID_ANSWER" // an answer that is none
)

// refused is the answer to a failure of a provider's. None is safe to retry, though a person may want to: what promises
// something was tried again here, as often as it is to be, and a call that got no answer may have been paid for.
func (a *AI) refused(ctx context.Context, k kind, err error) error {
	if said, ok := errors.AsType[*route.Failure](err); ok {
		return said
	}
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		f = &Failure{Cause: CauseDown, Err: err}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && f.status == 0 {
		f = &Failure{Cause: CauseTimeout, Err: err}
	}
	a.opts.Log.WarnContext(ctx, "an AI provider failed", "what", k, "code", string(f.Cause))
	envelope := wire.Error{Code: string(f.Cause), Category: "ai", RetryAfter: f.RetryAfter}
	if f.paid() {
		envelope.MutationState = "unknown"
	}
	status := http.StatusBadGateway
	switch f.Cause {
	case CauseAccess:
		envelope.Message = "the AI provider refused this gateway's key"
		envelope.Hint = "The operator has to check RUN402_AI_API_KEY: functions-mcp doctor tries it."
	case CauseRejected:
		envelope.Message = "the AI provider refused the request"
		envelope.Hint = "The operator has to check RUN402_AI_BASE_URL and the model: functions-mcp doctor tries it."
	case CauseContent:
		status, envelope.Category = http.StatusBadRequest, "validation"
		envelope.Message = "the AI provider will not work on this text"
		envelope.Hint = "Ask for something else."
	case CauseLimited:
		status, envelope.Category, envelope.Retryable = http.StatusTooManyRequests, "rate_limit", true
		envelope.Message = "the AI provider takes no more for now"
		envelope.Hint = "Try again later; if it stays so, the account with the provider is used up."
	case CauseTimeout:
		status, envelope.Retryable = http.StatusGatewayTimeout, true
		envelope.Message = "the AI provider did not answer in time"
		envelope.Hint = "Try again, with less text."
	case CauseAnswer:
		envelope.Retryable = true
		envelope.Message = "the AI provider's answer is not what was asked for"
		envelope.Hint = "Try again; if it stays so, another model may do better."
	default:
		envelope.Retryable = true
		envelope.Message = "the AI provider cannot be reached, or is unwell"
		envelope.Hint = "Try again in a moment; functions-mcp doctor says more."
	}
	if f.Text != "" {
		envelope.Message += ": " + f.Text
	}
	return &route.Failure{Status: status, Envelope: envelope}
}

// refuseBusy says that too many calls wait.
func refuseBusy() error {
	return &route.Failure{Status: http.StatusTooManyRequests, Envelope: wire.Error{
		Code: "RATE_LIMITED", Category: "rate_limit", Retryable: true, SafeToRetry: true, RetryAfter: 2,
		Message: fmt.Sprintf("%d AI calls are under way here, and more do not fit: try again in a moment", maxCalls),
	}}
}

// refuseQuota says that the month's cap is reached, contract section 13.18.
func refuseQuota(k kind, used, limit int64) error {
	details, err := json.Marshal(map[string]any{
		"resource": string(k) + "_per_month", "scope": "project", "used": used, "limit": limit,
	})
	if err != nil { // texts and numbers always can be
		details = nil
	}
	name := map[kind]string{words: "RUN402_AI_WORDS_PER_MONTH", images: "RUN402_AI_IMAGES_PER_MONTH"}[k]
	return &route.Failure{Status: http.StatusForbidden, Envelope: wire.Error{
		Code: "QUOTA_EXCEEDED", Category: "quota", SafeToRetry: true, Details: details,
		Message: fmt.Sprintf("this month's cap of %d is reached, or would be exceeded: %d are used", limit, used),
		Hint:    "Ask for less, wait for the next month, or have the operator raise " + name + ".",
		NextActions: []wire.NextAction{{
			Type: "check_usage", Method: http.MethodGet, Path: wire.AIUsage, Auth: "service_key", Why: "see what is used",
		}},
	}}
}

// notConfigured says how a person gets a provider of a helper.
func notConfigured(what string, ways ...string) error {
	actions := make([]wire.NextAction, 0, len(ways)+1)
	for _, way := range ways {
		actions = append(actions, wire.NextAction{Type: "edit_request", Why: way})
	}
	actions = append(actions, wire.NextAction{Type: "read_docs", Why: "docs/ai.md says more; doctor shows what is set",
		Command: "functions-mcp doctor"})
	return &route.Failure{Status: http.StatusServiceUnavailable, Envelope: wire.Error{
		Code: "PROVIDER_NOT_CONFIGURED", Category: "ai", SafeToRetry: true, NextActions: actions,
		Message: "this gateway has nothing to " + what + " with",
		Hint:    "The operator can change that: " + ways[0],
	}}
}
