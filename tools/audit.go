package tools

import (
	"context"
	"time"
)

// Audit keeps what happened. Record is called once for every finished call, from many goroutines; it must not block for
// long and has no way to fail the call.
type Audit interface {
	Record(ctx context.Context, e Event)
}

// Event says who did what to what, and how it ended. It holds no argument and no value.
type Event struct {
	Principal string // the caller's id; "anon" when nobody signed in, "unknown" when the credential was refused
	Verified  bool   // the id comes from a token whose signature was checked
	Tool      string
	Plane     string // "caller", "admin" or "none"
	Target    string // the table or function; empty when the tool has none or the arguments were not understood
	Outcome   string // "ok", or the error's code; "INPUT_REQUIRED" when the client is to ask the person and call again
	Confirmed string // "elicitation" or "token" when the call was confirmed that way; see docs/security.md on its worth
	Rows      int    // returned or, for a write, affected
	Duration  time.Duration
}

type noAudit struct{}

func (noAudit) Record(context.Context, Event) {}
