package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
)

// ErrNotAccepted is what an Ask returns when the backend refuses the token.
var ErrNotAccepted = errors.New("the backend does not accept the token")

// Ask asks the backend whose token it is: the user's id, or ErrNotAccepted. Any other error means that it could not be
// asked.
type Ask func(ctx context.Context, token string) (userID string, err error)

// Asker verifies tokens whose keys are nowhere to be had, by asking the backend that made them. An answer is good for a
// minute and kept by the token's hash. It is safe for concurrent use.
type Asker struct {
	ask       Ask
	projectID string
	now       func() time.Time
	answers   *otter.Cache[[sha256.Size]byte, askAnswer]
}

type askAnswer struct {
	userID string
	err    error
}

const (
	askedFor    = time.Minute      // how long an answer is good
	unaskedFor  = 10 * time.Second // how long nobody asks again after there was none
	askTimeout  = 5 * time.Second
	maxAnswered = 10_000
)

// NewAsker returns a verifier that asks. A token must be of projectID, unless that is empty.
func NewAsker(ask Ask, projectID string) *Asker {
	return &Asker{
		ask: ask, projectID: projectID, now: time.Now,
		answers: otter.Must(&otter.Options[[sha256.Size]byte, askAnswer]{
			MaximumSize: maxAnswered,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[[sha256.Size]byte, askAnswer]) time.Duration {
				if e.Value.err == nil || errors.Is(e.Value.err, ErrNotAccepted) {
					return askedFor
				}
				return unaskedFor
			}),
		}),
	}
}

// Verify returns who a token speaks for: its own claims, once the backend has accepted it, marked ByBackend. While the
// backend cannot be asked, the caller is not verified: the backend still decides on every request, and a gate here
// lets nobody pass.
func (a *Asker) Verify(token string) (Caller, error) {
	c, err := Unverified(token)
	switch {
	case err != nil:
		return Caller{}, err
	case c.expired(a.now()):
		return Caller{}, ErrExpired
	case a.projectID != "" && c.ProjectID != "" && c.ProjectID != a.projectID:
		return Caller{}, ErrOtherProject
	}
	answer, err := a.answers.Get(context.Background(), sha256.Sum256([]byte(token)),
		otter.LoaderFunc[[sha256.Size]byte, askAnswer](func(context.Context, [sha256.Size]byte) (askAnswer, error) {
			// Not ended by whoever happened to ask: the answer is for all who send this token.
			ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
			defer cancel()
			id, err := a.ask(ctx, token)
			return askAnswer{id, err}, nil
		}))
	switch {
	case err != nil: // a panic of ask
		return Caller{}, ErrNotAccepted
	case errors.Is(answer.err, ErrNotAccepted), answer.err == nil && answer.userID != c.ID:
		return Caller{}, ErrNotAccepted
	}
	c.Verified = answer.err == nil
	c.ByBackend = c.Verified
	return c, nil
}

// OrAsk returns verify, and asks where it does not know the token's key.
func OrAsk(verify Verify, asker *Asker) Verify {
	return func(token string) (Caller, error) {
		c, err := verify(token)
		if errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrAlgorithm) {
			return asker.Verify(token)
		}
		return c, err
	}
}
