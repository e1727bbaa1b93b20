package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWithKeysTellsKeysFromTokens(t *testing.T) {
	anonJWT := forgeRole(t, RoleAnon)
	serviceJWT := forgeRole(t, RoleService)
	user := good(claims(noon.Unix(), ""))
	verified := NewHS256([]byte(secret), project, AllowNoExpiry(), WithClock(clock)).Verify
	for name, test := range map[string]struct {
		verify Verify
		token  string
		role   string
		err    error
	}{
		"the anon key":            {verified, "r402_anon_1", RoleAnon, nil},
		"the service key":         {verified, "r402_service_1", "", ErrServiceKey},
		"a user":                  {verified, user, RoleAuthenticated, nil},
		"another key":             {verified, "r402_anon_2", "", ErrMalformed},
		"an anon JWT":             {verified, anonJWT, RoleAnon, nil},
		"a service JWT":           {verified, serviceJWT, "", ErrServiceKey},
		"an unverified anon":      {Unverified, anonJWT, RoleAnon, nil},
		"an unverified service":   {Unverified, serviceJWT, "", ErrServiceKey},
		"nothing is no empty key": {verified, "", "", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := WithKeys(test.verify, "r402_anon_1", "r402_service_1")(test.token)
			if !errors.Is(err, test.err) || c.Role != test.role {
				t.Errorf("role %q, error %v", c.Role, err)
			}
			if (c.Role == RoleAnon) != (err == nil && c.Anonymous()) {
				t.Errorf("anonymous %v", c.Anonymous())
			}
		})
	}
	if _, err := WithKeys(verified, "", "")(""); err == nil {
		t.Error("an empty bearer equals a key that is not there")
	}
}

func forgeRole(t *testing.T, role string) string {
	t.Helper()
	token, err := Sign([]byte(secret), Claims{Role: role, ProjectID: project})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestForAudience(t *testing.T) {
	const us = "https://mcp.example.com"
	v := NewHS256([]byte(secret), project, WithClock(clock)).Verify
	for name, test := range map[string]struct {
		aud    string
		verify Verify
		want   error
	}{
		"us":              {`,"aud":"https://mcp.example.com"`, v, nil},
		"us among others": {`,"aud":["https://a.example","https://mcp.example.com"]`, v, nil},
		"another":         {`,"aud":"https://a.example"`, v, ErrAudience},
		"us and more":     {`,"aud":"https://mcp.example.com.evil.example"`, v, ErrAudience},
		"nobody":          {``, v, ErrAudience},
		"empty":           {`,"aud":[]`, v, ErrAudience},
		"a number":        {`,"aud":1`, v, ErrAudience},
		"an object":       {`,"aud":{"https://mcp.example.com":1}`, v, ErrAudience},
		"in other case":   {`,"AUD":"https://mcp.example.com"`, v, ErrAudience},
		"unverified":      {`,"aud":"https://mcp.example.com"`, Unverified, ErrAudience},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ForAudience(test.verify, us)(good(claims(noon.Unix(), test.aud))); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	if _, err := ForAudience(v, us)("x"); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v", err)
	}
}

func TestAuthenticate(t *testing.T) {
	const metadata = "https://mcp.example.com/.well-known/oauth-protected-resource"
	const named = `resource_metadata="` + metadata + `"`
	for name, test := range map[string]struct {
		bearer    string
		required  bool
		metadata  string
		want      string // the principal that the handler sees; empty when it is not reached
		challenge string
	}{
		"nobody":                  {"", false, "", "anon", ""},
		"nobody, required":        {"", true, "", "", "Bearer"},
		"nobody, and where to go": {"", true, metadata, "", "Bearer " + named},
		"somebody":                {"ana", true, "", "user " + project + "/ana", ""},
		"bad":                     {"x", false, "", "", `Bearer error="invalid_token"`},
		"bad, and where to go":    {"x", false, metadata, "", `Bearer error="invalid_token", ` + named},
		"malformed":               {"a b", false, "", "", `Bearer error="invalid_token"`},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			cfg := ChainConfig{Identify: identify, RequireAuth: test.required, Metadata: test.metadata}
			h := authenticate(cfg)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c, err := ContextCaller(r.Context())
				if err != nil {
					t.Error(err)
				}
				got = c.Principal()
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, post(test.bearer, "{}"))
			if got != test.want || (w.Code == 401) != (test.want == "") || w.Header().Get("WWW-Authenticate") != test.challenge {
				t.Errorf("principal %q, %d %v", got, w.Code, w.Header())
			}
		})
	}
}

func TestAuthenticateAnswersATokenOfAnotherProjectWith401(t *testing.T) {
	other := func(string) (Caller, error) { return Caller{}, ErrOtherProject }
	c := newChain(t, func(cfg *ChainConfig) { cfg.Identify = other })
	h := c.Front(c.Calls(http.NotFoundHandler(), HeaderSession))
	if status, e := answerOf(t, h, post("ana", "{}")); status != 401 || e.Code != "PROJECT_TOKEN_MISMATCH" {
		t.Errorf("%d %+v", status, e)
	}
}
