package gateway

import (
	"net/http"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
)

// invoke will call a function by its name, contract section 10.1. There is no runtime for functions yet: whoever may
// call one is told so.
func (g *Gateway) invoke(w http.ResponseWriter, r *http.Request) {
	if !auth.EqualKeys(r.Header.Get("apikey"), g.opts.Project.ServiceKey) {
		if _, refusal := g.caller(r); refusal != nil {
			auth.WriteError(w, refusal.status, refusal.envelope)
			return
		}
	}
	if !wire.ValidFunctionName(r.PathValue("name")) {
		auth.WriteError(w, http.StatusNotFound, wire.Error{
			Code: "FUNCTION_NOT_FOUND", Category: "not_found", MutationState: "none",
			Message: "no function can have this name",
			Hint: "Names have 1 to 64 characters of a-z, 0-9, _ and -, begin with a letter or digit, and are not " +
				`"invoke" or "runs".`,
		})
		return
	}
	auth.WriteError(w, http.StatusServiceUnavailable, wire.Error{
		Code: "DYNAMIC_RUNTIME_UNAVAILABLE", Category: "local", SafeToRetry: true, MutationState: "none",
		Message: "the local gateway does not run functions yet",
		Hint:    "Call it on the hosted project: set RUN402_PROJECT_ID and RUN402_ANON_KEY to that project's.",
		NextActions: []wire.NextAction{{
			Type: "deploy", Why: "hosted Run402 runs functions: deploy it there, and call it with that project's keys",
		}},
	})
}
