package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuardRefusesConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  GuardConfig
		want string
	}{
		"every interface without a public URL": {GuardConfig{Listen: "0.0.0.0:80"}, "--public-url"},
		"no host without a public URL":         {GuardConfig{Listen: ":80"}, "--public-url"},
		"every IPv6 interface":                 {GuardConfig{Listen: "[::]:80"}, "--public-url"},
		"a LAN address":                        {GuardConfig{Listen: "192.168.1.5:80"}, "--public-url"},
		"a machine's name":                     {GuardConfig{Listen: "box:80"}, "--public-url"},
		"no port":                              {GuardConfig{Listen: "127.0.0.1"}, "host:port"},
		"public URL without a scheme": {
			GuardConfig{Listen: ":80", PublicURL: "mcp.example.com"}, "public URL",
		},
		"public URL of another scheme": {
			GuardConfig{Listen: ":80", PublicURL: "ftp://mcp.example.com"}, "public URL",
		},
		"any origin": {
			GuardConfig{Listen: "localhost:80", AllowedOrigins: []string{"*"}}, "allowed origin",
		},
		"null origin": {
			GuardConfig{Listen: "localhost:80", AllowedOrigins: []string{"null"}}, "allowed origin",
		},
		"origin with a path": {
			GuardConfig{Listen: "localhost:80", AllowedOrigins: []string{"https://a.example/app"}},
			"say https://a.example",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Guard(test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	local := GuardConfig{Listen: "127.0.0.1:8402"}
	public := GuardConfig{Listen: "0.0.0.0:8402", PublicURL: "https://MCP.example.com:443/mcp"}
	lan := GuardConfig{Listen: "192.168.1.5:8402", PublicURL: "http://box:8402"}
	listed := []string{"http://localhost:3000", "https://App.example.com/"}
	pages := GuardConfig{Listen: "[::1]:8402", AllowedOrigins: listed}
	for name, test := range map[string]struct {
		cfg     GuardConfig
		host    string
		origins []string
		want    string // the code of the refusal, or empty
	}{
		"loopback address":            {local, "127.0.0.1:8402", nil, ""},
		"loopback name":               {local, "LocalHost:8402", nil, ""},
		"loopback behind a tunnel":    {local, "localhost:9999", nil, ""},
		"loopback IPv6":               {local, "[::1]:8402", nil, ""},
		"loopback without a port":     {local, "[::1]", nil, ""},
		"another loopback address":    {local, "127.0.0.2", nil, ""},
		"IPv4 loopback in IPv6":       {local, "[::ffff:127.0.0.1]:8402", nil, ""},
		"a rebound name":              {local, "evil.example:8402", nil, "HOST_NOT_ALLOWED"},
		"a name that starts well":     {local, "127.0.0.1.evil.example", nil, "HOST_NOT_ALLOWED"},
		"a name that ends well":       {local, "evil.localhost", nil, "HOST_NOT_ALLOWED"},
		"another address":             {local, "192.168.1.5:8402", nil, "HOST_NOT_ALLOWED"},
		"no address":                  {local, "0.0.0.0:8402", nil, "HOST_NOT_ALLOWED"},
		"no host":                     {local, "", nil, "HOST_NOT_ALLOWED"},
		"no host, on every interface": {public, "", nil, "HOST_NOT_ALLOWED"},
		"public host":                 {public, "mcp.example.com", nil, ""},
		"public host with its port":   {public, "mcp.EXAMPLE.com:443", nil, ""},
		"not the public host":         {public, "example.com", nil, "HOST_NOT_ALLOWED"},
		"the address listened on":     {lan, "192.168.1.5:8402", nil, ""},
		"the name for it":             {lan, "box:8402", nil, ""},
		"no page is allowed":          {local, "localhost", []string{"https://evil.example"}, "ORIGIN_NOT_ALLOWED"},
		"not even our own": {
			local, "localhost:8402", []string{"http://localhost:8402"}, "ORIGIN_NOT_ALLOWED",
		},
		"null page":    {local, "localhost", []string{"null"}, "ORIGIN_NOT_ALLOWED"},
		"empty origin": {local, "localhost", []string{""}, "ORIGIN_NOT_ALLOWED"},
		"public page":  {public, "mcp.example.com", []string{"https://mcp.example.com"}, ""},
		"public page over http": {
			public, "mcp.example.com", []string{"http://mcp.example.com"}, "ORIGIN_NOT_ALLOWED",
		},
		"public page of another port": {
			public, "mcp.example.com", []string{"https://mcp.example.com:444"}, "ORIGIN_NOT_ALLOWED",
		},
		"listed page":                   {pages, "localhost", []string{"http://localhost:3000"}, ""},
		"listed page without its slash": {pages, "localhost", []string{"https://app.example.com"}, ""},
		"a page beside the listed":      {pages, "localhost", []string{"http://localhost:3001"}, "ORIGIN_NOT_ALLOWED"},
		"a page under the listed": {
			pages, "localhost", []string{"https://x.app.example.com"}, "ORIGIN_NOT_ALLOWED",
		},
		"two origins": {
			pages, "localhost", []string{"http://localhost:3000", "https://evil.example"}, "ORIGIN_NOT_ALLOWED",
		},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			t.Run(method+" "+name, func(t *testing.T) {
				reached := false
				w := guarded(t, test.cfg, method, test.host, test.origins, nil, &reached)
				if reached != (test.want == "") {
					t.Errorf("reached the handler: %v", reached)
				}
				refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), test.want)
				if test.want != "" && !refused {
					t.Errorf("%d %s, want 403 %s", w.Code, w.Body, test.want)
				}
				var cors string
				if test.want == "" && test.origins != nil {
					cors = test.origins[0]
				}
				if got := w.Header().Get("Access-Control-Allow-Origin"); got != cors {
					t.Errorf("Access-Control-Allow-Origin %q, want %q", got, cors)
				}
			})
		}
	}
}

func guarded(t *testing.T, cfg GuardConfig, method, host string, origins []string, more http.Header, reached *bool,
) *httptest.ResponseRecorder {
	t.Helper()
	guard, err := Guard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "/", nil)
	r.Host = host
	for name, values := range more {
		r.Header[name] = values
	}
	if origins != nil {
		r.Header["Origin"] = origins
	}
	w := httptest.NewRecorder()
	guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *reached = true })).ServeHTTP(w, r)
	return w
}

func TestGuardAnswersThePreflightOfAllowedPagesOnly(t *testing.T) {
	cfg := GuardConfig{Listen: "127.0.0.1:4020", AllowedOrigins: []string{"http://localhost:3000"}}
	ask := http.Header{
		"Access-Control-Request-Method":  {"PATCH"},
		"Access-Control-Request-Headers": {"apikey,authorization,prefer"},
	}
	var reached bool
	w := guarded(t, cfg, "OPTIONS", "127.0.0.1:4020", []string{"http://localhost:3000"}, ask, &reached)
	if w.Code != http.StatusNoContent || reached ||
		w.Header().Get("Access-Control-Allow-Headers") != "apikey,authorization,prefer" ||
		!strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "PATCH") ||
		w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v, handler reached: %v", w.Code, w.Header(), reached)
	}
	w = guarded(t, cfg, "OPTIONS", "127.0.0.1:4020", []string{"https://evil.example"}, ask, &reached)
	if w.Code != http.StatusForbidden || reached || w.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("%d %v, handler reached: %v", w.Code, w.Header(), reached)
	}
}

func FuzzGuardHost(f *testing.F) {
	for _, host := range []string{"localhost:1", "[::1]:80", "127.0.0.1", "evil.example", "[", "]:", "a@localhost"} {
		f.Add(host)
	}
	g, err := newGuard(GuardConfig{Listen: "127.0.0.1:8402"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !g.allowsHost(host) {
			return
		}
		name := strings.ToLower(host)
		if !strings.HasPrefix(name, "localhost") && !strings.HasPrefix(name, "127.") && !strings.HasPrefix(name, "[") &&
			!strings.HasPrefix(name, "::") {
			t.Errorf("allowed Host %q", host)
		}
	})
}
