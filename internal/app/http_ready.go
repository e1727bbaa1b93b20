package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// readiness answers whether calls can be served: the backend is there, and its database.
type readiness struct {
	ready func(context.Context) error
	log   *slog.Logger

	mu     sync.Mutex // held while asking, so that many who ask are one question
	asked  time.Time
	reason string // empty when ready
}

const (
	readyFor     = 2 * time.Second // how long an answer is good for
	readyTimeout = 5 * time.Second
)

// ServeHTTP answers 200, or 503 with a reason that says nothing a stranger may not know; the log has the rest.
func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if reason := h.ask(r.Context()); reason != "" {
		w.Header().Set("Retry-After", "2")
		writeStatus(w, http.StatusServiceUnavailable, reason)
		return
	}
	writeStatus(w, http.StatusOK, "ready")
}

func (h *readiness) ask(ctx context.Context) (reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.asked) < readyFor {
		return h.reason
	}
	// Not ended by who asks, who may go away: the answer is for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	err := h.ready(ctx)
	switch {
	case err == nil:
		h.reason = ""
	case errors.Is(err, context.DeadlineExceeded):
		h.reason = "the backend or its database does not answer yet"
	default:
		h.reason = "the backend or its database cannot be used: the log of this server says why"
	}
	if err != nil {
		h.log.Warn("not ready", "err", err)
	}
	h.asked = time.Now()
	return h.reason
}

func writeStatus(w http.ResponseWriter, code int, status string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status}) // a client that is gone needs no answer
}
