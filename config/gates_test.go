package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const roleGate = `{"tools":{"admin":{"requireRole":{"table":"members","idColumn":"user_id","roleColumn":"role","allowed":["admin"]}}}}`

func TestGatesAreRead(t *testing.T) {
	path := file(t, roleGate)
	s, err := settings(t, env("RUN402_GATES="+path), "--listen=127.0.0.1:8402", "--toolsets=data,admin")
	if err != nil {
		t.Fatal(err)
	}
	if s.Gates.For("admin_sql", "admin").RequireRole == nil {
		t.Error("the gate of the toolset admin is not there")
	}
	if s, err = settings(t, env(""), "--gates="+path, "--listen=127.0.0.1:8402"); err != nil || s.Toolsets != nil {
		t.Errorf("toolsets %q, error %v: gates, not we, say what HTTP opens", s.Toolsets, err)
	}
}

func TestGatesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		vars string
		want []string
	}{
		"missing":              {"RUN402_GATES=/no/such/file", []string{"RUN402_GATES", "no such file"}},
		"broken":               {"RUN402_GATES=" + file(t, "{\n\"tools\":{\"*\":{\"requireAuth\":1}}}"), []string{"INVALID_SPEC", "line 2", "tools.*.requireAuth"}},
		"long":                 {"RUN402_GATES=" + file(t, strings.Repeat(" ", 1<<20+1)), []string{"larger than 1 MiB"}},
		"role, no service key": {"RUN402_ANON_KEY=k RUN402_GATES=" + file(t, roleGate), []string{"RUN402_SERVICE_KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings(t, env(test.vars))
			if err == nil {
				t.Fatal("started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestKeysetIsRead(t *testing.T) {
	const secret = `{"keys":[{"kty":"oct","alg":"HS512","kid":"k1","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`
	path := file(t, secret)
	s, err := settings(t, env("RUN402_ANON_KEY=k RUN402_JWKS="+path))
	if err != nil {
		t.Fatal(err)
	}
	if remote := s.Backend.(Remote); remote.Keys.Len() != 1 || remote.Asks() {
		t.Errorf("%d keys, asks %v", remote.Keys.Len(), remote.Asks())
	}
	s, err = settings(t, env("RUN402_ANON_KEY=k RUN402_JWKS=https://auth.example.com/jwks.json"))
	if err != nil || s.Backend.(Remote).KeysURL != "https://auth.example.com/jwks.json" {
		t.Errorf("backend %+v, error %v", s.Backend, err)
	}
	for vars, want := range map[string]string{
		"RUN402_JWKS=" + path:                                            "without any project key",
		"RUN402_ANON_KEY=k RUN402_JWKS=/no/such/file":                    "no such file",
		"RUN402_ANON_KEY=k RUN402_JWKS=" + file(t, `{"keys":[]}`):        "no key",
		"RUN402_ANON_KEY=k RUN402_JWKS=http://auth.example.com/keys":     "use https",
		"RUN402_ANON_KEY=k RUN402_JWKS=https://u:hunter2@auth.example/k": "leave them out",
	} {
		if _, err := settings(t, env(vars)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", vars, err, want)
		}
	}
}

func TestTheServiceKeyGoesToTheAPIAlone(t *testing.T) {
	for url, want := range map[string]string{
		"https://api.run402.com/internal/v1/project-jwt-keys": "key",
		"https://api.run402.com.evil.example/keys":            "",
		"https://auth.example.com/keys":                       "",
	} {
		if got := (Remote{API: DefaultAPIBase, ServiceKey: "key", PublishedKeys: PublishedKeys{KeysURL: url}}).keysBearer(); got != want {
			t.Errorf("%s gets %q", url, got)
		}
	}
}
