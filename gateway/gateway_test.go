package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// shared is one gateway for the tests that can do with tables of their own names.
var shared struct {
	*gateway.Gateway
	project gateway.Project
	dir     string
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gw")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := postgres.MakeDir(dir); err != nil {
			panic(err)
		}
		shared.dir = dir
		if shared.project, err = gateway.LoadProject(dir); err != nil {
			panic(err)
		}
		shared.Gateway = open(dir, shared.project)
		defer func() { _ = shared.Close(context.Background()) }()
		return m.Run()
	}())
}

func open(dir string, project gateway.Project) *gateway.Gateway {
	return gateway.New(gateway.Options{
		Project: project,
		Version: "test",
		Assets:  gateway.AssetOptions{Dir: filepath.Join(dir, "assets")},
		Open: func(ctx context.Context) (gateway.Cluster, error) {
			return postgres.Open(ctx, pgtest.Config(dir, gateway.Logins()...))
		},
	})
}

// answer is what a request got back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) decode(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("answer %d is not a JSON object: %v\n%s", a.status, err, a.body)
	}
	return out
}

// request is one request to the shared gateway.
type request struct {
	method, path, apikey, bearer, contentType, body string
	header                                          map[string]string
}

func do(t testing.TB, q request) answer {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	r := httptest.NewRequestWithContext(t.Context(), q.method, q.path, strings.NewReader(q.body))
	if q.apikey != "" {
		r.Header.Set("apikey", q.apikey)
	}
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	shared.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{w.Code, w.Result().Header, string(body)}
}

// sql runs raw SQL as the admin plane does, and fails the test when it is refused.
func sql(t testing.TB, text string) answer {
	t.Helper()
	a := trySQL(t, map[string]any{"sql": text})
	if a.status != http.StatusOK {
		t.Fatalf("sql answered %d: %s\n%s", a.status, a.body, text)
	}
	return a
}

func trySQL(t testing.TB, body map[string]any) answer {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request{
		method: http.MethodPost, path: "/projects/v1/admin/" + shared.project.ID + "/sql",
		bearer: shared.project.ServiceKey, contentType: "application/json", body: string(raw),
	})
}

// token signs a user's token for the shared project.
func token(t testing.TB, subject, role string) string {
	t.Helper()
	return sign(t, shared.project.JWTSecret, auth.Claims{
		Subject: subject, Role: role, Email: subject + "@example.com", ProjectID: shared.project.ID,
		Expires: time.Now().Add(time.Hour),
	})
}

func sign(t testing.TB, secret string, c auth.Claims) string {
	t.Helper()
	out, err := auth.Sign([]byte(secret), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// as returns a request on the caller plane by a user; an empty subject is nobody.
func as(t testing.TB, subject string, q request) request {
	t.Helper()
	q.apikey = shared.project.AnonKey
	if subject != "" {
		q.bearer = token(t, subject, auth.RoleAuthenticated)
	}
	if q.body != "" && q.contentType == "" {
		q.contentType = "application/json"
	}
	return q
}

func compact(t testing.TB, raw string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(raw)); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return out.String()
}
