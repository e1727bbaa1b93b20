// Package ai serves the AI helpers of contract section 8: translation, moderation and images. What does the work is a
// provider, chosen for each of them; a helper without one says how to get one, and never makes anything up. What was
// used is counted in PostgreSQL, so that a cap holds for all copies of the program together.
package ai

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Translator translates. The request is one that the contract allows, its languages in lower case. Name is for people.
type Translator interface {
	Name() string
	Translate(ctx context.Context, in wire.Translate) (wire.Translation, error)
}

// Moderator judges texts.
type Moderator interface {
	Name() string
	Moderate(ctx context.Context, text string) (wire.Moderation, error)
}

// Painter makes images of an aspect of the contract's.
type Painter interface {
	Name() string
	Paint(ctx context.Context, prompt, aspect string) (wire.Image, error)
}

// Options say who does what, and how much. A nil provider means that nobody does.
type Options struct {
	Translator Translator
	Moderator  Moderator
	Painter    Painter

	// Words and Images are how much a month may have; 0 is no cap.
	Words, Images int64

	Pool func(context.Context) (*pgxpool.Pool, error) // of the login that owns the internal schema
	Log  *slog.Logger

	Timeout time.Duration // of one call; 0 means 45 s, which is within what clients wait
}

// maxCalls is how many calls are with providers at once; more wait, for at most maxWait.
const (
	maxCalls       = 8
	maxWait        = 10 * time.Second
	defaultTimeout = 45 * time.Second
)

// AI serves the AI helpers of one project.
type AI struct {
	opts  Options
	calls chan struct{} // one for each call under way
	wait  time.Duration
}

// New returns the AI helpers of a project. It asks no provider anything.
func New(opts Options) *AI {
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	return &AI{opts: opts, calls: make(chan struct{}, maxCalls), wait: maxWait}
}

// Routes adds the routes of contract section 8 to a mux, behind the guard, which lets the service key pass.
func (a *AI) Routes(mux *http.ServeMux, guard func(http.HandlerFunc) http.HandlerFunc) {
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST " + wire.AITranslate:   a.translate,
		"POST " + wire.AIModerate:    a.moderate,
		"POST " + wire.GenerateImage: a.generateImage,
		"GET " + wire.AIUsage:        a.usage,
	} {
		mux.HandleFunc(pattern, guard(route.Handle(a.opts.Log, serve)))
	}
}

// Providers names who does what; "" is nobody.
func (a *AI) Providers() map[string]string {
	names := map[string]string{"translate": "", "moderate": "", "generate_image": ""}
	if p := a.opts.Translator; p != nil {
		names["translate"] = p.Name()
	}
	if p := a.opts.Moderator; p != nil {
		names["moderate"] = p.Name()
	}
	if p := a.opts.Painter; p != nil {
		names["generate_image"] = p.Name()
	}
	return names
}

// ask lets a provider work within its time, once there is room and what it will use is paid for. What a call used that
// came to nothing is given back.
func ask[Out any](
	ctx context.Context, a *AI, k kind, units int64, work func(context.Context) (Out, error),
) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Timeout)
	defer cancel()
	var none Out
	if err := a.enter(ctx); err != nil {
		return none, err
	}
	defer func() { <-a.calls }()
	if err := a.reserve(ctx, k, units); err != nil {
		return none, err
	}
	out, err := work(ctx)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // who gives up in the middle has used it: else a cap could be evaded
			a.giveBack(ctx, k, units)
		}
		return none, a.refused(ctx, k, err)
	}
	return out, nil
}

// enter waits for room.
func (a *AI) enter(ctx context.Context) error {
	timer := time.NewTimer(a.wait)
	defer timer.Stop()
	select {
	case a.calls <- struct{}{}:
		return nil
	case <-timer.C:
		return refuseBusy()
	case <-ctx.Done():
		return refuseBusy()
	}
}
