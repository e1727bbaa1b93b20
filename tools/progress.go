package tools

import (
	"context"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// progressGap is how often a client that asked hears that a call goes on. Some give up on silence.
const progressGap = 5 * time.Second

// progress tells the client of a call that asked for it, at once and then now and again, that the call goes on. How far
// it has come nobody knows, so it counts seconds without a total. The returned function ends it.
func (s *Set) progress(ctx context.Context, message string) (stop func()) {
	meta := confirmationOf(ctx).request.Meta
	m := server.ServerFromContext(ctx)
	if meta == nil || meta.ProgressToken == nil || m == nil {
		return func() {}
	}
	tell := func(ctx context.Context, seconds int) {
		// A client that is gone has nobody to tell, and the call ends by itself.
		_ = m.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
			"progressToken": meta.ProgressToken, "progress": seconds, "message": message,
		})
	}
	tell(ctx, 0)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		start, ticker := time.Now(), time.NewTicker(progressGap)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				tell(ctx, int(time.Since(start).Seconds()))
			}
		}
	})
	return func() { cancel(); running.Wait() }
}
