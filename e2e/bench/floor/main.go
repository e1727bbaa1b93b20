// Command floor is the least that an MCP server on mcp-go can be: one tool, which answers with the JSON text that the
// program was started with, on standard streams or on the address that is its second argument. What it takes is what
// every program on mcp-go pays.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	serve := server.ServeStdio
	if len(os.Args) > 2 {
		serve = func(s *server.MCPServer, _ ...server.StdioOption) error { return listen(s, os.Args[2]) }
	}
	if err := serve(s); err != nil {
		log.Fatal(err)
	}
}

// listen serves both transports until SIGTERM.
func listen(s *server.MCPServer, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	sse := server.NewSSEServer(s)
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s))
	mux.Handle("/sse", sse.SSEHandler())
	mux.Handle("/message", sse.MessageHandler())
	fmt.Printf("http://%s\n", listener.Addr())
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		os.Exit(0)
	}()
	return (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(listener)
}
