package gateway

import (
	"context"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/assets"
)

// AssetOptions say where a project's assets are kept; see assets.Options. Without Dir and URL none can be.
type AssetOptions struct {
	Dir       string
	URL       string
	Quota     int64
	PublicURL string
}

// assetRoutes adds what the mux can tell apart; ServeHTTP has the routes whose paths hold keys.
func (g *Gateway) assetRoutes() {
	o := g.opts.Assets
	g.assets = assets.New(assets.Options{
		ProjectID: g.opts.Project.ID, ServiceKey: g.opts.Project.ServiceKey, Pool: g.internalPool, Log: g.opts.Log,
		Dir: o.Dir, URL: o.URL, Quota: o.Quota, PublicURL: o.PublicURL,
	})
	g.mux.HandleFunc("POST "+wire.AssetPut, g.serviceKey(apikeyFirst, g.open(g.assets.Put())))
	g.mux.HandleFunc("GET "+wire.AssetBlobs, g.serviceKey(apikeyFirst, g.open(g.assets.List())))
}

// CheckAssets reports whether assets can be kept; the error is for the operator.
func (g *Gateway) CheckAssets(ctx context.Context) error { return g.assets.Check(ctx) }
