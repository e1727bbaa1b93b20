package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// newFixtures is the MCP server that the suite expects: every name and text is the suite's. Those that the suite calls
// and that are not here belong to what baseline.yml lists.
func newFixtures(more ...server.ServerOption) *server.MCPServer {
	s := server.NewMCPServer("conformance", "1", append([]server.ServerOption{
		server.WithToolCapabilities(true), server.WithResourceCapabilities(true, true), server.WithPromptCapabilities(true),
		server.WithCompletions(), server.WithLogging(),
	}, more...)...)
	addContent(s)
	addNotifications(s)
	addResources(s)
	addPrompts(s)
	addInput(s)
	return s
}

// One pixel, and no sound.
const (
	pngPixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
	wavEmpty = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
)

func addTool(s *server.MCPServer, name string, handler server.ToolHandlerFunc, arguments ...string) {
	schema := map[string]any{"type": "object", "properties": map[string]any{}}
	if len(arguments) > 0 {
		properties := map[string]any{}
		for _, argument := range arguments {
			properties[argument] = map[string]any{"type": "string", "description": "An argument"}
		}
		schema["properties"], schema["required"] = properties, arguments
	}
	text, err := json.Marshal(schema)
	if err != nil {
		panic(err) // a map of strings
	}
	s.AddTool(mcp.NewToolWithRawSchema(name, "A fixture of the conformance suite", text), handler)
}

// answer is the handler of a tool that always answers the same.
func answer(content ...mcp.Content) server.ToolHandlerFunc {
	return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: content}, nil
	}
}

func addContent(s *server.MCPServer) {
	image := mcp.NewImageContent(pngPixel, "image/png")
	addTool(s, "test_simple_text", answer(mcp.NewTextContent("This is a simple text response for testing.")))
	addTool(s, "test_image_content", answer(image))
	addTool(s, "test_audio_content", answer(mcp.NewAudioContent(wavEmpty, "audio/wav")))
	addTool(s, "test_embedded_resource", answer(mcp.NewEmbeddedResource(mcp.TextResourceContents{
		URI: "test://embedded-resource", MIMEType: "text/plain", Text: "This is an embedded resource content.",
	})))
	addTool(s, "test_multiple_content_types", answer(
		mcp.NewTextContent("Multiple content types test:"), image,
		mcp.NewEmbeddedResource(mcp.TextResourceContents{
			URI: "test://mixed-content-resource", MIMEType: "application/json", Text: `{"test":"data","value":123}`,
		})))
	addTool(s, "test_error_handling", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("This tool intentionally returns an error for testing"), nil
	})
	addTool(s, "test_missing_capability", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("the client did not declare the capability sampling"), nil
	})
	s.AddTool(mcp.NewToolWithRawSchema("test_headers", "An argument that clients repeat in a header", json.RawMessage(
		`{"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}`)),
		answer(mcp.NewTextContent("ok")))
	s.AddTool(mcp.NewToolWithRawSchema("json_schema_2020_12_tool", "Much of JSON Schema 2020-12", schema2020),
		answer(mcp.NewTextContent("ok")))
}

// schema2020 is what a schema may have that ours never do.
var schema2020 = json.RawMessage(`{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"$defs": {"address": {"$anchor": "addressDef", "type": "object",
		"properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
	"properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"}, "email": {"type": "string"}},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]}, "else": {"required": ["email"]},
	"additionalProperties": false}`)

// notificationTime is what the suite asks to wait between notifications. mcp-go may lose one that the answer follows at
// once: it was taken from the queue, and not yet written.
const notificationTime = 50 * time.Millisecond

// addNotifications adds the tools that say something before they answer, or to others.
func addNotifications(s *server.MCPServer) {
	logging := func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			err := s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "conformance", text))
			if err != nil {
				return nil, err
			}
			time.Sleep(notificationTime)
		}
		return mcp.NewToolResultText("logged"), nil
	}
	addTool(s, "test_tool_with_logging", logging)
	addTool(s, "test_logging_tool", logging)
	addTool(s, "test_tool_with_progress", func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.Params.Meta == nil || r.Params.Meta.ProgressToken == nil {
			return mcp.NewToolResultText("nobody asked for progress"), nil
		}
		for _, progress := range []int{0, 50, 100} {
			err := s.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
				"progressToken": r.Params.Meta.ProgressToken, "progress": progress, "total": 100,
			})
			if err != nil {
				return nil, err
			}
			time.Sleep(notificationTime)
		}
		return mcp.NewToolResultText("done"), nil
	})
	for name, method := range map[string]string{
		"test_trigger_tool_change":   mcp.MethodNotificationToolsListChanged,
		"test_trigger_prompt_change": mcp.MethodNotificationPromptsListChanged,
	} {
		addTool(s, name, func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			s.SendNotificationToAllClients(method, nil)
			return mcp.NewToolResultText("changed"), nil
		})
	}
}

func addResources(s *server.MCPServer) {
	read := func(contents mcp.ResourceContents) server.ResourceHandlerFunc {
		return func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{contents}, nil
		}
	}
	for _, text := range []mcp.TextResourceContents{
		{URI: "test://static-text", Text: "This is the content of the static text resource."},
		{URI: "test://watched-resource", Text: "It never changes."},
	} {
		text.MIMEType = "text/plain"
		s.AddResource(mcp.NewResource(text.URI, text.URI, mcp.WithResourceDescription("A text"),
			mcp.WithMIMEType(text.MIMEType)), read(text))
	}
	binary := mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: pngPixel}
	s.AddResource(mcp.NewResource(binary.URI, binary.URI, mcp.WithResourceDescription("A picture"),
		mcp.WithMIMEType(binary.MIMEType)), read(binary))
	s.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "template",
		mcp.WithTemplateDescription("A text for each id"), mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			ids, _ := r.Params.Arguments["id"].([]string)
			if len(ids) != 1 {
				return nil, fmt.Errorf("there is not one id in %s", r.Params.URI)
			}
			return []mcp.ResourceContents{mcp.TextResourceContents{
				URI: r.Params.URI, MIMEType: "application/json",
				Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, ids[0], ids[0]),
			}}, nil
		})
}

func addPrompts(s *server.MCPServer) {
	add := func(name string, messages func(arguments map[string]string) []mcp.Content, arguments ...string) {
		prompt := mcp.NewPrompt(name, mcp.WithPromptDescription("A fixture of the conformance suite"))
		for _, argument := range arguments {
			mcp.WithArgument(argument, mcp.ArgumentDescription("An argument"), mcp.RequiredArgument())(&prompt)
		}
		s.AddPrompt(prompt, func(_ context.Context, r mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			result := &mcp.GetPromptResult{}
			for _, content := range messages(r.Params.Arguments) {
				result.Messages = append(result.Messages, mcp.NewPromptMessage(mcp.RoleUser, content))
			}
			return result, nil
		})
	}
	add("test_simple_prompt", func(map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent("This is a simple prompt for testing.")}
	})
	add("test_prompt_with_arguments", func(a map[string]string) []mcp.Content {
		return []mcp.Content{mcp.NewTextContent("Prompt with arguments: arg1='" + a["arg1"] + "', arg2='" + a["arg2"] + "'")}
	}, "arg1", "arg2")
	add("test_prompt_with_embedded_resource", func(a map[string]string) []mcp.Content {
		return []mcp.Content{
			mcp.NewEmbeddedResource(mcp.TextResourceContents{
				URI: a["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing.",
			}),
			mcp.NewTextContent("Please process the embedded resource above."),
		}
	}, "resourceUri")
	add("test_prompt_with_image", func(map[string]string) []mcp.Content {
		return []mcp.Content{
			mcp.NewImageContent(pngPixel, "image/png"),
			mcp.NewTextContent("Please analyze the image above."),
		}
	})
}
