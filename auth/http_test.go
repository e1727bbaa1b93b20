package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core/wire"
)

func TestBearer(t *testing.T) {
	for name, test := range map[string]struct {
		headers []string
		token   string
		err     error
	}{
		"none":               {nil, "", nil},
		"a token":            {[]string{"Bearer a.b-_~+/=c"}, "a.b-_~+/=c", nil},
		"scheme in any case": {[]string{"bEARER abc"}, "abc", nil},
		"empty header":       {[]string{""}, "", ErrBearer},
		"no token":           {[]string{"Bearer "}, "", ErrBearer},
		"scheme alone":       {[]string{"Bearer"}, "", ErrBearer},
		"other scheme":       {[]string{"Basic abc"}, "", ErrBearer},
		"token alone":        {[]string{"abc"}, "", ErrBearer},
		"two tokens":         {[]string{"Bearer abc def"}, "", ErrBearer},
		"two in a list":      {[]string{"Bearer abc, Bearer def"}, "", ErrBearer},
		"two headers":        {[]string{"Bearer abc", "Bearer abc"}, "", ErrBearer},
		"two spaces":         {[]string{"Bearer  abc"}, "", ErrBearer},
		"tab":                {[]string{"Bearer\tabc"}, "", ErrBearer},
		"quoted":             {[]string{`Bearer "abc"`}, "", ErrBearer},
		"longest": {
			[]string{"Bearer " + strings.Repeat("a", MaxTokenBytes)}, strings.Repeat("a", MaxTokenBytes), nil,
		},
		"too long": {[]string{"Bearer " + strings.Repeat("a", MaxTokenBytes+1)}, "", ErrBearer},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = test.headers
			token, ok, err := Bearer(r)
			if token != test.token || ok != (test.token != "") || !errors.Is(err, test.err) {
				t.Errorf("got %.20q, %v, %v", token, ok, err)
			}
		})
	}
}

func TestMaxBody(t *testing.T) {
	const limit = 8
	handler := MaxBody(limit)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	for name, test := range map[string]struct {
		size    int
		chunked bool
		want    int
	}{
		"at the limit":            {limit, false, http.StatusOK},
		"over, and it says so":    {limit + 1, false, http.StatusRequestEntityTooLarge},
		"over, and it says not":   {limit + 1, true, http.StatusTeapot},
		"chunked and under limit": {limit, true, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("a", test.size)))
			if test.chunked {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("status %d, want %d", w.Code, test.want)
			}
		})
	}
}

func TestTokenError(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		code   string
		says   string
	}{
		{ErrOtherProject, 403, "PROJECT_TOKEN_MISMATCH", "another project"},
		{fmt.Errorf("verify: %w", ErrExpired), 401, "AUTHENTICATION_REQUIRED", "has expired"},
		{ErrSignature, 401, "AUTHENTICATION_REQUIRED", "signature"},
		{ErrBearer, 401, "AUTHENTICATION_REQUIRED", "Authorization header"},
		{errors.New("some inner text"), 401, "AUTHENTICATION_REQUIRED", "was not accepted"},
	} {
		status, e := TokenError(test.err)
		if status != test.status || e.Code != test.code || !strings.Contains(e.Message, test.says) ||
			strings.Contains(e.Message, "inner") {
			t.Errorf("TokenError(%v) = %d %+v", test.err, status, e)
		}
	}
}

func TestWriteErrorSendsTheEnvelope(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Length", "3")
	WriteError(w, http.StatusUnauthorized, wire.Error{Code: "SOME_CODE", Message: "<no>", RetryAfter: 7})
	var got wire.Error
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^trc_[0-9a-f]{16}$`).MatchString(got.TraceID) {
		t.Errorf("trace id %q", got.TraceID)
	}
	want := wire.Error{Error: "some_code", Code: "SOME_CODE", Message: "<no>", RetryAfter: 7, TraceID: got.TraceID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "Retry-After": "7",
		"WWW-Authenticate": `Bearer realm="run402"`, "X-Content-Type-Options": "nosniff", "Content-Length": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestWriteErrorKeepsWhatTheCallerSaid(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("WWW-Authenticate", "Bearer other")
	e := wire.Error{Code: "A", TraceID: "trc_1", Details: json.RawMessage("not JSON")}
	WriteError(w, http.StatusUnauthorized, e)
	if w.Header().Get("WWW-Authenticate") != "Bearer other" ||
		!strings.Contains(w.Body.String(), `"trace_id":"trc_1"`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	WriteError(w, http.StatusForbidden, wire.Error{Code: "A"})
	if got, ok := w.Header()["Www-Authenticate"]; ok {
		t.Errorf("403 with WWW-Authenticate %q", got)
	}
}
