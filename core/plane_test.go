package core_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

// credentials are the two fields of a request that carry keys.
type credentials struct{ APIKey, Authorization string }

func TestEachRouteCarriesItsOwnCredentials(t *testing.T) {
	for _, flavor := range flavors {
		c, g := newClient(t, flavor)
		token := g.Token("authenticated")
		g.Table("items", `{"id":1}`)
		g.Script("GET", "/rest/v1/", hostedtest.Answer{Body: `{"paths":{}}`})
		service := credentials{g.ServiceKey(), "Bearer " + g.ServiceKey()}
		for name, tt := range map[string]struct {
			call func() error
			want credentials
		}{
			"anonymous query": {func() error { _, err := c.DB("").From("items").Rows(t.Context()); return err },
				credentials{g.AnonKey(), ""}},
			"query": {func() error { _, err := c.DB(token).From("items").Rows(t.Context()); return err },
				credentials{g.AnonKey(), "Bearer " + token}},
			"write": {func() error { _, err := c.DB(token).From("items").Delete().Rows(t.Context()); return err },
				credentials{g.AnonKey(), "Bearer " + token}},
			"tables": {func() error { _, err := c.DB(token).Tables(t.Context()); return err },
				credentials{g.AnonKey(), "Bearer " + token}},
			"admin query": {func() error { _, err := c.Admin().From("items").Rows(t.Context()); return err }, service},
			"admin write": {func() error { _, err := c.Admin().From("items").Delete().Rows(t.Context()); return err }, service},
			"sql": {func() error { _, err := c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "select 1"}); return err },
				credentials{"", "Bearer " + g.ServiceKey()}},
			"schema": {func() error { _, err := c.Admin().Schema(t.Context()); return err },
				credentials{"", "Bearer " + g.ServiceKey()}},
			"health": {func() error { c.Honours(t.Context(), "x"); return nil }, credentials{}},
		} {
			t.Run(flavor.String()+"/"+name, func(t *testing.T) {
				before := len(g.Requests())
				if err := tt.call(); err != nil {
					t.Fatal(err)
				}
				sent := g.Requests()[before:]
				if len(sent) != 1 {
					t.Fatalf("sent %d requests", len(sent))
				}
				got := credentials{sent[0].Header.Get("apikey"), sent[0].Header.Get("Authorization")}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s %s (-want +got):\n%s", sent[0].Method, sent[0].Path, diff)
				}
			})
		}
	}
}

func TestBadCallersAreRefused(t *testing.T) {
	const hosted, self = hostedtest.Hosted, hostedtest.Core
	for _, tt := range []struct {
		flavor hostedtest.Flavor
		token  string
		status int
		code   string
		text   string
	}{
		{hosted, "forged", 401, "AUTHENTICATION_REQUIRED", "PostgREST error (401): AUTHENTICATION_REQUIRED"},
		{self, "forged", 401, "AUTHENTICATION_REQUIRED", "PostgREST error (401): authentication_required"},
		{hosted, hostedtest.ForeignToken, 403, "PROJECT_TOKEN_MISMATCH", "PostgREST error (403): PROJECT_TOKEN_MISMATCH"},
		{self, hostedtest.ForeignToken, 403, "PROJECT_TOKEN_MISMATCH", "PostgREST error (403): project_token_mismatch"},
		{self, hostedtest.New(self).Token("project_admin"), 403, "ROLE_FORBIDDEN", "PostgREST error (403): role_forbidden"},
	} {
		c, g := newClient(t, tt.flavor)
		g.Table("items")
		_, err := c.DB(tt.token).From("items").Rows(t.Context())
		if e := wantError(t, err, tt.code); e.Status != tt.status || e.Error() != tt.text {
			t.Errorf("%v: got %d %q", tt.flavor, e.Status, e.Error())
		}
	}
}

func TestServiceKeyIsNoCaller(t *testing.T) {
	for _, flavor := range flavors {
		c, g := newClient(t, flavor)
		g.Table("items")
		_, err := c.DB(g.ServiceKey()).From("items").Rows(t.Context())
		wantError(t, err, core.CodeAdminRequired)
		_, err = c.DB(g.ServiceKey()).Tables(t.Context())
		wantError(t, err, core.CodeAdminRequired)
		if len(g.Requests()) != 0 {
			t.Error("the service key left for a caller's route")
		}
	}
}

func TestMissingKeysAreRefusedBeforeAnyRequest(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	c, err := core.New(core.Config{Base: "http://localhost", Transport: core.Handler(g)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.DB("").From("items").Rows(t.Context())
	wantError(t, err, core.CodeAnonKeyMissing)
	_, err = c.DB("").Tables(t.Context())
	wantError(t, err, core.CodeAnonKeyMissing)
	_, err = c.Admin().From("items").Rows(t.Context())
	wantError(t, err, core.CodeServiceKeyMissing)
	_, err = c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "select 1"})
	wantError(t, err, core.CodeServiceKeyMissing)
	_, err = c.Admin().Schema(t.Context())
	wantError(t, err, core.CodeServiceKeyMissing)

	c, err = core.New(core.Config{Base: "http://localhost", ServiceKey: "s", AnonKey: "a", Transport: core.Handler(g)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Admin().Schema(t.Context())
	wantError(t, err, core.CodeProjectIDMissing)
	for _, token := range []string{"a b", "a\r\nX-Evil: 1", "ä"} {
		_, err = c.DB(token).From("items").Rows(t.Context())
		wantError(t, err, core.CodeInvalidToken)
	}
	if n := len(g.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]core.Config{
		"no base":       {},
		"relative":      {Base: "api.run402.com"},
		"other scheme":  {Base: "ftp://localhost"},
		"user in base":  {Base: "http://user:pw-secret@localhost"},
		"query in base": {Base: "http://localhost?x=secret"},
		"broken anon":   {Base: "http://localhost", AnonKey: "secret\n"},
		"broken key":    {Base: "http://localhost", ServiceKey: "se cret"},
		"one key twice": {Base: "http://localhost", AnonKey: "secret", ServiceKey: "secret"},
	} {
		if _, err := core.New(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBaseMayHaveAPath(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	var paths []string
	spy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		http.StripPrefix("/a b/c", g).ServeHTTP(w, r)
	})
	c, err := core.New(core.Config{Base: "http://localhost/a%20b/c//", AnonKey: g.AnonKey(), Transport: core.Handler(spy)})
	if err != nil {
		t.Fatal(err)
	}
	g.Table("items")
	if _, err := c.DB("").From("items").Rows(t.Context()); err != nil {
		t.Error(err)
	}
	_, _ = c.DB("").From("x/y").Rows(t.Context())
	if diff := cmp.Diff([]string{"/a%20b/c/rest/v1/items", "/a%20b/c/rest/v1/x%2Fy"}, paths); diff != "" {
		t.Error(diff)
	}
}
