package core

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/run402/functions-mcp/core/wire"
)

func TestErrorBodies(t *testing.T) {
	const envelope = `{"error":"quota_exceeded","message":"Image budget used up.","code":"QUOTA_EXCEEDED","category":"quota",` +
		`"retryable":false,"safe_to_retry":true,"mutation_state":"none","trace_id":"trc_9","details":{"used":20},` +
		`"retry_after":7,"hint":"Wait.","next_actions":[{"type":"check_usage","method":"GET","fields":["x"]}],"new":[1]}`
	for name, tt := range map[string]struct {
		op     string
		status int
		header http.Header
		body   string
		want   Error
		text   string
	}{
		"envelope": {"query items", 429, nil, envelope, Error{
			Code: "QUOTA_EXCEEDED", Message: "Image budget used up.", Details: `{"used":20}`, Hint: "Wait.", Category: "quota",
			SafeToRetry: true, MutationState: "none", TraceID: "trc_9", RetryAfter: 7,
			NextActions: []wire.NextAction{{Type: "check_usage", Method: "GET"}},
		}, "PostgREST error (429): QUOTA_EXCEEDED"},
		"PostgREST": {"query items", 400, nil, `{"code":"42703","message":"column items.x does not exist","details":null,"hint":"Perhaps y."}`,
			Error{Code: "42703", Message: "column items.x does not exist", Hint: "Perhaps y."}, "PostgREST error (400): 42703"},
		"PostgREST with details": {"insert items", 409, nil, `{"code":"23505","message":"duplicate","details":"Key (a)=(secret)","hint":null}`,
			Error{Code: "23505", Message: "duplicate", Details: "Key (a)=(secret)"}, "PostgREST error (409): 23505"},
		"Core": {"sql", 400, nil, `{"error":"sql_error","message":"SQL error: syntax"}`,
			Error{Code: "SQL_ERROR", Message: "SQL error: syntax"}, "SQL error (400): sql_error"},
		"error is a text": {"schema", 403, nil, `{"error":"Project is frozen."}`,
			Error{Message: "Project is frozen."}, "Run402 error (403): Project is frozen."},
		"no texts":         {"query items", 400, nil, `{"x":1}`, Error{}, "PostgREST error (400): <envelope>"},
		"odd types":        {"query items", 400, nil, `{"code":"X1","message":3,"hint":[],"trace_id":"t"}`, Error{Code: "X1", TraceID: "t"}, "PostgREST error (400): X1"},
		"plain text":       {"query items", 502, nil, "bad  gateway\n", Error{Message: "bad gateway", Retryable: true}, "PostgREST error (502): bad gateway"},
		"HTML":             {"query items", 503, nil, "<html><head><title>503 Down</title><style>a{}</style>", Error{Message: "503 Down", Retryable: true}, "PostgREST error (503): 503 Down"},
		"empty":            {"query items", 500, nil, "", Error{Retryable: true}, "PostgREST error (500): <envelope>"},
		"JSON array":       {"query items", 500, nil, "[]", Error{Message: "[]", Retryable: true}, "PostgREST error (500): []"},
		"rate limit":       {"query items", 429, http.Header{"Retry-After": {"3"}}, `{"code":"RATE_LIMITED"}`, Error{Code: "RATE_LIMITED", Retryable: true, RetryAfter: 3}, "PostgREST error (429): RATE_LIMITED"},
		"later spelling":   {"query items", 429, nil, `{"error":"rate_limited","retry_after_seconds":2.5}`, Error{Code: "RATE_LIMITED", Message: "rate_limited", Retryable: true, RetryAfter: 2}, "PostgREST error (429): rate_limited"},
		"statement's own":  {"query items", 500, nil, `{"code":"42P17","message":"recursion"}`, Error{Code: "42P17", Message: "recursion"}, "PostgREST error (500): 42P17"},
		"deadlock":         {"update items", 500, nil, `{"code":"40P01"}`, Error{Code: "40P01", Retryable: true, SafeToRetry: true}, "PostgREST error (500): 40P01"},
		"no connection":    {"update items", 503, nil, `{"code":"PGRST001"}`, Error{Code: "PGRST001", Retryable: true, SafeToRetry: true}, "PostgREST error (503): PGRST001"},
		"not implemented":  {"query items", 501, nil, "", Error{}, "PostgREST error (501): <envelope>"},
		"retryable: false": {"query items", 503, nil, `{"code":"X","retryable":false}`, Error{Code: "X"}, "PostgREST error (503): X"},
		"retryable: true":  {"query items", 409, nil, `{"code":"X","retryable":true}`, Error{Code: "X", Retryable: true}, "PostgREST error (409): X"},
	} {
		t.Run(name, func(t *testing.T) {
			got := answerError(tt.op, tt.status, tt.header, []byte(tt.body))
			tt.want.Op, tt.want.Status = tt.op, tt.status
			if strings.HasPrefix(tt.body, "{") {
				tt.want.Body = json.RawMessage(tt.body)
			}
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got.Error() != tt.text {
				t.Errorf("text is %q, want %q", got.Error(), tt.text)
			}
		})
	}
}

func TestMaxAffectedIsRecognised(t *testing.T) {
	for _, tt := range []struct {
		e  *Error
		n  int64
		ok bool
	}{
		{&Error{Code: "PGRST124", Details: "The query affects 12 rows"}, 12, true},
		{&Error{Code: "PGRST124"}, 0, true},
		{&Error{Code: CodeMaxAffected, affected: 3}, 3, true},
		{&Error{Code: "MAX_ROWS_EXCEEDED", Details: `{"affected":7,"max_rows":3}`}, 7, true},
		{&Error{Code: "MAX_ROWS_EXCEEDED"}, 0, true},
		{&Error{Code: "23505", Details: "Key (a)=(5 6)"}, 0, false},
	} {
		if n, ok := tt.e.MaxAffected(); n != tt.n || ok != tt.ok {
			t.Errorf("%s %q: got %d, %v", tt.e.Code, tt.e.Details, n, ok)
		}
	}
}

func TestDestructionIsRecognised(t *testing.T) {
	const details = `{"destroys":["drop table project.a"],"digest":"d","affected":2}`
	want := wire.Destruction{Destroys: []string{"drop table project.a"}, Digest: "d", Affected: 2}
	for _, tt := range []struct {
		e    *Error
		want wire.Destruction
		ok   bool
	}{
		{answerError("sql", 400, nil, []byte(`{"code":"DESTRUCTIVE_SQL","message":"m","details":`+details+`}`)), want, true},
		{&Error{Code: "DESTRUCTIVE_SQL"}, wire.Destruction{}, false},
		{&Error{Code: "SQL_ERROR", Details: details}, wire.Destruction{}, false},
	} {
		got, ok := tt.e.Destruction()
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
			t.Errorf("%s: %v %s", tt.e.Code, ok, diff)
		}
	}
}

func TestRetryAfterDate(t *testing.T) {
	at := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	if got := retryAfter(http.Header{"Retry-After": {at}}, 5); got < 88 || got > 91 {
		t.Errorf("a date in 90 s is %d s", got)
	}
	for value, want := range map[string]int{"-1": 5, "soon": 5, "": 5, "0": 0} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, 5); got != want {
			t.Errorf("%q: got %d, want %d", value, got, want)
		}
	}
}

func TestTransportErrorNamesNoURL(t *testing.T) {
	c, err := New(Config{Base: "http://localhost:1", AnonKey: "a", Transport: failing{errors.New("broken")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.DB("token-secret").From("items").Eq("email", "a-secret").Update(map[string]any{"a": "secret"}).Rows(t.Context())
	var e *Error
	if !errors.As(err, &e) || strings.Contains(err.Error(), "secret") || e.Error() != "update items: no answer from the backend: broken" {
		t.Errorf("got %v", err)
	}
	if e.MutationState != "unknown" || e.SafeToRetry {
		t.Errorf("a write that got no answer is %q, safe to retry: %v", e.MutationState, e.SafeToRetry)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func FuzzErrorBody(f *testing.F) {
	f.Add(400, `{"code":"42703","message":"m","details":null,"hint":null}`, "3")
	f.Add(503, `{"error":"x y","retry_after":1e99,"details":{"a":1}}`, "Mon, 23 Nov 2026 10:00:00 GMT")
	f.Add(502, "<html><title>bad\xff", "")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		e := answerError("query items", status, http.Header{"Retry-After": {after}}, []byte(body))
		if e.Body != nil && !json.Valid(e.Body) {
			t.Error("Body is no JSON")
		}
		if e.RetryAfter < 0 {
			t.Errorf("wait %d s", e.RetryAfter)
		}
		if e.Error() == "" {
			t.Error("no text")
		}
		e.MaxAffected()
		e.Destruction()
	})
}
