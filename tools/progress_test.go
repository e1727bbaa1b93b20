package tools

import (
	"context"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/core/hostedtest"
)

func TestGenerateImageTellsAClientThatAskedThatItGoesOn(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	scriptImage(g, picturePNG(t, 8))
	c, err := client.NewInProcessClient(newServer(newSet(t, g, nil)))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan mcp.JSONRPCNotification, 10)
	c.OnNotification(func(n mcp.JSONRPCNotification) { heard <- n })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // in process there is nothing to fail
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	if _, err := c.Initialize(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = "generate_image", map[string]any{"prompt": "a house"}
	req.Params.Meta = &mcp.Meta{ProgressToken: "p1"}
	if res, err := c.CallTool(context.Background(), req); err != nil || res.IsError {
		t.Fatalf("%v %+v", err, res)
	}
	if n := <-heard; n.Method != "notifications/progress" || n.Params.AdditionalFields["progressToken"] != "p1" {
		t.Errorf("%+v", n)
	}
}
