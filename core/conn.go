package core

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxAnswer bounds an answer's body, in bytes.
const maxAnswer = 64 << 20

// conn carries requests to a backend. It knows no key: a request brings its own header.
type conn struct {
	base *url.URL
	// A transport, not an http.Client: it follows no redirect, which could lead a credential to another host.
	transport http.RoundTripper
	local     bool // in process: no schema cache that could lag behind

	extensions atomic.Pointer[[]string] // what the backend honours, once it was asked
	wroteSQL   atomic.Int64             // when raw SQL may last have changed the schema, in Unix nanoseconds
}

func newConn(base *url.URL, transport http.RoundTripper) *conn {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 16 // agents call in parallel; the default of 2 would dial anew for every further call
		transport = t
	}
	_, local := transport.(handlerTransport)
	return &conn{base: base, transport: transport, local: local}
}

// request is one call of the API. path is unescaped under the base; rawPath is its escaped form where they differ.
type request struct {
	op      string
	method  string
	path    string
	rawPath string
	query   string
	header  http.Header
	body    []byte
	stream  *stream // in place of body
	reads   bool    // it changes nothing, so it can be repeated
	// answers reports whether what came beyond 2xx is an answer all the same; nil means that it is a failure.
	answers func(status int, body []byte) bool
}

// stream is a body that is not in memory.
type stream struct {
	open   func() io.Reader // from its beginning; each time a reader of its own, as one that failed may still be read
	length int64            // -1 when it is not known
	once   bool             // it cannot be opened again
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// Retries: at most three tries within ten seconds (section 11).
const (
	maxTries   = 3
	maxElapsed = 10 * time.Second
	firstPause = 200 * time.Millisecond
	// schemaLag is how long after DDL a hosted backend's schema cache may not know a name.
	schemaLag = 20 * time.Second
)

// send performs a request, and repeats it while that is safe and promises something. Its error is an *Error.
func (c *conn) send(ctx context.Context, req request) (answer, error) {
	ans, failure := c.once(ctx, req)
	if failure == nil {
		return ans, nil
	}
	pause := &backoff.ExponentialBackOff{
		InitialInterval: firstPause, RandomizationFactor: 0.2, Multiplier: 3, MaxInterval: maxElapsed,
	}
	first := true
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		if !first {
			ans, failure = c.once(ctx, req)
		}
		first = false
		switch {
		case failure == nil:
			return struct{}{}, nil
		case !c.repeatable(req, failure), req.stream != nil && req.stream.once:
			return struct{}{}, backoff.Permanent(failure)
		case failure.RetryAfter > 0:
			return struct{}{}, backoff.RetryAfter(failure.RetryAfter)
		}
		return struct{}{}, failure
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(maxElapsed))
	// What the backend said last is worth more than that the time is up.
	if failure != nil {
		return answer{}, failure
	}
	return ans, nil
}

func (c *conn) repeatable(req request, e *Error) bool {
	if e.schemaCacheMiss() {
		return !c.local && time.Since(time.Unix(0, c.wroteSQL.Load())) < schemaLag
	}
	return e.Retryable && (req.reads || e.SafeToRetry)
}

// once performs a request a single time.
func (c *conn) once(ctx context.Context, req request) (answer, *Error) {
	res, err := c.transport.RoundTrip(c.httpRequest(ctx, req))
	if err != nil {
		return answer{}, transportError(req, err)
	}
	body, err := readBody(res.Body)
	_ = res.Body.Close() // read to its end or given up: closing has nothing to add
	if err != nil {
		e := transportError(req, err)
		e.Status = res.StatusCode
		return answer{}, e
	}
	failed := res.StatusCode < 200 || res.StatusCode > 299
	if failed && (req.answers == nil || !req.answers(res.StatusCode, body)) {
		return answer{}, answerError(req.op, res.StatusCode, res.Header, body)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

func (c *conn) httpRequest(ctx context.Context, req request) *http.Request {
	u := *c.base
	if req.rawPath != "" {
		u.RawPath = u.EscapedPath() + req.rawPath
	}
	u.Path += req.path
	u.RawQuery = req.query
	r := &http.Request{
		Method: req.method, URL: &u, Host: u.Host, Header: req.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if req.body != nil {
		r.ContentLength = int64(len(req.body))
		r.Body = io.NopCloser(bytes.NewReader(req.body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.body)), nil }
	}
	if req.stream != nil {
		r.ContentLength, r.Body = req.stream.length, io.NopCloser(req.stream.open())
	}
	return r.WithContext(ctx)
}

var errTooLarge = errors.New("the answer is larger than 64 MiB")

func readBody(r io.Reader) ([]byte, error) {
	if b, ok := r.(*answerBuffer); ok {
		return b.buf.Bytes(), nil
	}
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLarge
	}
	return body, err
}

// transportError describes a request that got no whole answer. A transport's error does not quote the URL, whose
// filters are row values.
func transportError(req request, err error) *Error {
	e := &Error{Op: req.op, Code: CodeNetwork, Message: "no answer from the backend", Err: err, Retryable: true,
		Hint: "Check that the API base is right and reachable, then try again."}
	if !req.reads {
		e.MutationState = "unknown"
	}
	var (
		certificate *tls.CertificateVerificationError
		panicked    *PanicError
	)
	switch op, ok := errors.AsType[*net.OpError](err); {
	case errors.Is(err, errTooLarge):
		e.Code, e.Message, e.Retryable = CodeInvalidAnswer, "too much for one answer", false
		e.Hint = "Ask for fewer rows or columns."
	case errors.Is(err, context.Canceled):
		e.Code, e.Message, e.Hint, e.Retryable = CodeCanceled, "canceled", "", false
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Message, e.Hint = CodeTimeout, "the backend did not answer in time", "Ask for less at once, or try again."
	case errors.As(err, &certificate):
		e.Retryable = false
	case errors.As(err, &panicked):
		e.Retryable, e.Hint = false, "This is a bug of the local gateway; its log says more."
	case ok && op.Op == "dial":
		e.SafeToRetry, e.MutationState = true, "not_started"
	}
	return e
}
