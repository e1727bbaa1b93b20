// Command floor is the least that an MCP server on mcp-go can be: one tool, which answers with the JSON text that the
// program was started with. What it takes is what every program on mcp-go pays.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func main() {
	text := "{}"
	if len(os.Args) > 1 {
		text = os.Args[1]
	}
	s := server.NewMCPServer("floor", "1")
	schema := json.RawMessage(`{"type":"object","properties":{"table":{"type":"string"}}}`)
	tool := mcp.NewToolWithRawSchema("query_table", "A fixed answer.", schema)
	s.AddTool(tool, func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{
			Content:           []mcp.Content{mcp.TextContent{Type: "text", Text: text}},
			StructuredContent: json.RawMessage(text),
		}, nil
	})
	if err := server.ServeStdio(s); err != nil {
		log.Fatal(err)
	}
}
