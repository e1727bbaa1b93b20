package core_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

// answers is a function that always answers the same.
func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestAFunctionIsSentWhatTheCallSays(t *testing.T) {
	for name, tt := range map[string]struct {
		token string
		req   core.FunctionRequest
		want  hostedtest.Request
	}{
		"nothing but its name": {"", core.FunctionRequest{}, hostedtest.Request{Method: "POST"}},
		"a user's token":       {"header.user-authenticated.signature", core.FunctionRequest{}, hostedtest.Request{Method: "POST"}},
		"JSON": {"", core.FunctionRequest{Body: []byte(`{"n":12345678901234567890}`)}, hostedtest.Request{
			Method: "POST", Body: `{"n":12345678901234567890}`, Header: http.Header{"Content-Type": {"application/json"}},
		}},
		"text": {"", core.FunctionRequest{Method: "PUT", Body: []byte("hello")}, hostedtest.Request{
			Method: "PUT", Body: "hello", Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		}},
		"headers of its own": {"", core.FunctionRequest{
			Method: "PATCH", Body: []byte("a,b"),
			Header: http.Header{"content-type": {"text/csv"}, "Idempotency-Key": {"k"}, "Cookie": {"a=b"}},
		}, hostedtest.Request{Method: "PATCH", Body: "a,b", Header: http.Header{
			"Content-Type": {"text/csv"}, "Idempotency-Key": {"k"}, "Cookie": {"a=b"},
		}}},
		"GET":     {"", core.FunctionRequest{Method: "GET"}, hostedtest.Request{Method: "GET"}},
		"HEAD":    {"", core.FunctionRequest{Method: "HEAD"}, hostedtest.Request{Method: "HEAD"}},
		"OPTIONS": {"", core.FunctionRequest{Method: "OPTIONS"}, hostedtest.Request{Method: "OPTIONS"}},
		"DELETE":  {"", core.FunctionRequest{Method: "DELETE"}, hostedtest.Request{Method: "DELETE"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Function("hello-1", answers(200, "text/plain", "hi"))
			if _, err := c.Functions(tt.token).Invoke(t.Context(), "hello-1", tt.req); err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Path = "/functions/v1/hello-1"
			header := http.Header{"Apikey": {g.AnonKey()}}
			if tt.token != "" {
				header["Authorization"] = []string{"Bearer " + tt.token}
			}
			maps.Copy(header, want.Header)
			want.Header = header
			if diff := cmp.Diff([]hostedtest.Request{want}, g.Requests()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatAFunctionAnswersIsItsResult(t *testing.T) {
	for name, tt := range map[string]struct {
		status            int
		contentType, body string
	}{
		"JSON":                       {200, "application/json", `{"a": 1}`},
		"nothing":                    {204, "", ""},
		"a redirect":                 {303, "text/html", "see other"},
		"text that fails":            {500, "text/plain", "boom"},
		"an error of its own":        {404, "application/json", `{"error":"not_found","message":"no such order"}`},
		"an error with a code":       {422, "application/json", `{"code":"TOO_YOUNG","message":"come back later"}`},
		"a code in lower case":       {409, "application/json", `{"code":"taken","error":"Taken","trace_id":"mine"}`},
		"a list":                     {400, "application/json", `[{"code":"X","trace_id":"t"}]`},
		"what was a page":            {502, "text/html", "<html><title>Bad gateway</title>"},
		"an envelope that succeeded": {200, "application/json", `{"code":"FUNCTION_NOT_FOUND","trace_id":"t"}`},
		"no UTF-8":                   {200, "image/png", "\x89PNG\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Function("f", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Set-Cookie", "a=1")
				w.Header().Add("Set-Cookie", "b=2")
				w.Header().Set("Keep-Alive", "timeout=5")
				answers(tt.status, tt.contentType, tt.body)(w, r)
			})
			got, err := c.Functions("").Invoke(t.Context(), "f", core.FunctionRequest{})
			if err != nil {
				t.Fatal(err)
			}
			want := core.FunctionResponse{Status: tt.status, Body: []byte(tt.body), Header: http.Header{
				"Content-Type": {tt.contentType}, "Set-Cookie": {"a=1", "b=2"},
			}}
			if diff := cmp.Diff(want, got, cmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
				t.Error(diff)
			}
			if n := len(g.Requests()); n != 1 {
				t.Errorf("called %d times", n)
			}
		})
	}
}

func TestWhatThePlatformRefusesIsAnError(t *testing.T) {
	envelope := func(code string) hostedtest.Answer {
		return hostedtest.Answer{Status: 401, Body: `{"code":"` + code + `","error":"x","message":"m","mutation_state":"none"}`}
	}
	for name, tt := range map[string]struct {
		flavor      hostedtest.Flavor
		token, name string
		script      *hostedtest.Answer
		code        string
		status      int
	}{
		"no such function":      {hostedtest.Hosted, "", "nope", nil, core.CodeFunctionNotFound, 404},
		"without a trace":       {hostedtest.Hosted, "", "f", &hostedtest.Answer{Status: 404, Body: `{"error":"FUNCTION_NOT_FOUND"}`}, core.CodeFunctionNotFound, 404},
		"a forged token":        {hostedtest.Hosted, "forged", "f", nil, "AUTHENTICATION_REQUIRED", 401},
		"a foreign token":       {hostedtest.Hosted, hostedtest.ForeignToken, "f", nil, "PROJECT_TOKEN_MISMATCH", 403},
		"a forged one, Core":    {hostedtest.Core, "forged", "f", nil, "AUTHENTICATION_REQUIRED", 401},
		"a code that is new":    {hostedtest.Hosted, "", "f", new(envelope("SOMETHING_NEW")), "SOMETHING_NEW", 401},
		"Core, which runs none": {hostedtest.Core, "", "f", nil, core.CodeRuntimeUnavailable, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, g := newClient(t, tt.flavor)
				g.Function("f", answers(200, "text/plain", "hi"))
				if tt.script != nil {
					g.Script("POST", "/functions/v1/f", *tt.script)
				}
				_, err := c.Functions(tt.token).Invoke(t.Context(), tt.name, core.FunctionRequest{})
				var e *core.Error
				if !errors.As(err, &e) || e.Code != tt.code || e.Status != tt.status || e.Retryable {
					t.Fatalf("got %+v", e)
				}
				if (e.Code == core.CodeFunctionNotFound || e.Code == core.CodeRuntimeUnavailable) && e.Hint == "" {
					t.Error("it says nothing about what to do next")
				}
				if n := len(g.Requests()); n != 1 {
					t.Errorf("called %d times", n)
				}
			})
		})
	}
}

func TestCoresOwnRouteIsNeverUsed(t *testing.T) {
	c, g := newClient(t, hostedtest.Core)
	for _, name := range []string{"f", "invoke", "runs"} {
		if _, err := c.Functions("").Invoke(t.Context(), name, core.FunctionRequest{}); err == nil {
			t.Errorf("%s was called", name)
		}
	}
	if sent := g.Requests(); len(sent) != 1 || sent[0].Path != "/functions/v1/f" || sent[0].Header.Get("apikey") != g.AnonKey() {
		t.Errorf("sent %+v", sent)
	}
}

func TestACallOfAFunctionIsRepeatedOnlyWhenThatIsSafe(t *testing.T) {
	busy := `{"code":"DYNAMIC_RUNTIME_BUSY","message":"busy","trace_id":"t","retryable":true,"safe_to_retry":`
	for name, tt := range map[string]struct {
		method, body string
		tries        int
	}{
		"a write that may have run":      {"POST", busy + "false}", 1},
		"a write that has not":           {"POST", busy + "true}", 3},
		"a read":                         {"GET", busy + "false}", 3},
		"a read that the function fails": {"GET", `{"error":"busy"}`, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Script(tt.method, "/functions/v1/f", hostedtest.Answer{Status: 503, Body: tt.body})
			_, _ = c.Functions("").Invoke(t.Context(), "f", core.FunctionRequest{Method: tt.method})
			if n := len(g.Requests()); n != tt.tries {
				t.Errorf("%s: called %d times, want %d", name, n, tt.tries)
			}
		})
	}
}

func TestACallThatCannotBeMadeIsNotSent(t *testing.T) {
	header := func(name, value string) core.FunctionRequest {
		return core.FunctionRequest{Header: http.Header{name: {value}}}
	}
	large := make([]byte, wire.MaxFunctionBody+1)
	for name, tt := range map[string]struct {
		name string
		req  core.FunctionRequest
		code string
	}{
		"no name":             {"", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"upper case":          {"Hello", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"a path":              {"a/b", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"dots":                {"..", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"a query":             {"a?b=c", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"a dash first":        {"-a", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"an underscore first": {"_a", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"another alphabet":    {"é", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"65 characters":       {strings.Repeat("a", 65), core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"the route of Core":   {"invoke", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"the route of runs":   {"runs", core.FunctionRequest{}, core.CodeInvalidFunctionName},
		"a method":            {"f", core.FunctionRequest{Method: "CONNECT"}, core.CodeInvalidRequest},
		"a body of GET":       {"f", core.FunctionRequest{Method: "GET", Body: []byte("a")}, core.CodeInvalidRequest},
		"a key":               {"f", header("apikey", "a"), core.CodeInvalidRequest},
		"a bearer":            {"f", header("authorization", "Bearer a"), core.CodeInvalidRequest},
		"the platform's":      {"f", header("x-run402-user-id", "1"), core.CodeInvalidRequest},
		"a proxy's":           {"f", header("X-FORWARDED-FOR", "1.1.1.1"), core.CodeInvalidRequest},
		"hop by hop":          {"f", header("Connection", "upgrade"), core.CodeInvalidRequest},
		"chunks":              {"f", header("transfer-encoding", "chunked"), core.CodeInvalidRequest},
		"a host":              {"f", header("Host", "elsewhere"), core.CodeInvalidRequest},
		"a split header":      {"f", header("X-A", "a\r\nApikey: b"), core.CodeInvalidRequest},
		"a split name":        {"f", header("X-A: b\r\nApikey", "a"), core.CodeInvalidRequest},
		"a header of no name": {"f", header("", "a"), core.CodeInvalidRequest},
		"too much":            {"f", core.FunctionRequest{Body: large}, core.CodeRequestTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			_, err := c.Functions("").Invoke(t.Context(), tt.name, tt.req)
			var e *core.Error
			if !errors.As(err, &e) || e.Code != tt.code || e.MutationState != "not_started" || e.Hint == "" {
				t.Errorf("got %+v", e)
			}
			if n := len(g.Requests()); n != 0 {
				t.Errorf("sent %d requests", n)
			}
		})
	}
}

func TestAFunctionIsACallersAndNeverTheServiceRoles(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	c, err := core.New(core.Config{
		Base: "http://localhost", ProjectID: hostedtest.ProjectID, ServiceKey: g.ServiceKey(), Transport: core.Handler(g),
	})
	if err != nil {
		t.Fatal(err)
	}
	for token, code := range map[string]string{"": core.CodeAnonKeyMissing, g.ServiceKey(): core.CodeAdminRequired} {
		_, err := c.Functions(token).Invoke(t.Context(), "f", core.FunctionRequest{})
		var e *core.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("token %q: got %v", token, err)
		}
	}
	if n := len(g.Requests()); n != 0 {
		t.Errorf("sent %d requests", n)
	}
}

func TestBodiesOfFunctionsHaveALimitBothWays(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	most := strings.Repeat("a", wire.MaxFunctionBody)
	g.Function("echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	got, err := c.Functions("").Invoke(t.Context(), "echo", core.FunctionRequest{Body: []byte(most)})
	if err != nil || len(got.Body) != wire.MaxFunctionBody {
		t.Fatalf("got %d bytes, %v", len(got.Body), err)
	}
	g.Function("large", answers(200, "text/plain", most+"a"))
	_, err = c.Functions("").Invoke(t.Context(), "large", core.FunctionRequest{})
	var e *core.Error
	if !errors.As(err, &e) || e.Code != core.CodeResponseTooLarge || e.MutationState != "unknown" || e.Retryable {
		t.Errorf("got %+v", e)
	}
}
