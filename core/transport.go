package core

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"
)

// Handler returns a transport that calls h in process: no socket, no copy that is not needed. The handler runs in the
// goroutine of the call and must heed its request's context; a panic in it, http.ErrAbortHandler too, comes back as a
// *PanicError. Its answer is buffered; a write beyond 64 MiB fails.
func Handler(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t handlerTransport) RoundTrip(req *http.Request) (_ *http.Response, err error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	// A server's view of the request: a handler may change it, and reads what a server would have set.
	in := *req
	in.RemoteAddr = "127.0.0.1:0"
	in.RequestURI = req.URL.RequestURI()
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &answerBuffer{header: make(http.Header, 8)}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		_ = in.Body.Close() // as a transport must; a body in memory has nothing to say
	}()
	t.handler.ServeHTTP(w, &in)
	if w.tooLarge {
		return nil, errTooLarge
	}
	if w.status == 0 {
		// A handler that gave up because the caller did says nothing.
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		w.WriteHeader(http.StatusOK)
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: w, ContentLength: int64(w.buf.Len()), Request: req,
	}, nil
}

// PanicError is a handler's panic. Its text does not quote the value, which may hold anything; Value and Stack are for
// whoever logs it.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	if e.Value == http.ErrAbortHandler {
		return "the in-process handler aborted its answer"
	}
	return fmt.Sprintf("the in-process handler panicked with a %T", e.Value)
}

// answerBuffer is the ResponseWriter that a handler writes to and then the body that the client reads.
type answerBuffer struct {
	buf      bytes.Buffer
	header   http.Header
	status   int
	tooLarge bool
}

func (w *answerBuffer) Header() http.Header { return w.header }

func (w *answerBuffer) WriteHeader(status int) {
	// 1xx is information on the way; the first other status counts.
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *answerBuffer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.buf.Len()+len(p) > maxAnswer {
		w.tooLarge = true
		return 0, errTooLarge
	}
	return w.buf.Write(p)
}

// Flush implements http.Flusher: there is nobody to send it to yet.
func (w *answerBuffer) Flush() {}

func (w *answerBuffer) Read(p []byte) (int, error) { return w.buf.Read(p) }

func (w *answerBuffer) Close() error { return nil }
