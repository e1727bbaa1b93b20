package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pair is an ES256 key that signs.
type pair struct{ private *ecdsa.PrivateKey }

func newPair(t testing.TB) pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{private}
}

func (p pair) point(t testing.TB) []byte {
	t.Helper()
	raw, err := p.private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// jwk is the public key in a set; a kid of "-" is none.
func (p pair) jwk(t testing.TB, kid string) string {
	t.Helper()
	b64, raw := base64.RawURLEncoding.EncodeToString, p.point(t)
	named := fmt.Sprintf(`"kid":%q,`, kid)
	if kid == "-" {
		named = ""
	}
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256",%s"x":%q,"y":%q}`, named, b64(raw[1:33]), b64(raw[33:]))
}

func (p pair) sign(t testing.TB, header, payload string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func jwks(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func es256(kid string) string { return `{"alg":"ES256","kid":"` + kid + `"}` }

func TestVerifyByKeyset(t *testing.T) {
	one, two, legacy := newPair(t), newPair(t), newPair(t)
	const long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	oct := func(alg, kid string) string {
		return fmt.Sprintf(`{"kty":"oct","alg":%q,"kid":%q,"k":%q}`, alg, kid, base64.RawURLEncoding.EncodeToString([]byte(long)))
	}
	set, err := ParseKeySet(jwks(one.jwk(t, "one"), two.jwk(t, "two"), legacy.jwk(t, "-"), oct("HS512", "h512"), oct("HS256", "h256"),
		`{"kty":"OKP","kid":"okp","crv":"Ed25519"}`, `{"kty":"EC","crv":"P-384","kid":"p384"}`))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 5 {
		t.Fatalf("%d keys", set.Len())
	}
	ok := claims(noon.Unix(), "")
	b64 := base64.RawURLEncoding.EncodeToString
	der := one.sign(t, es256("one"), ok)
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"ES256":                            {one.sign(t, es256("one"), ok), nil},
		"ES256 of the other key":           {two.sign(t, es256("two"), ok), nil},
		"ES256 without kid":                {legacy.sign(t, `{"alg":"ES256"}`, ok), nil},
		"HS512":                            {forge(`{"alg":"HS512","kid":"h512"}`, ok, sha512.New, long), nil},
		"HS256":                            {forge(`{"alg":"HS256","kid":"h256"}`, ok, sha256.New, long), nil},
		"a kid's key is final":             {one.sign(t, es256("two"), ok), ErrSignature},
		"no kid, but a named key's":        {one.sign(t, `{"alg":"ES256"}`, ok), ErrSignature},
		"unknown kid":                      {one.sign(t, es256("three"), ok), ErrUnknownKey},
		"the kid of a key that is ignored": {one.sign(t, es256("p384"), ok), ErrUnknownKey},
		"empty kid":                        {legacy.sign(t, es256(""), ok), ErrUnknownKey},
		"kid a number":                     {one.sign(t, `{"alg":"ES256","kid":1}`, ok), ErrUnknownKey},
		"kid null":                         {legacy.sign(t, `{"alg":"ES256","kid":null}`, ok), ErrUnknownKey},
		"HS256 by an HS512 key":            {forge(`{"alg":"HS256","kid":"h512"}`, ok, sha256.New, long), ErrAlgorithm},
		"HS512 by an HS256 key":            {forge(`{"alg":"HS512","kid":"h256"}`, ok, sha512.New, long), ErrAlgorithm},
		"key confusion, the point":         {forge(`{"alg":"HS256","kid":"one"}`, ok, sha256.New, string(one.point(t))), ErrAlgorithm},
		"key confusion, x":                 {forge(`{"alg":"HS256","kid":"one"}`, ok, sha256.New, string(one.point(t)[1:33])), ErrAlgorithm},
		"key confusion, the JWK":           {forge(`{"alg":"HS256","kid":"one"}`, ok, sha256.New, one.jwk(t, "one")), ErrAlgorithm},
		"key confusion without kid":        {forge(`{"alg":"HS256"}`, ok, sha256.New, string(legacy.point(t))), ErrAlgorithm},
		"ES256 by a secret":                {one.sign(t, es256("h256"), ok), ErrAlgorithm},
		"none":                             {b64([]byte(`{"alg":"none","kid":"one"}`)) + "." + b64([]byte(ok)) + ".", ErrAlgorithm},
		"RS256":                            {forge(`{"alg":"RS256","kid":"rsa"}`, ok, sha256.New, long), ErrUnknownKey},
		"ES384":                            {one.sign(t, `{"alg":"ES384","kid":"one"}`, ok), ErrAlgorithm},
		"its own key in the header": {
			newPair(t).sign(t, `{"alg":"ES256","kid":"one","jwk":`+newPair(t).jwk(t, "one")+`,"jku":"https://evil.example"}`, ok), ErrSignature,
		},
		"critical":              {one.sign(t, `{"alg":"ES256","kid":"one","crit":["b64"],"b64":false}`, ok), ErrMalformed},
		"a signature cut short": {der[:len(der)-2], ErrSignature},
		"an empty signature":    {der[:strings.LastIndexByte(der, '.')+1], ErrSignature},
		"padded":                {der + "==", ErrMalformed},
		"expired by a second":   {one.sign(t, es256("one"), claims(noon.Unix()-1, "")), ErrExpired},
		"another project":       {one.sign(t, es256("one"), strings.Replace(ok, project, "prj_x", 1)), ErrOtherProject},
		"claims of wrong types": {one.sign(t, es256("one"), strings.Replace(ok, `"u1"`, `1`, 1)), ErrMalformed},
		"huge":                  {one.sign(t, es256("one"), claims(noon.Unix(), `,"x":"`+strings.Repeat("x", MaxTokenBytes)+`"`)), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewVerifier(set, project, WithClock(clock)).Verify(test.token)
			if !errors.Is(err, test.want) || c.Verified != (test.want == nil) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestABarePassphraseGoesWithAKeyset(t *testing.T) {
	one := newPair(t)
	set, err := ParsePublicKeySet(jwks(one.jwk(t, "one")))
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(set.With(HS256([]byte(secret))), project, WithClock(clock))
	for name, token := range map[string]string{
		"ES256": one.sign(t, es256("one"), claims(noon.Unix(), "")), "HS256": good(claims(noon.Unix(), "")),
	} {
		if _, err := v.Verify(token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysetsThatCannotBeMeant(t *testing.T) {
	one := newPair(t).jwk(t, "one")
	for name, text := range map[string]string{
		"no JSON":            `{`,
		"a list":             `[]`,
		"no keys":            `{}`,
		"keys null":          `{"keys":null}`,
		"none of use":        `{"keys":[]}`,
		"for encryption":     `{"keys":[` + strings.Replace(one, `{`, `{"use":"enc",`, 1) + `]}`,
		"off the curve":      `{"keys":[{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}]}`,
		"short":              `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		"padded":             `{"keys":[` + strings.Replace(one, `","y"`, `=","y"`, 1) + `]}`,
		"a guessable secret": `{"keys":[{"kty":"oct","alg":"HS256","k":"aHVudGVyMg"}]}`,
		"a secret for any":   `{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`,
	} {
		if set, err := ParseKeySet([]byte(text)); err == nil {
			t.Errorf("%s: %d keys", name, set.Len())
		} else if strings.Contains(err.Error(), "aHVudGVyMg") {
			t.Errorf("%s: the error quotes a secret: %v", name, err)
		}
	}
	const published = `{"keys":[{"kty":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`
	if set, err := ParsePublicKeySet([]byte(published)); err != nil || set.Len() != 0 {
		t.Errorf("a secret that was published is %d keys, error %v", set.Len(), err)
	}
}

func TestRemoteKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newPair(t), newPair(t)
		var fetched atomic.Int64
		var answer func() (*KeySet, error)
		only := func(p pair, kid string) func() (*KeySet, error) {
			return func() (*KeySet, error) { return ParsePublicKeySet(jwks(p.jwk(t, kid))) }
		}
		down := func() (*KeySet, error) { return nil, errors.New("down") }
		var log bytes.Buffer
		keys := NewRemoteKeys(func(context.Context) (*KeySet, error) { fetched.Add(1); return answer() }, &KeySet{},
			slog.New(slog.NewTextHandler(&log, nil)))
		v := NewVerifier(keys, project)
		by := func(p pair, kid string) string {
			return p.sign(t, es256(kid), claims(time.Now().Add(24*time.Hour).Unix(), ""))
		}
		check := func(what, token string, want error, fetches int64) {
			t.Helper()
			if _, err := v.Verify(token); !errors.Is(err, want) {
				t.Errorf("%s: error %v, want %v", what, err, want)
			}
			synctest.Wait()
			if got := fetched.Load(); got != fetches {
				t.Errorf("%s: fetched %d times, want %d", what, got, fetches)
			}
		}
		answer = down
		check("no keys fail closed", by(one, "one"), ErrUnknownKey, 1)
		check("and are not asked for again at once", by(one, "one"), ErrUnknownKey, 1)
		answer = only(one, "one")
		time.Sleep(30 * time.Second)
		check("later they are", by(one, "one"), nil, 2)
		check("and are kept", by(one, "one"), nil, 2)
		check("an unknown kid waits", by(two, "two"), ErrUnknownKey, 2)
		time.Sleep(30 * time.Second)
		check("then asks, in vain", by(two, "two"), ErrUnknownKey, 3)
		answer = only(two, "two")
		check("but once in 30 s", by(two, "two"), ErrUnknownKey, 3)
		time.Sleep(30 * time.Second)
		check("and finds the new key", by(two, "two"), nil, 4)
		check("the old one has signed nothing", by(one, "one"), ErrUnknownKey, 4)
		answer = down
		time.Sleep(5 * time.Minute)
		check("stale keys serve while they are fetched", by(two, "two"), nil, 5)
		check("and stay when that fails", by(two, "two"), nil, 5)
		if n := strings.Count(log.String(), "cannot be fetched"); n != 2 {
			t.Errorf("%d warnings of two times that it was down:\n%s", n, &log)
		}
	})
}

func TestFetchKeys(t *testing.T) {
	one := newPair(t)
	var elsewhere atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer thief.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer key":
			w.WriteHeader(401)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, thief.URL, http.StatusFound)
		case r.URL.Path == "/long":
			_, _ = io.WriteString(w, strings.Repeat(" ", maxKeySet+1))
		case r.URL.Path == "/html":
			_, _ = io.WriteString(w, "<html>")
		default:
			_, _ = w.Write(jwks(one.jwk(t, "one")))
		}
	}))
	if set, err := FetchKeys(s.URL, "key")(t.Context()); err != nil || set.Len() != 1 {
		t.Errorf("error %v", err)
	}
	for path, want := range map[string]string{"/moved": "302", "/long": "64 KiB", "/html": "no JSON Web Key Set"} {
		if _, err := FetchKeys(s.URL+path, "key")(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", path, err, want)
		}
	}
	if _, err := FetchKeys(s.URL, "")(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
	if elsewhere.Load() != 0 {
		t.Error("the redirect was followed")
	}
	s.Close()
	if _, err := FetchKeys(s.URL+"/hunter2", "key")(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseKeySet(f *testing.F) {
	f.Add(jwks(newPair(f).jwk(f, "one")))
	f.Add([]byte(`{"keys":[{"kty":"oct","alg":"HS512","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if set, err := ParseKeySet(text); err == nil && set.Len() == 0 {
			t.Error("a set without keys")
		}
	})
}

func BenchmarkVerifyES256(b *testing.B) {
	one := newPair(b)
	set, err := ParsePublicKeySet(jwks(one.jwk(b, "one")))
	if err != nil {
		b.Fatal(err)
	}
	token := one.sign(b, es256("one"), claims(noon.Unix(), ""))
	for b.Loop() {
		if _, err := NewVerifier(set, project, WithClock(clock)).Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
