package tools

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func newSeal(t testing.TB, secret, purpose string) sealer {
	t.Helper()
	s, err := newSealer([]byte(secret), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAProofOpensAsWhatWasSealed(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s, about := newSeal(t, "secret", "a purpose"), subject("delete_rows", "ana", "{}")
	for _, g := range []grant{
		{rows: 0}, {rows: 1}, {rows: 250}, {rows: 1 << 40}, {rows: anyRows}, {rows: 7, destroy: "00ff00ff00ff00ff"},
	} {
		proof := s.seal(g, about, now)
		if got, err := s.open(proof, about, now.Add(proofLife-time.Second)); err != nil || got != g {
			t.Errorf("%+v opens as %+v, %v", g, got, err)
		}
		if _, err := s.open(proof, about, now.Add(proofLife)); !errors.Is(err, errProofExpired) {
			t.Errorf("after its life: %v", err)
		}
		if len(proof) > 52 || strings.Contains(proof, "AAA") || strings.Contains(proof, "___") {
			t.Errorf("%s is hard to copy", proof)
		}
		for name, open := range map[string]func() (grant, error){
			"another subject": func() (grant, error) { return s.open(proof, subject("delete_rows", "ana{", "}"), now) },
			"another purpose": func() (grant, error) { return newSeal(t, "secret", "another").open(proof, about, now) },
			"another secret":  func() (grant, error) { return newSeal(t, "Secret", "a purpose").open(proof, about, now) },
			"no secret":       func() (grant, error) { return newSeal(t, "", "a purpose").open(proof, about, now) },
			"more behind it":  func() (grant, error) { return s.open(proof+"AA", about, now) },
			"nothing":         func() (grant, error) { return s.open("", about, now) },
		} {
			if _, err := open(); !errors.Is(err, errProofForeign) {
				t.Errorf("%s: %v", name, err)
			}
		}
		raw, err := base64.RawURLEncoding.DecodeString(proof)
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			raw[i] ^= 1
			if _, err := s.open(base64.RawURLEncoding.EncodeToString(raw), about, now); !errors.Is(err, errProofForeign) {
				t.Errorf("byte %d changed: %v", i, err)
			}
			raw[i] ^= 1
		}
	}
	if copied, err := newSeal(t, "secret", "a purpose").open(s.seal(grant{rows: 3}, about, now), about, now); err != nil || copied.rows != 3 {
		t.Errorf("another copy of the server: %+v, %v", copied, err)
	}
}

func FuzzProof(f *testing.F) {
	now := time.Now()
	s, about := newSeal(f, "secret", "a purpose"), subject("a")
	sealed := s.seal(grant{rows: 3, destroy: "0123456789abcdef"}, about, now)
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, proof string) {
		if _, err := s.open(proof, about, now); err == nil && proof != sealed {
			t.Errorf("%q opened", proof)
		}
	})
}
