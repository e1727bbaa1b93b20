package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/auth"
)

const longSecret = "a secret that is long enough for HS256"

func TestDatabase(t *testing.T) {
	s, err := settings(t, func(name string) (string, bool) {
		value, ok := map[string]string{
			"RUN402_DATABASE_URL": "postgres://web@h/d", "RUN402_ADMIN_DATABASE_URL": "postgres://boss@h/d",
			"RUN402_DB_SCHEMAS": "api, private", "RUN402_DB_ANON_ROLE": "web_anon", "RUN402_DB_ROLES": "a,b",
			"RUN402_DB_PRE_REQUEST": "api.check", "RUN402_DB_MAX_ROWS": "50", "RUN402_DB_AGGREGATES": "true",
			"RUN402_DB_ROLE_CLAIM": "$.realm.role", "RUN402_JWT_SECRET": longSecret,
		}[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	d := s.Backend.(Database)
	if !slices.Equal(d.Schemas, []string{"api", "private"}) || d.AnonRole != "web_anon" || len(d.Roles) != 2 ||
		d.MaxRows != 50 || !d.Aggregates || d.PreRequest != "api.check" || d.JWTSecret.Reveal() != longSecret {
		t.Errorf("got %+v", d)
	}
	s, err = settings(t, env("RUN402_DATABASE_URL=postgres://web@h/d"))
	if err != nil {
		t.Fatal(err)
	}
	d = s.Backend.(Database)
	if !slices.Equal(d.Schemas, []string{"public"}) || d.AnonRole != auth.RoleAnon || d.AnonGiven || d.MaxRows != 0 ||
		d.Aggregates || d.Verifies() {
		t.Errorf("by default %+v", d)
	}
}

func TestLimitsHoldForLocalProjectsToo(t *testing.T) {
	s, err := settings(t, env("RUN402_DB_MAX_ROWS=9 RUN402_DB_AGGREGATES=true"))
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Backend.(Local); l.MaxRows != 9 || !l.Aggregates {
		t.Errorf("got %+v", l)
	}
}

func TestDatabaseIsRefused(t *testing.T) {
	const url = "RUN402_DATABASE_URL=postgres://web@h/d "
	for vars, want := range map[string]string{
		"RUN402_ADMIN_DATABASE_URL=postgres://h/d":                        "without RUN402_DATABASE_URL",
		"RUN402_GATEWAY_DATABASE_URL=postgres://h/d":                      "without RUN402_DATABASE_URL",
		"RUN402_DB_SCHEMAS=api":                                           "set RUN402_DATABASE_URL",
		"RUN402_DB_PRE_REQUEST=f":                                         "set RUN402_DATABASE_URL",
		url + "RUN402_DB_SCHEMAS=api,,b":                                  "empty name",
		url + "RUN402_DB_SCHEMAS=pg_catalog":                              "belongs to PostgreSQL",
		url + "RUN402_DB_PRE_REQUEST=f()":                                 "no parentheses",
		url + "RUN402_DB_MAX_ROWS=-1":                                     "negative",
		url + "RUN402_DB_ROLE_CLAIM=a..b":                                 "RUN402_DB_ROLE_CLAIM",
		url + "RUN402_JWT_SECRET=short":                                   "shorter than 32",
		url + "RUN402_JWT_SECRET=%% RUN402_JWT_SECRET_BASE64=true":        "no base64",
		url + "RUN402_JWT_SECRET=x RUN402_JWT_SECRET_BASE64=perhaps":      "neither true nor false",
		url + "RUN402_JWKS=/no/such/file":                                 "RUN402_JWKS",
		url + "RUN402_GATES=testdata/none.json":                           "gates",
		url + "RUN402_API_BASE=https://a.example":                         "together with",
		url + "RUN402_SERVICE_KEY=k":                                      "together with",
		"RUN402_GATEWAY_DATABASE_URL=postgres://h/d RUN402_ANON_KEY=anon": "together with",
	} {
		if _, err := settings(t, env(vars)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", vars, err, want)
		}
	}
}
