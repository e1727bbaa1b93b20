package users

import (
	"context"
	"crypto/sha256"
	"math"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Tries at passwords are counted in PostgreSQL, so that copies of the program count together; whoever guesses has this
// many in a quarter of an hour. Nobody knows from an answer whether there is such a user: the unknown count too.
const (
	triesOfEmail   = 10
	triesOfAddress = 100
	triesWindow    = 15 * time.Minute
)

// counter is what tries are counted by.
type counter struct {
	key   []byte
	limit int
}

func newCounter(kind, name string, limit int) counter {
	sum := sha256.Sum256([]byte(kind + "\n" + name)) // people type passwords where an address belongs
	return counter{sum[:], limit}
}

func byEmail(email string) counter { return newCounter("email", email, triesOfEmail) }

// byAddress counts by where a request comes from. Loopback is not counted, being this machine or its proxy.
func byAddress(r *http.Request) []counter {
	key, loopback := auth.Address(r)
	if loopback {
		return nil
	}
	return []counter{newCounter("address", key, triesOfAddress)}
}

// count counts a try before it is made, so that those made at once count too, and refuses one too many.
func count(ctx context.Context, db database, counters []counter) error {
	const query = `
		insert into internal.tries as t (key, count, resets_at) values ($1, 1, now() + $2)
		on conflict (key) do update set
			count = case when t.resets_at <= now() then 1 else least(t.count, 1000000) + 1 end,
			resets_at = case when t.resets_at <= now() then now() + $2 else t.resets_at end
		returning count, extract(epoch from resets_at - now())::float8`
	var batch pgx.Batch
	wait := 0.0
	for _, c := range counters {
		batch.Queue(query, c.key, triesWindow).QueryRow(func(row pgx.Row) error {
			var (
				tries int
				rest  float64
			)
			if err := row.Scan(&tries, &rest); err != nil {
				return err
			}
			if tries > c.limit {
				wait = max(wait, rest)
			}
			return nil
		})
	}
	if err := db.SendBatch(ctx, &batch).Close(); err != nil {
		return err
	}
	if wait > 0 {
		return &route.Failure{Status: http.StatusTooManyRequests, Envelope: wire.Error{
			Code: "RATE_LIMITED", Category: "rate_limit", Retryable: true, SafeToRetry: true,
			Message: "too many tries: wait a while, then try again", RetryAfter: int(math.Ceil(wait)),
		}}
	}
	return nil
}

// forgive takes back the tries that led to a success: all those at the account, and this one of the address.
func forgive(ctx context.Context, db database, email counter, addresses []counter) error {
	var batch pgx.Batch
	batch.Queue("delete from internal.tries where key = $1", email.key)
	for _, a := range addresses {
		batch.Queue("update internal.tries set count = count - 1 where key = $1 and count > 0", a.key)
	}
	return db.SendBatch(ctx, &batch).Close()
}
