package assets

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

func refuse(status int, code, message string) *route.Failure {
	return &route.Failure{Status: status, Envelope: wire.Error{Code: code, Category: "validation", Message: message}}
}

func errNotFound() *route.Failure {
	f := refuse(http.StatusNotFound, "STORAGE_NOT_FOUND", "there is no such asset here")
	f.Envelope.Category = "not_found"
	return f
}

// refuseRetryable says that the store did not do its part. A put that was not answered may be made again: the same
// bytes under the same key are the same asset.
func refuseRetryable() *route.Failure {
	return &route.Failure{Status: http.StatusServiceUnavailable, Envelope: wire.Error{
		Code: "STORAGE_UNAVAILABLE", Category: "local", Retryable: true, SafeToRetry: true, MutationState: "unknown",
		RetryAfter: 1, Message: "the store of assets did not answer: the gateway's log and functions-mcp doctor say why",
	}}
}

func refuseQuota(used, limit int64) *route.Failure {
	details, err := json.Marshal(map[string]any{"resource": "storage_bytes", "used": used, "limit": limit})
	if err != nil { // numbers always can be
		details = nil
	}
	return &route.Failure{Status: http.StatusForbidden, Envelope: wire.Error{
		Code: "QUOTA_EXCEEDED", Category: "quota", Details: details,
		Message: fmt.Sprintf("the project's assets may have %d bytes, and have %d: delete some, or put less", limit, used),
	}}
}
