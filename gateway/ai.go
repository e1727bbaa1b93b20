package gateway

import (
	"net/http"

	"github.com/run402/functions-mcp/gateway/ai"
)

func (g *Gateway) aiRoutes() {
	opts := g.opts.AI
	opts.Pool, opts.Log = g.internalPool, g.opts.Log
	g.ai = ai.New(opts)
	g.ai.Routes(g.mux, func(next http.HandlerFunc) http.HandlerFunc { return g.serviceKey(apikeyFirst, g.open(next)) })
}

// AIProviders names who does what of the AI helpers; nil where there are none.
func (g *Gateway) AIProviders() map[string]string {
	if g.ai == nil {
		return nil
	}
	return g.ai.Providers()
}
