package auth

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// ErrBearer says that an Authorization header is not exactly one bearer token. Such a request is refused: a client
// that meant to sign in must not be served as nobody.
var ErrBearer = errors.New("the Authorization header must be one \"Bearer <token>\"")

// Bearer returns the request's bearer token, and whether there is one. No Authorization header at all is the anonymous
// caller; anything else than one bearer of at most MaxTokenBytes is ErrBearer.
func Bearer(r *http.Request) (token string, ok bool, err error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || !isToken(token) {
		return "", false, ErrBearer
	}
	return token, true, nil
}

// isToken holds the text to the token68 syntax of RFC 6750, which JWTs and opaque keys both have.
func isToken(s string) bool {
	if s == "" || len(s) > MaxTokenBytes {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~+/=", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// MaxBody refuses a request whose body is longer than limit bytes: at once with 413 when it says so, else reading
// the body fails with *http.MaxBytesError.
func MaxBody(limit int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > limit {
				WriteError(w, http.StatusRequestEntityTooLarge, BodyTooLarge(limit))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			next.ServeHTTP(w, r)
		})
	}
}

// BodyTooLarge is the envelope of a 413 for a request body of more than limit bytes.
func BodyTooLarge(limit int64) wire.Error {
	return wire.Error{
		Code:          "REQUEST_BODY_TOO_LARGE",
		Message:       fmt.Sprintf("the request body is larger than %d bytes: send less at a time", limit),
		Category:      "validation",
		MutationState: "none",
	}
}

// TokenError maps a failure of Verify or Bearer to its answer: 403 PROJECT_TOKEN_MISMATCH for a token of another
// project, else 401 AUTHENTICATION_REQUIRED (contract section 2.1). Any other error is reported as 401 without its
// text.
func TokenError(err error) (status int, e wire.Error) {
	e = wire.Error{
		Code: "AUTHENTICATION_REQUIRED", Category: "auth", MutationState: "none",
		Message: "the bearer token was not accepted: sign in again and send the new token",
	}
	if errors.Is(err, ErrOtherProject) {
		e.Code = "PROJECT_TOKEN_MISMATCH"
		e.Message = "the token belongs to another project than the key: use a token of this project"
		return http.StatusForbidden, e
	}
	for _, known := range []error{
		ErrMalformed, ErrAlgorithm, ErrUnknownKey, ErrSignature, ErrExpired, ErrNotYetValid, ErrNoExpiry,
		ErrNotAccepted,
	} {
		if errors.Is(err, known) {
			e.Message = known.Error() + ": sign in again and send the new token"
		}
	}
	if errors.Is(err, ErrBearer) {
		e.Message = ErrBearer.Error()
	}
	return http.StatusUnauthorized, e
}

// WriteError answers with the Run402 envelope (contract section 11). It fills in Error, the lower case of Code, and,
// when they are empty, TraceID and the RequestID that the answer's header has; the rest is the caller's.
func WriteError(w http.ResponseWriter, status int, e wire.Error) {
	e.Error = strings.ToLower(e.Code)
	if e.TraceID == "" {
		e.TraceID = NewTraceID()
	}
	h := w.Header()
	if e.RequestID == "" {
		e.RequestID = h.Get(requestIDHeader)
	}
	for _, of := range []string{"Content-Length", "Content-Encoding", "Content-Range", "Etag", "Last-Modified"} {
		h.Del(of) // they spoke of the answer that this one replaces
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="run402"`)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	body, err := json.Marshal(e)
	if err != nil { // only Details can fail: they are the caller's own JSON
		e.Details = nil
		body, _ = json.Marshal(e)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody left to tell
}

// NewTraceID returns a fresh opaque id that ties an answer to its log line.
func NewTraceID() string { return "trc_" + randomHex() }

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}
