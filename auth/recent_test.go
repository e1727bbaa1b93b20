package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRememberedTokenIsStillChecked(t *testing.T) {
	now := noon
	v := NewHS256([]byte(secret), project, WithClock(func() time.Time { return now }))
	token := good(claims(noon.Unix()+60, fmt.Sprintf(`,"nbf":%d`, noon.Unix())))
	verify := func(token string, want error) {
		t.Helper()
		c, err := v.Verify(token)
		if !errors.Is(err, want) || (err == nil) != (c.Token == token && c.Verified) {
			t.Errorf("at %s: got %v, %v, want error %v", now.Format(time.TimeOnly), c.ID, err, want)
		}
	}
	verify(token, nil)
	verify(token, nil)
	head, _, _ := strings.Cut(token, ".")
	unsigned := token[:strings.LastIndex(token, ".")+1]
	verify(forge(hs256, claims(noon.Unix()+60, ""), sha256.New, "another secret"), ErrSignature)
	verify(unsigned+strings.Repeat("A", 43), ErrSignature)
	verify(head, ErrMalformed)
	now = noon.Add(-time.Second)
	verify(token, ErrNotYetValid)
	now = noon.Add(61 * time.Second)
	verify(token, ErrExpired)
	now = noon
	verify(token, nil)
}

func TestManyTokensAreNotMistakenForEachOther(t *testing.T) {
	v := NewHS256([]byte(secret), project, WithClock(clock))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range 500 { // far more than are remembered
				user := fmt.Sprintf("user-%d", n)
				payload := fmt.Sprintf(`{"sub":%q,"role":"authenticated","project_id":%q,"exp":%d}`, user, project, noon.Unix())
				for range 2 {
					if c, err := v.Verify(good(payload)); err != nil || c.ID != user {
						t.Errorf("%s: got %q, %v", user, c.ID, err)
					}
				}
			}
		})
	}
	wg.Wait()
}
