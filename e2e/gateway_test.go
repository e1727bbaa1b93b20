package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// The gateway says where it is and whose, and keeps its keys to itself.
func TestGatewayPrintsWhereNeverKeys(t *testing.T) {
	t.Parallel()
	said := shared.gateway.stdout.text()
	for _, want := range []string{shared.base, shared.keys["RUN402_PROJECT_ID"]} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %s: %s", want, said)
		}
	}
	for _, complaint := range shared.secretsIn(said) {
		t.Error(complaint)
	}
}

func TestGatewayIsHealthyUntilItIsTerminated(t *testing.T) {
	t.Parallel()
	gateway := shared.run(t, []string{"gateway", "--listen", "127.0.0.1:0"})
	base, err := gateway.address()
	if err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, http.MethodGet, base+"/health", "", nil)
	var health struct{ Status, Service string }
	if err := json.Unmarshal([]byte(body), &health); err != nil || status != http.StatusOK || health.Status != "ok" ||
		health.Service != "functions-mcp" {
		t.Errorf("/health answers %d %s", status, body)
	}
	gateway.signal(t, syscall.SIGTERM)
	gateway.exits(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.DefaultClient.Do(request); err == nil {
		answer.Body.Close()
		t.Error("somebody still answers there")
	}
}

// Any web page can send requests to a loopback port, by its own name once that is rebound in DNS: none gets an answer.
func TestGatewayRefusesWebPages(t *testing.T) {
	t.Parallel()
	sql := "/projects/v1/admin/" + shared.keys["RUN402_PROJECT_ID"] + "/sql"
	routes := []string{
		"GET /health", "GET /nowhere", "POST " + sql, "GET " + strings.TrimSuffix(sql, "sql") + "schema",
		"GET /rest/v1/", "GET /rest/v1/notes", "HEAD /rest/v1/notes", "POST /rest/v1/notes", "OPTIONS /rest/v1/notes",
		"POST /rest/v1/rpc/f", "GET /admin/v1/rest/notes", "DELETE /admin/v1/rest/notes?id=eq.-1",
	}
	for _, c := range []struct {
		name, host, origin, code string
	}{
		{"another Host", "evil.example", "", "HOST_NOT_ALLOWED"},
		{"another Host that looks like ours", "127.0.0.1.evil.example:4020", "", "HOST_NOT_ALLOWED"},
		{"an Origin", "", "https://evil.example", "ORIGIN_NOT_ALLOWED"},
		{"an Origin on this machine", "", "http://localhost:3000", "ORIGIN_NOT_ALLOWED"},
		{"a sandboxed Origin", "", "null", "ORIGIN_NOT_ALLOWED"},
		{"both", "evil.example", "http://evil.example", "HOST_NOT_ALLOWED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, route := range routes {
				method, path, _ := strings.Cut(route, " ")
				header := http.Header{"Access-Control-Request-Method": {"POST"}}
				if c.origin != "" {
					header.Set("Origin", c.origin)
				}
				key := shared.keys["RUN402_ANON_KEY"]
				if strings.Contains(path, "admin") {
					key = shared.keys["RUN402_SERVICE_KEY"]
				}
				header.Set("Apikey", key)
				if c.host != "" {
					header.Set("Host", c.host)
				}
				status, body := fetch(t, method, shared.base+path, `{"sql":"select 1"}`, header)
				if status != http.StatusForbidden || method != http.MethodHead && !strings.Contains(body, c.code) {
					t.Errorf("%s answered %d %s", route, status, body)
				}
			}
		})
	}
	t.Run("and answers everybody else on the machine", func(t *testing.T) {
		t.Parallel()
		for _, host := range []string{"", "localhost", "localhost:4020", "[::1]:4020"} {
			header := http.Header{"Apikey": {shared.keys["RUN402_ANON_KEY"]}}
			if host != "" {
				header.Set("Host", host)
			}
			if status, body := fetch(t, http.MethodGet, shared.base+"/rest/v1/notes", "", header); status != http.StatusOK {
				t.Errorf("Host %q was answered %d %s", host, status, body)
			}
		}
	})
}

// fetch makes a request; Host in the header is the request's.
func fetch(t *testing.T, method, url, body string, header http.Header) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
		request.Host = header.Get("Host")
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(raw)
}
