package auth

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func signed(t *testing.T, exp time.Time) string {
	t.Helper()
	token, err := Sign([]byte(secret), Claims{
		Subject: "u1", Role: RoleAuthenticated, Email: "ana@example.com", ProjectID: project, Issuer: "here",
		IssuedAt: noon, Expires: exp,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignWritesTheContractsHeaderAndClaims(t *testing.T) {
	user := signed(t, noon.Add(time.Hour))
	key, err := Sign([]byte(secret), Claims{Role: RoleService, ProjectID: project, Issuer: "here"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ token, want string }{
		"user": {user, `{"email":"ana@example.com","exp":1795438800,"iat":1795435200,"iss":"here",` +
			`"project_id":"` + project + `","role":"authenticated","sub":"u1"}`},
		"project key": {key, `{"iss":"here","project_id":"` + project + `","role":"service_role"}`},
	} {
		t.Run(name, func(t *testing.T) {
			parts := strings.Split(test.token, ".")
			for i, want := range []string{hs256, test.want} {
				got, err := base64.RawURLEncoding.DecodeString(parts[i])
				if err != nil || string(got) != want {
					t.Errorf("part %d: %s (%v), want %s", i, got, err, want)
				}
			}
			if good(test.want) != test.token {
				t.Error("the signature is not HMAC-SHA256 of the secret")
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		secret string
		claims Claims
	}{
		"no secret":              {"", Claims{Role: RoleAnon, ProjectID: project}},
		"no role":                {secret, Claims{ProjectID: project}},
		"no project":             {secret, Claims{Role: RoleAnon}},
		"user without an expiry": {secret, Claims{Role: RoleAuthenticated, ProjectID: project, Subject: "u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if token, err := Sign([]byte(test.secret), test.claims); err == nil || token != "" {
				t.Errorf("signed %q, error %v", token, err)
			}
		})
	}
}

func TestEqualKeys(t *testing.T) {
	for _, test := range []struct {
		given, expected string
		want            bool
	}{
		{"key", "key", true}, {"key", "kez", false}, {"key", "key2", false}, {"", "key", false}, {"key", "", false},
		{"", "", false},
	} {
		if got := EqualKeys(test.given, test.expected); got != test.want {
			t.Errorf("EqualKeys(%q, %q) = %v", test.given, test.expected, got)
		}
	}
}
