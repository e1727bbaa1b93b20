package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// addInput adds the tools that ask the client for something. Each is written once, for the revision without sessions;
// mcp-go asks older clients in their own way.
func addInput(s *server.MCPServer) {
	addElicitation(s)
	addRounds(s)
	addTool(s, "test_sampling", func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if result := server.SamplingResponse(r.Params.InputResponses, "llm"); result != nil {
			text, _ := result.Content.(mcp.TextContent)
			return mcp.NewToolResultText("LLM response: " + text.Text), nil
		}
		return server.NewInputRequestBuilder("").Sample("llm", sample(r.GetString("prompt", ""), 100)).ToolResult(), nil
	}, "prompt")
	addTool(s, "test_input_required_result_sampling",
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if result := server.SamplingResponse(r.Params.InputResponses, "capital_question"); result != nil {
				return mcp.NewToolResultText(fmt.Sprint(result.Content)), nil
			}
			return server.NewInputRequestBuilder("").
				Sample("capital_question", sample("What is the capital of France?", 100)).ToolResult(), nil
		})
	addTool(s, "test_input_required_result_list_roots",
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if result := server.RootsResponse(r.Params.InputResponses, "client_roots"); result != nil {
				return mcp.NewToolResultText(fmt.Sprint(result.Roots)), nil
			}
			return server.NewInputRequestBuilder("").Roots("client_roots").ToolResult(), nil
		})
	addTool(s, "test_input_required_result_capabilities",
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			ask := server.NewInputRequestBuilder("")
			info := server.RequestProtocolInfoFromContext(ctx)
			if info == nil || info.ClientCapabilities == nil {
				return mcp.NewToolResultError("the client declares no capabilities"), nil
			}
			if info.ClientCapabilities.Sampling != nil {
				ask.Sample("sampled", sample("Say something", 10))
			}
			if info.ClientCapabilities.Elicitation != nil {
				ask.Elicit("elicited", form("What is your name?", "name", "string"))
			}
			return ask.ToolResult(), nil
		})
	s.AddPrompt(mcp.NewPrompt("test_input_required_result_prompt", mcp.WithPromptDescription("Asks before it answers")),
		func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			if server.ElicitationResponse(r.Params.InputResponses, "user_context") == nil {
				return server.NewInputRequestBuilder("").
					Elicit("user_context", form("What context should the prompt use?", "context", "string")).PromptResult(), nil
			}
			return &mcp.GetPromptResult{Messages: []mcp.PromptMessage{
				mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent("With that context.")),
			}}, nil
		})
}

// addElicitation adds the tools that ask one question of the user.
func addElicitation(s *server.MCPServer) {
	for name, property := range map[string]string{
		"test_elicitation": "username", "test_streaming_elicitation": "username",
		"test_input_required_result_elicitation": "name",
	} {
		ask := func(r mcp.CallToolRequest) mcp.ElicitationParams {
			return form(r.GetString("message", "What is your name?"), property, "string")
		}
		addTool(s, name, elicit(ask), map[bool][]string{true: {"message"}}[name == "test_elicitation"]...)
	}
	addTool(s, "test_elicitation_sep1034_defaults", elicit(func(mcp.CallToolRequest) mcp.ElicitationParams {
		return object("Which values?", nil, map[string]any{
			"name":     map[string]any{"type": "string", "default": "John Doe"},
			"age":      map[string]any{"type": "integer", "default": 30},
			"score":    map[string]any{"type": "number", "default": 95.5},
			"status":   map[string]any{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
			"verified": map[string]any{"type": "boolean", "default": true},
		})
	}))
	options := []string{"option1", "option2", "option3"}
	titled := []map[string]any{
		{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}, {"const": "value3", "title": "Third"},
	}
	addTool(s, "test_elicitation_sep1330_enums", elicit(func(mcp.CallToolRequest) mcp.ElicitationParams {
		return object("Which options?", nil, map[string]any{
			"untitledSingle": map[string]any{"type": "string", "enum": options},
			"titledSingle":   map[string]any{"type": "string", "oneOf": titled},
			"legacyEnum": map[string]any{
				"type": "string", "enum": []string{"opt1", "opt2", "opt3"}, "enumNames": []string{"One", "Two", "Three"},
			},
			"untitledMulti": map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": options}},
			"titledMulti":   map[string]any{"type": "array", "items": map[string]any{"anyOf": titled}},
		})
	}))
}

// elicit is the handler of a tool that asks the user one question and says what they answered.
func elicit(ask func(mcp.CallToolRequest) mcp.ElicitationParams) server.ToolHandlerFunc {
	return func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer := server.ElicitationResponse(r.Params.InputResponses, "user_name")
		if answer == nil {
			return server.NewInputRequestBuilder("").Elicit("user_name", ask(r)).ToolResult(), nil
		}
		return mcp.NewToolResultText(fmt.Sprintf("action=%s, content=%v", answer.Action, answer.Content)), nil
	}
}

// addRounds adds the tools that carry state from one round to the next. Theirs is plain text, which nobody forges here:
// the program signs its own.
func addRounds(s *server.MCPServer) {
	confirm := form("Please confirm", "ok", "boolean")
	for _, name := range []string{"request_state", "tampered_state"} {
		addTool(s, "test_input_required_result_"+name,
			func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				switch {
				case len(r.Params.InputResponses) == 0:
					return server.NewInputRequestBuilder("asked").Elicit("confirm", confirm).ToolResult(), nil
				case r.Params.RequestState != "asked":
					return nil, errors.New("the state is not what was handed out")
				}
				return mcp.NewToolResultText("state-ok"), nil
			})
	}
	addTool(s, "test_input_required_result_multiple_inputs",
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if len(r.Params.InputResponses) == 3 {
				return mcp.NewToolResultText("all three came"), nil
			}
			return server.NewInputRequestBuilder("asked").
				Elicit("user_name", form("What is your name?", "name", "string")).
				Sample("greeting", sample("Generate a greeting", 50)).
				Roots("client_roots").ToolResult(), nil
		})
	addTool(s, "test_input_required_result_multi_round",
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			name, named := strings.CutPrefix(r.Params.RequestState, "named ")
			switch first := server.ElicitationResponse(r.Params.InputResponses, "step1"); {
			case named && server.ElicitationResponse(r.Params.InputResponses, "step2") != nil:
				return mcp.NewToolResultText("Done, " + name), nil
			case first != nil:
				return server.NewInputRequestBuilder(fmt.Sprint("named ", first.Content)).
					Elicit("step2", form("Step 2: What is your favorite color?", "color", "string")).ToolResult(), nil
			}
			return server.NewInputRequestBuilder("new").
				Elicit("step1", form("Step 1: What is your name?", "name", "string")).ToolResult(), nil
		})
}

func sample(prompt string, maxTokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{MaxTokens: maxTokens, Messages: []mcp.SamplingMessage{
		{Role: mcp.RoleUser, Content: mcp.NewTextContent(prompt)},
	}}
}

// form asks for one value.
func form(message, property, kind string) mcp.ElicitationParams {
	return object(message, []string{property}, map[string]any{property: map[string]any{"type": kind}})
}

func object(message string, required []string, properties map[string]any) mcp.ElicitationParams {
	schema := map[string]any{"type": "object", "properties": properties}
	if required != nil { // clients refuse null
		schema["required"] = required
	}
	return mcp.ElicitationParams{Message: message, RequestedSchema: schema}
}
