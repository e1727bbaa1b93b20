package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// answerKey names our question among those that a client answers, and the field of its form.
const answerKey = "confirm"

// asking is how a client can be made to ask its person. mcp-go would ask without regard to what the client can do.
type asking int

const (
	cannotAsk  asking = iota
	inACall           // clients up to 2025-11-25: we send elicitation/create while the call waits
	inTwoCalls        // since 2026-07-28: the result says what to ask, and the client calls again with the answer
)

func askingOf(ctx context.Context) asking {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if hasForms(info.ClientCapabilities) {
			return inTwoCalls
		}
		return cannotAsk
	}
	session := server.ClientSessionFromContext(ctx)
	known, ok := session.(server.SessionWithClientInfo)
	if _, can := session.(server.SessionWithElicitation); !can || !ok { // legacy SSE cannot
		return cannotAsk
	}
	if capabilities := known.GetClientCapabilities(); hasForms(&capabilities) {
		return inACall
	}
	return cannotAsk
}

// hasForms reports whether a client shows forms; one that says no more than that it elicits means forms.
func hasForms(c *mcp.ClientCapabilities) bool {
	return c != nil && c.Elicitation != nil && (c.Elicitation.Form != nil || c.Elicitation.URL == nil)
}

// form is a question to a person. To accept it is not enough: some clients accept whatever they are sent.
func form(message string) mcp.ElicitationParams {
	return mcp.ElicitationParams{
		Message: message,
		RequestedSchema: map[string]any{
			"type": "object",
			"properties": map[string]any{
				answerKey: map[string]any{"type": "boolean", "title": "Yes, do this", "default": false},
			},
			"required": []string{answerKey},
		},
	}
}

// elicit asks through the session, within the time of a call. mcp-go's own bridge for such clients would wait without
// end for one that never answers.
func (s *Set) elicit(ctx context.Context, message string) (*mcp.ElicitationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithElicitation)
	if !ok {
		return nil, server.ErrElicitationNotSupported
	}
	return session.RequestElicitation(ctx, mcp.ElicitationRequest{
		Request: mcp.Request{Method: string(mcp.MethodElicitationCreate)}, Params: form(message),
	})
}

// judge returns nil when the person agreed, else what the agent has to know.
func judge(answer *mcp.ElicitationResult) error {
	if answer == nil {
		return &failure{
			Code: codeNotConfirmed, Message: "the call came back without an answer", MutationState: "not_started",
			NextStep: "Repeat the call as it was first, to be asked again.",
		}
	}
	switch answer.Action {
	case mcp.ElicitationResponseActionAccept:
		content, _ := answer.Content.(map[string]any)
		if agreed, _ := content[answerKey].(bool); agreed {
			return nil
		}
		return declined("the person sent the form without agreeing")
	case mcp.ElicitationResponseActionDecline:
		return declined("the person declined")
	}
	return declined("the person closed the question without an answer")
}

func declined(why string) error {
	return &failure{
		Code: codeDeclined, Message: why + ": nothing was changed", MutationState: "not_started",
		NextStep: "Do not try again unless the person asks for it.",
	}
}
