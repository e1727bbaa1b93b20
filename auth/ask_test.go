package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// askable is a backend that knows one token's user.
func askable(token, id string) (Ask, *atomic.Int64, *atomic.Bool) {
	var asked atomic.Int64
	var down atomic.Bool
	return func(_ context.Context, given string) (string, error) {
		asked.Add(1)
		switch {
		case down.Load():
			return "", errors.New("down")
		case given == token:
			return id, nil
		}
		return "", ErrNotAccepted
	}, &asked, &down
}

func TestAskerTakesTheBackendsWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		token, forged := good(claims(in(time.Hour), "")), forge(hs256, claims(in(time.Hour), ""), sha256.New, "another")
		ask, asked, down := askable(token, "u1")
		a := NewAsker(ask, project)
		defer a.answers.StopAllGoroutines()
		check := func(what, token string, want error, verified bool, asks int64) {
			t.Helper()
			c, err := a.Verify(token)
			if !errors.Is(err, want) || c.Verified != verified || c.ByBackend != verified || asked.Load() != asks {
				t.Errorf("%s: verified %v, error %v, asked %d times; want %v, %v, %d", what, c.Verified, err, asked.Load(), verified, want, asks)
			}
		}
		check("no JWT", "r402_x", ErrMalformed, false, 0)
		check("expired", good(claims(in(-time.Second), "")), ErrExpired, false, 0)
		check("another project", good(strings.Replace(claims(in(time.Hour), ""), project, "prj_x", 1)), ErrOtherProject, false, 0)
		check("a user", token, nil, true, 1)
		check("again", token, nil, true, 1)
		check("forged", forged, ErrNotAccepted, false, 2)
		check("forged, again", forged, ErrNotAccepted, false, 2)
		time.Sleep(61 * time.Second)
		check("a minute later", token, nil, true, 3)
		down.Store(true)
		check("what is known stands while it is down", token, nil, true, 3)
		time.Sleep(61 * time.Second)
		check("then nobody is verified", token, nil, false, 4)
		check("and it is left alone a moment", token, nil, false, 4)
		down.Store(false)
		time.Sleep(11 * time.Second)
		check("until it is back", token, nil, true, 5)
	})
}

func TestAskerRefusesAUserThatIsNotTheTokens(t *testing.T) {
	token := good(claims(time.Now().Add(time.Hour).Unix(), ""))
	ask, _, _ := askable(token, "somebody else")
	if c, err := NewAsker(ask, project).Verify(token); !errors.Is(err, ErrNotAccepted) {
		t.Errorf("caller %+v, error %v", c, err)
	}
}

func TestManyWhoSendOneTokenAreOneQuestion(t *testing.T) {
	token := good(claims(time.Now().Add(time.Hour).Unix(), ""))
	ask, asked, _ := askable(token, "u1")
	a := NewAsker(ask, project)
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if c, err := a.Verify(token); err != nil || !c.Verified {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestOrAskAsksOnlyAboutKeysThatAreNotKnown(t *testing.T) {
	one := newPair(t)
	exp := time.Now().Add(time.Hour).Unix()
	set, err := ParsePublicKeySet(jwks(one.jwk(t, "one")))
	if err != nil {
		t.Fatal(err)
	}
	old := good(claims(exp, ""))
	ask, asked, _ := askable(old, "u1")
	verify := OrAsk(NewVerifier(set, project).Verify, NewAsker(ask, project))
	for _, test := range []struct {
		token string
		want  error
		asks  int64
	}{
		{one.sign(t, es256("one"), claims(exp, "")), nil, 0},
		{newPair(t).sign(t, es256("one"), claims(exp, "")), ErrSignature, 0},
		{old, nil, 1},
		{newPair(t).sign(t, es256("two"), claims(exp, "")), ErrNotAccepted, 2},
	} {
		if _, err := verify(test.token); !errors.Is(err, test.want) || asked.Load() != test.asks {
			t.Errorf("error %v, asked %d times; want %v, %d", err, asked.Load(), test.want, test.asks)
		}
	}
}
