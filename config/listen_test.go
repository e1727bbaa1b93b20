package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/run402/functions-mcp/auth"
)

func TestGuard(t *testing.T) {
	vars := env("RUN402_ALLOWED_ORIGINS=https://b.example,https://c.example,")
	got := HTTPFlags{PublicURL: "https://a.example"}.Guard(vars, ":80")
	want := auth.GuardConfig{
		Listen:         ":80",
		PublicURL:      "https://a.example",
		AllowedOrigins: []string{"https://b.example", "https://c.example"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("guard (-want +got):\n%s", diff)
	}
}

func TestListen(t *testing.T) {
	const public = "https://mcp.example.com"
	for name, test := range map[string]struct {
		vars string
		args string
		want *Listen
	}{
		"stdio":    {"RUN402_PUBLIC_URL=" + public, "", nil},
		"loopback": {"", "--listen=127.0.0.1:8402", &Listen{Guard: auth.GuardConfig{Listen: "127.0.0.1:8402"}}},
		"all of it": {
			"RUN402_REQUIRE_AUTH=true RUN402_AUTH_SERVER=https://auth.example.com RUN402_ALLOWED_ORIGINS=https://a.example",
			"--listen=:8402 --public-url=" + public,
			&Listen{
				Guard: auth.GuardConfig{
					Listen: ":8402", PublicURL: public, AllowedOrigins: []string{"https://a.example"},
				},
				RequireAuth: true, AuthServer: "https://auth.example.com",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settings(t, env(test.vars), strings.Fields(test.args)...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, s.Listen, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("listen (-want +got):\n%s", diff)
			}
			if want := test.want != nil; want != (len(s.Toolsets) == 1 && s.Toolsets[0] == "data") {
				t.Errorf("toolsets %q", s.Toolsets)
			}
		})
	}
}

func TestListenIsRefused(t *testing.T) {
	user := key(t, auth.RoleAuthenticated, project)
	const local, public = "--listen=127.0.0.1:8402", "--listen=127.0.0.1:8402 --public-url=https://mcp.example.com"
	for name, test := range map[string]struct {
		vars, args string
		want       []string
	}{
		"other machines, no URL": {"", "--listen=0.0.0.0:8402", []string{"--public-url"}},
		"no port":                {"", "--listen=127.0.0.1", []string{"host:port"}},
		"the admin toolset":      {"", local + " --toolsets=data,admin", []string{"admin", "row level security", "gates"}},
		"the operator's token":   {"RUN402_USER_TOKEN=" + user, local, []string{"RUN402_USER_TOKEN", "unset it"}},
		"the operator's file":    {"RUN402_USER_TOKEN_FILE=/t", local, []string{"RUN402_USER_TOKEN", "unset it"}},
		"no anon key": {
			"RUN402_SERVICE_KEY=k RUN402_PROJECT_ID=" + project, local, []string{"set RUN402_ANON_KEY"},
		},
		"sign-in without audience": {"", local + " --auth-server=https://a.example", []string{"--public-url"}},
		"sign-in in clear":         {"", public + " --auth-server=http://a.example", []string{"https://"}},
		"sign-in nowhere":          {"", public + " --auth-server=a.example", []string{"not a URL"}},
		"sign-in with a password":  {"", public + " --auth-server=https://u:hunter2@a.example", []string{"leave out user"}},
		"sign-in that nobody checks": {
			"RUN402_ANON_KEY=k", public + " --auth-server=https://a.example", []string{"RUN402_JWT_SECRET"},
		},
		"sign-in on stdio":          {"RUN402_AUTH_SERVER=https://a.example", "", []string{"--listen"}},
		"nobody signed in on stdio": {"RUN402_REQUIRE_AUTH=true", "", []string{"RUN402_USER_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settings(t, env(test.vars), strings.Fields(test.args)...)
			if err == nil {
				t.Fatalf("started with %+v", s)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), user) {
				t.Errorf("the message %q holds a secret", err)
			}
		})
	}
}
