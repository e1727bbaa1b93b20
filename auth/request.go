package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

const requestIDHeader = "X-Request-Id"

// numberRequest gives every answer an id that the log and the error envelope share. The client's own is not taken: it
// may be anything, and would be written into our log.
func numberRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(requestIDHeader, "req_"+randomHex())
		next.ServeHTTP(w, r)
	})
}

// requireJSON refuses a POST that is not JSON. A web page may send text/plain anywhere without asking, JSON not.
func requireJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil || media != "application/json" || len(r.Header.Values("Content-Type")) > 1 {
				WriteError(w, http.StatusUnsupportedMediaType, wire.Error{
					Code: "UNSUPPORTED_MEDIA_TYPE", Category: "validation", MutationState: "none",
					Message: "a message is JSON: send it with Content-Type: application/json",
				})
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

type methodKey struct{}

// messageMethod is the JSON-RPC method of the message that a request posts; empty for a response or what is no message.
func messageMethod(r *http.Request) string {
	method, _ := r.Context().Value(methodKey{}).(string)
	return method
}

// readMessage reads the body of a POST, which must be there within the timeout. Handlers that stream their answer for
// hours are not cut: the deadline is for the body alone.
func readMessage(timeout time.Duration) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				next.ServeHTTP(w, r)
				return
			}
			body, err := readBody(w, r, timeout)
			if err != nil {
				status, e := bodyError(err)
				w.Header().Set("Connection", "close") // the rest of the body is not worth waiting for
				WriteError(w, status, e)
				return
			}
			// As mcp-go reads it, so that both see the same method. What is no message, mcp-go refuses.
			var message struct {
				Method string `json:"method"`
			}
			_ = json.Unmarshal(body, &message)
			r = r.WithContext(context.WithValue(r.Context(), methodKey{}, message.Method))
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

func readBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) ([]byte, error) {
	if err := LimitBody(w, r, timeout); err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// LimitBody gives the body of a request a time to arrive; after that, reading it fails with os.ErrDeadlineExceeded. It
// leaves no deadline behind: net/http lifts it where the body ends.
func LimitBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) error {
	if r.Body == nil || r.Body == http.NoBody { // the deadline would be that of whatever comes next
		return nil
	}
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout))
	if errors.Is(err, http.ErrNotSupported) { // in process
		return nil
	}
	return err
}

func limitBody(timeout time.Duration) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = LimitBody(w, r, timeout) // where that cannot be, the connection is gone
			next.ServeHTTP(w, r)
		})
	}
}

func bodyError(err error) (status int, e wire.Error) {
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return http.StatusRequestEntityTooLarge, BodyTooLarge(tooLong.Limit)
	}
	e = wire.Error{Code: "BAD_REQUEST", Category: "validation", MutationState: "none"}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Message = "the request's body did not arrive in time: send it again"
		return http.StatusRequestTimeout, e
	}
	e.Message = "the request's body ended early: send it again"
	return http.StatusBadRequest, e
}

// dropForeignCancel accepts and forgets a cancellation that comes without a session. mcp-go looks such a call up by the
// id that its client gave it, and other clients use the same ids; a client without a session cancels by closing its
// request.
func dropForeignCancel(session SessionOf) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if messageMethod(r) == "notifications/cancelled" && session(r) == "" {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Recover answers a panic with an opaque id. What panicked may hold anything, so that only its type and the place are
// logged. A stream that has begun is cut.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun := false
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(http.ErrAbortHandler) // not ours to answer
				}
				log.ErrorContext(r.Context(), "request panicked", "request_id", w.Header().Get(requestIDHeader),
					"type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
				if begun {
					panic(http.ErrAbortHandler)
				}
				WriteError(w, http.StatusInternalServerError, wire.Error{
					Code: "INTERNAL_ERROR", MutationState: "unknown",
					Message: "this server failed: tell its operator the request_id, under which its log says more",
				})
			}()
			next.ServeHTTP(&watchedWriter{ResponseWriter: w, before: func() { begun = true }}, r)
		})
	}
}

// cutStalled cuts a connection whose client reads nothing for so long. Streams have no limit otherwise, and what waits
// for a client that stopped reading would pile up.
func cutStalled(patience time.Duration) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			extend := func() { _ = control.SetWriteDeadline(time.Now().Add(patience)) } // a recorder has none
			next.ServeHTTP(&watchedWriter{ResponseWriter: w, before: extend}, r)
			_ = control.SetWriteDeadline(time.Time{}) // for the next request on this connection
		})
	}
}

// watchedWriter calls before ahead of everything that goes to the client.
type watchedWriter struct {
	http.ResponseWriter
	before func()
}

func (w *watchedWriter) WriteHeader(status int) {
	w.before()
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.before()
	return w.ResponseWriter.Write(p)
}

// Flush is for mcp-go, which streams only to an http.Flusher.
func (w *watchedWriter) Flush() {
	w.before()
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a client that is gone shows in the request's context
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
