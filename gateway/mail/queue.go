package mail

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
)

// queue brings messages to the provider. It is the table internal.messages: whoever takes a message puts its due_at off
// by a lease and renews it while the message is being handed over, so that each is taken once, and again by another
// when its taker died. A message can be handed over twice only if its taker died, or lost the database for longer than
// the lease, between the provider's yes and the row's; its Message-ID is the same then, by which receivers know it.
type queue struct {
	provider Provider
	name     string // of the provider: what another one accepted is not ours to send
	log      *slog.Logger
	pool     *pgxpool.Pool

	wake  chan struct{} // something may be due
	slots chan struct{} // one for each message that may be handed over at once

	// What stops one after the other when the queue is closed.
	taking, sending, settling             context.Context
	stopTaking, stopSending, stopSettling context.CancelFunc

	running sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]chan struct{} // closed when the first try of a message has ended
}

const (
	parallel    = 4
	lease       = 15 * time.Second
	renewal     = 5 * time.Second
	sendTimeout = 2 * time.Minute // of one try
	longestIdle = 30 * time.Second

	// A message is tried for about a day: after 5 s, 15 s, 45 s and so on, up to an hour. Tries, not time, are counted, so
	// that one which waited in a machine that was off has them all.
	maxTries   = 30
	firstPause = 5 * time.Second
	lastPause  = time.Hour
)

func newQueue(provider Provider, log *slog.Logger) *queue {
	q := &queue{
		provider: provider, log: log, wake: make(chan struct{}, 1), slots: make(chan struct{}, parallel),
		waiting: map[string]chan struct{}{},
	}
	if provider != nil {
		q.name = provider.Readiness().Provider
	}
	q.taking, q.stopTaking = context.WithCancel(context.Background())
	q.sending, q.stopSending = context.WithCancel(context.Background())
	q.settling, q.stopSettling = context.WithCancel(context.Background())
	return q
}

func (q *queue) start(pool *pgxpool.Pool) {
	if q.provider == nil || q.taking.Err() != nil {
		return
	}
	q.pool = pool
	q.running.Add(1)
	go func() {
		defer q.running.Done()
		q.run()
	}()
}

// close ends everything that is under way shortly before ctx does. What is not settled then is by the lease's end.
func (q *queue) close(ctx context.Context) {
	q.stopTaking()
	done := make(chan struct{})
	go func() {
		q.running.Wait()
		close(done)
	}()
	const toSettle = 300 * time.Millisecond // to write that a message waits again
	patience := time.Hour
	if end, ok := ctx.Deadline(); ok {
		patience = max(0, time.Until(end)-toSettle)
	}
	select {
	case <-done:
	case <-time.After(patience):
	}
	q.stopSending()
	select {
	case <-done:
	case <-ctx.Done():
	}
	q.stopSettling()
}

// kick says that something may be due.
func (q *queue) kick() {
	select {
	case q.wake <- struct{}{}:
	default: // it has been said
	}
}

// expect returns what is closed when the first try of a message here has ended. The caller must forget it.
func (q *queue) expect(id string) (tried <-chan struct{}, forget func()) {
	done := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting[id] = done
	return done, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.waiting, id)
	}
}

func (q *queue) tell(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if done, ok := q.waiting[id]; ok {
		close(done)
		delete(q.waiting, id)
	}
}

func (q *queue) run() {
	for {
		idle, err := q.takeAll()
		if err != nil && q.taking.Err() == nil {
			q.log.Warn("the mail queue could not be read", "error", err)
			idle = firstPause
		}
		timer := time.NewTimer(idle)
		select {
		case <-q.wake:
		case <-timer.C:
		case <-q.taking.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// takeAll takes messages while any is due, and returns how long none will be.
func (q *queue) takeAll() (time.Duration, error) {
	for {
		select {
		case q.slots <- struct{}{}:
		case <-q.taking.Done():
			return 0, q.taking.Err()
		}
		j, found, err := q.take()
		if err != nil || !found {
			<-q.slots
			if err != nil {
				return 0, err
			}
			return q.idle()
		}
		q.running.Add(1)
		go func() {
			defer q.running.Done()
			defer func() { <-q.slots }()
			q.deliver(j)
		}()
	}
}

// job is a message that was taken.
type job struct {
	Outgoing
	attempts int // with this one
}

func (q *queue) take() (j job, found bool, err error) {
	err = q.pool.QueryRow(q.taking, `
		update internal.messages set due_at = now() + $1, attempts = attempts + 1, updated_at = now()
		where id = (select id from internal.messages where due_at <= now() and provider = $2
		            order by due_at limit 1 for update skip locked)
		returning id, from_address, to_address, raw, created_at, attempts`, lease, q.name,
	).Scan(&j.ID, &j.From, &j.To, &j.Raw, &j.Accepted, &j.attempts)
	if errors.Is(err, pgx.ErrNoRows) {
		return job{}, false, nil
	}
	return j, err == nil, err
}

// idle is how long nothing will be due. Messages that another copy of the program took count too, in case it dies.
func (q *queue) idle() (time.Duration, error) {
	var seconds *float64
	err := q.pool.QueryRow(q.taking, `
		select extract(epoch from min(due_at) - clock_timestamp())::float8 from internal.messages
		where due_at is not null and provider = $1`, q.name).Scan(&seconds)
	if err != nil || seconds == nil {
		return longestIdle, err
	}
	const least = 20 * time.Millisecond // the clocks of two machines, and a row that is locked just now
	return min(max(time.Duration(*seconds*float64(time.Second)), least), longestIdle), nil
}

// deliver makes one try.
func (q *queue) deliver(j job) {
	ctx, cancel := context.WithTimeout(q.sending, sendTimeout)
	defer cancel()
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		q.renew(ctx, j)
	}()
	receipt, err := q.provider.Send(ctx, j.Outgoing)
	cancel()
	<-renewed
	q.settle(j, receipt, err)
	q.tell(j.ID)
}

// renew keeps a message while ctx lasts.
func (q *queue) renew(ctx context.Context, j job) {
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			const later = `update internal.messages set due_at = now() + $3
				where id = $1 and attempts = $2 and due_at is not null`
			if _, err := q.pool.Exec(ctx, later, j.ID, j.attempts, lease); err != nil && ctx.Err() == nil {
				q.log.Warn("a message being sent may be sent twice: its lease could not be renewed", "id", j.ID, "error", err)
			}
		}
	}
}

// settle writes what became of a try. It takes pains to: what is not written is sent again.
func (q *queue) settle(j job, receipt Receipt, err error) {
	write := q.outcome(j, receipt, err)
	ctx, cancel := context.WithTimeout(q.settling, lease)
	defer cancel()
	_, failed := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, q.pool.SendBatch(ctx, write).Close()
	}, backoff.WithMaxElapsedTime(lease))
	if failed != nil {
		q.log.Error("what became of a message could not be written, so it will be sent again", "id", j.ID, "error", failed)
	}
}

// outcome is what to write, and says it to the log, without the words of a provider, which may name the recipient.
func (q *queue) outcome(j job, receipt Receipt, err error) *pgx.Batch {
	var (
		batch     pgx.Batch
		rejection *Rejection
	)
	log := q.log.With("id", j.ID, "try", j.attempts)
	// A try that did not succeed has a say only while it is the latest, and nothing is settled.
	const ours = " where id = $1 and attempts = $2 and due_at is not null"
	failed := func(status, text string) {
		batch.Queue(
			"update internal.messages set status = $3, error = $4, due_at = null, raw = null, updated_at = now()"+ours,
			j.ID, j.attempts, status, shortened(text))
	}
	switch {
	case err == nil:
		log.Info("a message was handed over", "status", receipt.Status)
		var providerID *string
		if receipt.ID != "" {
			providerID = &receipt.ID
		}
		batch.Queue(`
			update internal.messages set status = $2, provider_message_id = $3, error = null, due_at = null, updated_at = now(),
				sent_at = case when $2 = 'sent' then now() end, raw = case when $2 = 'kept' then raw end
			where id = $1`, j.ID, receipt.Status, providerID)
	case errors.As(err, &rejection):
		log.Warn("a message was refused for good", "bounce", rejection.Bounce)
		status := wire.MailFailed
		if rejection.Bounce {
			status = wire.MailBounced
			batch.Queue(`insert into internal.suppressions (address, reason) values (lower($1), 'bounce')
				on conflict do nothing`, j.To)
		}
		failed(status, rejection.Text)
	case q.sending.Err() != nil: // it is ours that there was no time: the next start goes on at once
		batch.Queue("update internal.messages set due_at = now(), attempts = attempts - 1"+ours, j.ID, j.attempts)
	case j.attempts >= maxTries:
		log.Error("a message was given up", described(err))
		failed(wire.MailFailed, "given up: "+err.Error())
	default:
		pause := pauseAfter(j.attempts)
		log.Warn("a message will be tried again", "in", pause, described(err))
		batch.Queue("update internal.messages set due_at = now() + $3, error = $4, updated_at = now()"+ours,
			j.ID, j.attempts, pause, shortened(err.Error()))
	}
	return &batch
}

// pauseAfter is how long to wait after so many tries. The schedule is in the table, so no library keeps it.
func pauseAfter(tries int) time.Duration {
	pause := firstPause
	for range tries - 1 {
		pause = min(3*pause, lastPause)
	}
	return pause + rand.N(pause/5) //nolint:gosec // a spread, no secret
}
