package config

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
)

func TestBackend(t *testing.T) {
	anon, service := key(t, auth.RoleAnon, project), key(t, auth.RoleService, project)
	const opaqueAnon, opaqueService = "r402_anon_00ff", "r402_service_00ff"
	for name, test := range map[string]struct {
		vars string
		want Backend
	}{
		"nothing is a local project": {
			"", Local{Project: "default", Dir: localDir(t, "default")},
		},
		"a chosen local project": {
			"RUN402_DATA_DIR=/data RUN402_LOCAL_PROJECT=desk RUN402_PG_BIN=/pg/bin",
			Local{Project: "desk", Dir: "/data/desk", PGBin: "/pg/bin"},
		},
		"a user's token alone keeps it local": {
			"RUN402_USER_TOKEN=" + key(t, auth.RoleAuthenticated, project),
			Local{Project: "default", Dir: localDir(t, "default")},
		},
		"any key means hosted Run402": {
			"RUN402_ANON_KEY=" + anon, Remote{API: DefaultAPIBase, AnonKey: Secret(anon)},
		},
		"service key and project id alone: the admin plane": {
			"RUN402_SERVICE_KEY=" + service + " RUN402_PROJECT_ID=" + project,
			Remote{API: DefaultAPIBase, ProjectID: project, ServiceKey: Secret(service)},
		},
		"everything, self-hosted": {
			"RUN402_API_BASE=https://core.example/base/ RUN402_PROJECT_ID=" + project +
				" RUN402_ANON_KEY=" + opaqueAnon + " RUN402_SERVICE_KEY=" + opaqueService + " RUN402_JWT_SECRET=s",
			Remote{
				API: "https://core.example/base", ProjectID: project, AnonKey: opaqueAnon, ServiceKey: opaqueService, JWTSecret: "s",
			},
		},
		"http on this machine": {
			"RUN402_API_BASE=http://localhost:4020 RUN402_ANON_KEY=k",
			Remote{API: "http://localhost:4020", AnonKey: "k"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settings(t, env(test.vars))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, s.Backend); diff != "" {
				t.Errorf("backend (-want +got):\n%s", diff)
			}
		})
	}
}

// localDir is where this user's local projects live, which is another place for root.
func localDir(t *testing.T, name string) string {
	t.Helper()
	local, err := ProjectFlags{LocalProject: name}.Local(env(""))
	if err != nil {
		t.Fatal(err)
	}
	return local.Dir
}

func TestStartIsRefused(t *testing.T) {
	anon, service := key(t, auth.RoleAnon, project), key(t, auth.RoleService, project)
	user, other := key(t, auth.RoleAuthenticated, project), key(t, auth.RoleAnon, "prj_other")
	const id = " RUN402_PROJECT_ID=" + project
	for name, test := range map[string]struct {
		vars string
		args []string
		want []string // what the message says: what is wrong, and what to do
	}{
		"base without a key": {
			"RUN402_API_BASE=https://a.example", nil, []string{"without any project key", "set RUN402_ANON_KEY"},
		},
		"project id without a key":  {id, nil, []string{"RUN402_PROJECT_ID", "without any project key"}},
		"secret without a key":      {"RUN402_JWT_SECRET=s", nil, []string{"RUN402_JWT_SECRET", "unset it"}},
		"service key without an id": {"RUN402_SERVICE_KEY=k", nil, []string{"without RUN402_PROJECT_ID", "set it"}},
		"database with a base": {
			"RUN402_DATABASE_URL=postgres://h/d RUN402_API_BASE=https://a.example", nil,
			[]string{"together with", "unset"},
		},
		"database with a key": {
			"RUN402_ADMIN_DATABASE_URL=postgres://h/d RUN402_ANON_KEY=k", nil, []string{"together with", "unset"},
		},
		"one key for both planes": {
			"RUN402_ANON_KEY=k RUN402_SERVICE_KEY=k" + id, nil, []string{"same key", "set each"},
		},
		"service key as anon key": {
			"RUN402_ANON_KEY=" + service, nil,
			[]string{"RUN402_ANON_KEY", `"service_role"`, "set the project's anon key"},
		},
		"opaque service key as anon": {
			"RUN402_ANON_KEY=r402_service_1", nil, []string{"RUN402_ANON_KEY", `"service_role"`},
		},
		"user's token as anon key": {
			"RUN402_ANON_KEY=" + user, nil, []string{"RUN402_ANON_KEY", `"authenticated"`},
		},
		"anon key as service key": {
			"RUN402_SERVICE_KEY=" + anon + id, nil, []string{"RUN402_SERVICE_KEY", `"anon"`},
		},
		"opaque anon key as service": {
			"RUN402_SERVICE_KEY=r402_anon_1" + id, nil, []string{"RUN402_SERVICE_KEY", `"anon"`},
		},
		"key of another project": {
			"RUN402_ANON_KEY=" + other + id, nil, []string{"another project", "same project"},
		},
		"key with white space": {"RUN402_ANON_KEY=k\u200b", nil, []string{"RUN402_ANON_KEY", "white space"}},
		"project id that is a path": {
			"RUN402_ANON_KEY=k RUN402_PROJECT_ID=../x", nil, []string{"RUN402_PROJECT_ID"},
		},
		"base in clear": {
			"RUN402_ANON_KEY=k RUN402_API_BASE=http://a.example", nil, []string{"in clear", "https://"},
		},
		"base that only looks local": {
			"RUN402_ANON_KEY=k RUN402_API_BASE=http://localhost.evil.example", nil, []string{"in clear"},
		},
		"base without a scheme":  {"RUN402_ANON_KEY=k RUN402_API_BASE=a.example", nil, []string{"not a URL"}},
		"base of another scheme": {"RUN402_ANON_KEY=k RUN402_API_BASE=file:///x", nil, []string{"not a URL"}},
		"base with a password": {
			"RUN402_ANON_KEY=k RUN402_API_BASE=https://u:hunter2@a.example", nil, []string{"leave out user"},
		},
		"base with a query": {
			"RUN402_ANON_KEY=k RUN402_API_BASE=https://a.example?x=1", nil, []string{"leave out"},
		},
		"two callers": {
			"RUN402_USER_TOKEN=t RUN402_USER_TOKEN_FILE=/t", nil, []string{"both set", "unset one"},
		},
		"service key as caller": {
			"RUN402_USER_TOKEN=" + service, nil, []string{"RUN402_USER_TOKEN", "no caller may be"},
		},
		"opaque service key as caller": {
			"RUN402_USER_TOKEN=k2 RUN402_ANON_KEY=k RUN402_SERVICE_KEY=k2" + id, nil, []string{"no caller may be"},
		},
		"caller without an anon key": {
			"RUN402_USER_TOKEN=" + user + " RUN402_SERVICE_KEY=k" + id, nil, []string{"without RUN402_ANON_KEY"},
		},
		"file without an anon key": {
			"RUN402_USER_TOKEN_FILE=/t RUN402_SERVICE_KEY=k" + id, nil, []string{"without RUN402_ANON_KEY"},
		},
		"confirmation":                 {"RUN402_CONFIRM=always", nil, []string{"--confirm", "token", "elicit", "deny", "off"}},
		"recipients that are none":     {"RUN402_EMAIL_ALLOW=example.com", nil, []string{"--email-allow", `"example.com"`, "*@example.com"}},
		"recipients with a list in it": {"RUN402_EMAIL_ALLOW=a@b.c;d@e.f", nil, []string{"--email-allow", "neither"}},
		"no recipients":                {"", []string{"--email-allow="}, []string{"--email-allow", "leave it out"}},
		"relay that is no URL":         {"RUN402_SMTP_URL=okapi", nil, []string{"RUN402_SMTP_URL", "smtps://"}},
		"relay over HTTP":              {"RUN402_SMTP_URL=https://u:okapi@h", nil, []string{"RUN402_SMTP_URL", "smtps://"}},
		"relay with a path":            {"RUN402_SMTP_URL=smtp://h/okapi", nil, []string{"RUN402_SMTP_URL", "host and port"}},
		"relay with a wrong port":      {"RUN402_SMTP_URL=smtp://h:99999", nil, []string{"RUN402_SMTP_URL", "port"}},
		"relay without a password":     {"RUN402_SMTP_URL=smtp://okapi@h", nil, []string{"RUN402_SMTP_URL", "without a password"}},
		"relay with another parameter": {"RUN402_SMTP_URL=smtp://h?ssl=1", nil, []string{"RUN402_SMTP_URL", `"ssl"`, "tls"}},
		"relay with another TLS":       {"RUN402_SMTP_URL=smtp://h?tls=maybe", nil, []string{"required or off"}},
		"TLS twice":                    {"RUN402_SMTP_URL=smtps://h?tls=off", nil, []string{"smtps:// is TLS by itself"}},
		"relay without a domain":       {"RUN402_SMTP_URL=smtp://h", nil, []string{"RUN402_EMAIL_FROM_DOMAIN"}},
		"domain that is none": {
			"RUN402_SMTP_URL=smtp://h RUN402_EMAIL_FROM_DOMAIN=a@b.c", nil, []string{"RUN402_EMAIL_FROM_DOMAIN is no domain"},
		},
		"asset root":   {"RUN402_ASSET_ROOT=/no/such", nil, []string{"--asset-root", "no such"}},
		"home":         {"RUN402_ASSET_ROOT=~/x", nil, []string{"--asset-root", "in full"}},
		"no bucket":    {"RUN402_ASSETS_URL=file:///srv", nil, []string{"RUN402_ASSETS_URL", "s3://"}},
		"a path":       {"RUN402_ASSETS_URL=s3://b/c", nil, []string{"RUN402_ASSETS_URL", "?prefix="}},
		"a password":   {"RUN402_ASSETS_URL=s3://u:p@b", nil, []string{"RUN402_ASSETS_URL", "AWS_ACCESS_KEY_ID"}},
		"assets there": {"RUN402_ASSETS_URL=s3://b RUN402_ANON_KEY=x", nil, []string{"RUN402_ASSETS_URL", "project keys"}},
		"no quota":     {"RUN402_ASSETS_QUOTA_MB=1GB", nil, []string{"RUN402_ASSETS_QUOTA_MB", "megabytes"}},
		"project that is a path": {
			"RUN402_LOCAL_PROJECT=../etc", nil, []string{`"../etc"`, "lower-case letters"},
		},
		"project with a capital": {
			"", []string{"--local-project=Desk"}, []string{`"Desk"`, "lower-case letters"},
		},
		"project too long": {
			"", []string{"--local-project=" + strings.Repeat("a", 41)}, []string{"1 to 40"},
		},
		"project without a name":       {"", []string{"--local-project="}, []string{"1 to 40"}},
		"data directory with a tilde":  {"RUN402_DATA_DIR=~/x", nil, []string{"only a shell expands", "in full"}},
		"unknown toolset":              {"RUN402_TOOLSETS=data,amdin", nil, []string{`"amdin"`, "data, admin, email, ai, assets, functions"}},
		"no toolset":                   {"", []string{"--toolsets="}, []string{"--toolsets", "data, admin, email, ai, assets, functions"}},
		"unknown log level":            {"RUN402_LOG=loud", nil, []string{"--log-level", "debug", "error", "loud"}},
		"unknown log format":           {"", []string{"--log-format=xml"}, []string{"--log-format", "text", "json"}},
		"read-only that is no boolean": {"RUN402_READ_ONLY=ture", nil, []string{"--read-only", "ture"}},
		"unknown flag":                 {"", []string{"--read-ony"}, []string{"--read-ony"}},
		"key as a flag":                {"", []string{"--service-key=k"}, []string{"--service-key"}},
		"gates as a flag":              {"", []string{"--gates=g.json"}, []string{"--gates"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settings(t, env(test.vars), test.args...)
			if err == nil {
				t.Fatalf("started with %+v", s)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message %q does not say %q", err, want)
				}
			}
			for _, secret := range []string{anon, service, user, other, "hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the message %q holds a secret", err)
				}
			}
		})
	}
}

func TestEveryRefusalIsReportedAtOnce(t *testing.T) {
	_, err := settings(t, env("RUN402_GATES=g RUN402_ANON_KEY=k RUN402_SERVICE_KEY=k RUN402_API_BASE=http://a.example"))
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"RUN402_GATES", "same key", "in clear", "without RUN402_PROJECT_ID"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message %q does not say %q", err, want)
		}
	}
}

func TestRemoteVerifiesWithItsSecretAndLeavesTheRestToTheBackend(t *testing.T) {
	ours, other := key(t, auth.RoleAuthenticated, project), key(t, auth.RoleAuthenticated, "prj_other")
	unasked := func(context.Context, string) (string, error) { return "", errors.New("no route") }
	log := slog.New(slog.DiscardHandler)
	known := Remote{ProjectID: project, JWTSecret: "secret"}.Verify(unasked, log)
	if c, err := known(ours); err != nil || !c.Verified {
		t.Errorf("verified %v, error %v", c.Verified, err)
	}
	if _, err := known(key(t, auth.RoleAnon, project)); err != nil {
		t.Errorf("a token without exp, as Core's dev tokens are: %v", err)
	}
	if _, err := known(other); err == nil {
		t.Error("verified a token of another project")
	}
	if c, err := (Remote{ProjectID: project}).Verify(unasked, log)(ours); err != nil || c.Verified {
		t.Errorf("without a secret: verified %v, error %v", c.Verified, err)
	}
}
