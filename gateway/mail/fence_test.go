package mail

import (
	"context"
	"errors"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

// A machine that slept in the middle of a try wakes up when another copy has sent the message: what it has to say of
// its own try is too late, and must not have the message sent again, without its bytes at that.
func TestALateFailureDoesNotUndoWhatAnotherCopySettled(t *testing.T) {
	slept, woken := make(chan struct{}), make(chan struct{})
	sleeper := provider{func(context.Context, Outgoing) (Receipt, error) {
		close(slept)
		<-woken
		return Receipt{}, errors.New("the connection is gone")
	}}
	pool := newPool(t)
	s := serviceOver(t, pool, sleeper)
	box := s.box(t, "hello")
	id := s.sendFrom(t, box, letterTo("ana@example.com"), "Prefer", "respond-async").want(t, 201).text("message_id")
	<-slept
	other := newQueue(provider{}, s.opts.Log)
	other.pool = pool
	if _, err := pool.Exec(t.Context(), "update internal.messages set due_at = now()"); err != nil { // the lease ran out
		t.Fatal(err)
	}
	j, found, err := other.take()
	if err != nil || !found {
		t.Fatalf("found %v, %v", found, err)
	}
	tried, forget := s.queue.expect(id)
	defer forget()
	other.settle(j, Receipt{Status: wire.MailSent}, nil)
	close(woken)
	<-tried
	var status string
	var due bool
	const query = "select status, due_at is not null from internal.messages"
	if err := pool.QueryRow(t.Context(), query).Scan(&status, &due); err != nil {
		t.Fatal(err)
	}
	if status != wire.MailSent || due {
		t.Errorf("the message is %s, and due again: %v", status, due)
	}
}
