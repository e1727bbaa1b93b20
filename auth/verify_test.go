package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	secret  = "a passphrase that only the tests know"
	project = "prj_0123456789abcdef"
	hs256   = `{"alg":"HS256","typ":"JWT"}`
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// forge signs what Sign would not.
func forge(header, payload string, algorithm func() hash.Hash, key string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(algorithm, []byte(key))
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

func good(payload string) string { return forge(hs256, payload, sha256.New, secret) }

// claims is the payload of a token that verifies, with more claims in front of its own or instead of them.
func claims(exp int64, more string) string {
	return fmt.Sprintf(`{"sub":"u1","email":"ana@example.com","role":"authenticated","project_id":%q,"exp":%d%s}`,
		project, exp, more)
}

func TestVerifyReturnsTheCaller(t *testing.T) {
	payload := claims(noon.Unix()+60, `,"amr":["passkey"]`)
	token := good(payload)
	got, err := NewHS256([]byte(secret), project, WithClock(clock)).Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	want := Caller{
		Token: token, ID: "u1", Email: "ana@example.com", Role: "authenticated", ProjectID: project,
		Expires: noon.Add(time.Minute), Claims: []byte(payload), Verified: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
}

func TestVerifyRefuses(t *testing.T) {
	now := noon.Unix()
	ok := claims(now+60, "")
	token := good(ok)
	parts := strings.Split(token, ".")
	// A signature of 32 bytes leaves two bits of its last character unused: only a strict decoder minds them.
	loose := token[:len(token)-1] + string(token[len(token)-1]+1)
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"nothing":            {"", ErrMalformed},
		"no JWT":             {"r402_anon_00", ErrMalformed},
		"two parts":          {parts[0] + "." + parts[1], ErrMalformed},
		"four parts":         {token + ".", ErrMalformed},
		"too long":           {token + strings.Repeat("A", MaxTokenBytes), ErrMalformed},
		"a line feed inside": {parts[0] + ".\n" + parts[1] + "." + parts[2], ErrMalformed},
		"loose base64":       {loose, ErrMalformed},
		"padded base64":      {token + "=", ErrMalformed},
		"standard base64":    {parts[0] + "+/." + parts[1] + "." + parts[2], ErrMalformed},
		"payload null":       {good("null"), ErrMalformed},
		"payload array":      {good(`[{"role":"anon"}]`), ErrMalformed},
		"payload string":     {good(`"role"`), ErrMalformed},
		"payload not JSON":   {good(`{"role":`), ErrMalformed},
		"payload not UTF-8":  {good("{\"sub\":\"\xff\",\"role\":\"anon\",\"exp\":9999999999}"), ErrMalformed},
		"trailing JSON":      {good(ok + "{}"), ErrMalformed},
		"no role": {
			good(fmt.Sprintf(`{"sub":"u1","project_id":%q,"exp":%d}`, project, now+60)), ErrMalformed,
		},
		"role in other case": {good(strings.Replace(ok, `"role"`, `"ROLE"`, 1)), ErrMalformed},
		"role not a string": {
			good(strings.Replace(ok, `"authenticated"`, `["authenticated"]`, 1)), ErrMalformed,
		},
		"sub not a string":        {good(strings.Replace(ok, `"u1"`, `1`, 1)), ErrMalformed},
		"exp a string":            {good(claims(now+60, `,"exp":"9999999999"`)), ErrMalformed},
		"exp null":                {good(claims(now+60, `,"exp":null`)), ErrMalformed},
		"exp beyond all numbers":  {good(claims(now+60, `,"exp":1e999`)), ErrMalformed},
		"exp beyond the calendar": {good(claims(now+60, `,"exp":1e300`)), ErrMalformed},
		"nbf a string":            {good(claims(now+60, `,"nbf":"0"`)), ErrMalformed},
		"alg none":                {forge(`{"alg":"none"}`, ok, sha256.New, secret), ErrAlgorithm},
		"alg none, unsigned": {
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", ErrAlgorithm,
		},
		"alg in lower case":  {forge(`{"alg":"hs256"}`, ok, sha256.New, secret), ErrAlgorithm},
		"alg missing":        {forge(`{}`, ok, sha256.New, secret), ErrAlgorithm},
		"alg not a string":   {forge(`{"alg":256}`, ok, sha256.New, secret), ErrAlgorithm},
		"HS512, well signed": {forge(`{"alg":"HS512"}`, ok, sha512.New, secret), ErrAlgorithm},
		"ES256":              {forge(`{"alg":"ES256"}`, ok, sha256.New, secret), ErrAlgorithm},
		"header array":       {forge(`["HS256"]`, ok, sha256.New, secret), ErrMalformed},
		"kid":                {forge(`{"alg":"HS256","kid":"k1"}`, ok, sha256.New, secret), ErrUnknownKey},
		"empty kid":          {forge(`{"alg":"HS256","kid":""}`, ok, sha256.New, secret), ErrUnknownKey},
		"null kid":           {forge(`{"alg":"HS256","kid":null}`, ok, sha256.New, secret), ErrUnknownKey},
		"critical extension": {
			forge(`{"alg":"HS256","crit":["b64"],"b64":false}`, ok, sha256.New, secret), ErrMalformed,
		},
		"other secret": {forge(hs256, ok, sha256.New, "another"), ErrSignature},
		"no signature": {parts[0] + "." + parts[1] + ".", ErrSignature},
		"payload changed": {
			parts[0] + "." + strings.Split(good(claims(now+61, "")), ".")[1] + "." + parts[2], ErrSignature,
		},
		"expired a second ago": {good(claims(now-1, "")), ErrExpired},
		"expired in 1970":      {good(claims(0, "")), ErrExpired},
		"not valid yet":        {good(claims(now+60, fmt.Sprintf(`,"nbf":%d`, now+1))), ErrNotYetValid},
		"no exp":               {good(`{"role":"authenticated","project_id":"` + project + `"}`), ErrNoExpiry},
		"other project":        {good(strings.Replace(ok, project, "prj_other", 1)), ErrOtherProject},
		"no project": {
			good(fmt.Sprintf(`{"role":"authenticated","exp":%d}`, now+60)), ErrOtherProject,
		},
		"expired and other project": {good(strings.Replace(claims(now-1, ""), project, "prj_other", 1)), ErrExpired},
		"forged and of other project": {
			forge(hs256, strings.Replace(ok, project, "prj_x", 1), sha256.New, "x"), ErrSignature,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewHS256([]byte(secret), project, WithClock(clock)).Verify(test.token)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if diff := cmp.Diff(Caller{}, c); diff != "" {
				t.Errorf("a refused token gave a caller:\n%s", diff)
			}
			checkLeak(t, err, test.token)
		})
	}
}

// checkLeak fails when the error quotes any part of the token.
func checkLeak(t *testing.T, err error, token string) {
	t.Helper()
	for part := range strings.FieldsFuncSeq(token, func(r rune) bool { return r == '.' || r == '\n' }) {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("the error quotes the token: %v", err)
		}
	}
}

func TestVerifyAccepts(t *testing.T) {
	now := noon.Unix()
	bound := NewHS256([]byte(secret), project, WithClock(clock))
	for name, test := range map[string]struct {
		token string
		by    *Verifier
	}{
		"in the very second of exp": {good(claims(now, "")), bound},
		"in the very second of nbf": {good(claims(now+60, fmt.Sprintf(`,"nbf":%d`, now))), bound},
		"nbf 0":                     {good(claims(now+60, `,"nbf":0`)), bound},
		"exp fraction":              {good(claims(0, fmt.Sprintf(`,"exp":%d.75`, now+1))), bound},
		"no typ":                    {forge(`{"alg":"HS256"}`, claims(now, ""), sha256.New, secret), bound},
		"email null":                {good(claims(now, `,"email":null`)), bound},
		"aud unchecked":             {good(claims(now, `,"aud":"elsewhere"`)), bound},
		"made by Sign":              {signed(t, noon.Add(time.Second)), bound},
		"any project":               {good(claims(now, "")), NewHS256([]byte(secret), "", WithClock(clock))},
		"a key without exp": {
			good(`{"role":"anon","project_id":"` + project + `"}`), NewHS256([]byte(secret), project, AllowNoExpiry()),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := test.by.Verify(test.token)
			if err != nil || !c.Verified || c.Token != test.token {
				t.Errorf("verified %v, error %v", c.Verified, err)
			}
		})
	}
}

func TestAllowNoExpiryStillChecksAnExpiry(t *testing.T) {
	v := NewHS256([]byte(secret), project, AllowNoExpiry(), WithClock(clock))
	if _, err := v.Verify(good(claims(noon.Unix()-1, ""))); !errors.Is(err, ErrExpired) {
		t.Errorf("error %v, want %v", err, ErrExpired)
	}
}

func TestEmptySecretRefusesEveryToken(t *testing.T) {
	token := forge(hs256, claims(noon.Unix(), ""), sha256.New, "")
	if _, err := NewHS256(nil, project, WithClock(clock)).Verify(token); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("error %v, want %v", err, ErrUnknownKey)
	}
}

func TestUnverifiedReadsWithoutVouching(t *testing.T) {
	token := forge(hs256, claims(noon.Unix()-1, ""), sha256.New, "a secret that nobody here knows")
	c, err := Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	if c.Verified || c.ID != "u1" || c.Role != "authenticated" || !c.Expires.Equal(noon.Add(-time.Second)) {
		t.Errorf("caller %+v", c)
	}
	for _, bad := range []string{"", "a.b", "a.b.c.d", "a.!.c", ".bnVsbA.", good("[]"), good(`{"role":1}`), "r402_1"} {
		if _, err := Unverified(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("Unverified(%q): %v, want %v", bad, err, ErrMalformed)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(hs256, claims(noon.Unix(), ""), "")
	f.Add(`{"alg":"none"}`, `{"role":"anon"}`, "..")
	f.Add(`{"alg":"HS256","kid":1}`, `{"role":"a","exp":1e18,"nbf":-1}`, "a.b.c")
	v := NewHS256([]byte(secret), project, WithClock(clock))
	f.Fuzz(func(t *testing.T, header, payload, raw string) {
		ours, forged := forge(header, payload, sha256.New, secret), forge(header, payload, sha256.New, "x")
		for _, token := range []string{raw, ours, forged} {
			c, err := v.Verify(token)
			if err != nil {
				if c.Role != "" || c.Verified {
					t.Errorf("a refused token gave a caller")
				}
				continue
			}
			if token != ours {
				t.Errorf("accepted a token that was not signed with the secret")
			}
			if c.ProjectID != project || c.Role == "" || c.Expires.Unix() < noon.Unix() {
				t.Errorf("accepted %q", payload)
			}
			u, err := Unverified(token)
			if u.Verified = true; err != nil || !cmp.Equal(u, c) {
				t.Errorf("Unverified reads %+v, Verify %+v", u, c)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	token := good(claims(noon.Unix(), ""))
	newVerifier := func() *Verifier { return NewHS256([]byte(secret), project, WithClock(clock)) }
	again := newVerifier()
	for name, verifier := range map[string]func() *Verifier{"first": newVerifier, "again": func() *Verifier { return again }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier().Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
