package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// Codes of refused calls of functions. Those of section 10 that core finds itself are here too.
const (
	CodeFunctionNotFound    = "FUNCTION_NOT_FOUND"
	CodeRuntimeUnavailable  = "DYNAMIC_RUNTIME_UNAVAILABLE" // this backend runs no functions by name
	CodeInvalidFunctionName = "INVALID_FUNCTION_NAME"
	CodeInvalidRequest      = "INVALID_REQUEST"           // a method or a header that a call cannot have
	CodeRequestTooLarge     = "REQUEST_BODY_TOO_LARGE"    // more than wire.MaxFunctionBody
	CodeResponseTooLarge    = "ROUTED_RESPONSE_TOO_LARGE" // likewise; the function has run
)

// FunctionMethods are the methods that a function can be called with, section 10.4.
func FunctionMethods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions,
	}
}

// Functions calls a project's functions for one caller, directly by their names: section 10.1.
type Functions struct {
	conn  *conn
	plane callerPlane
}

// Functions returns the functions as the bearer of a token sees them; an empty token is an anonymous caller. The route
// takes the anon key or the service key. This is the caller plane: it always sends the anon key, and without one every
// call is refused before any request, with or without a service key.
func (c *Client) Functions(token string) Functions {
	return Functions(c.DB(token))
}

// FunctionRequest is what a function is sent. Method is one of FunctionMethods, or empty for POST. Body has at most
// wire.MaxFunctionBody bytes, and none with GET and HEAD. Without a Content-Type in Header it is application/json when
// the Body is JSON, else text/plain. Header cannot hold what the platform or the connection sets: credentials, Host,
// x-run402-*, x-forwarded-*, and hop-by-hop fields.
type FunctionRequest struct {
	Method string
	Header http.Header
	Body   []byte
}

// FunctionResponse is what a function answered, as it answered it, but for hop-by-hop headers. Status may be any that a
// function can choose, 4xx and 5xx too.
type FunctionResponse struct {
	Status int
	Header http.Header
	Body   []byte
}

// Invoke calls a function. What it answers is a FunctionResponse, whatever its status. An error is an *Error: the call
// could not be made, or the platform refused it (FUNCTION_NOT_FOUND, a gate's 401 and 403, DYNAMIC_RUNTIME_UNAVAILABLE,
// …), which is told from a function's own answer by the shape of section 11. What a function answered is never called
// for again; of what failed otherwise only GET, HEAD, OPTIONS and what surely did not run are repeated.
//
// Run402 Core calls functions by POST /functions/v1/invoke, with the service key and without a Request for the handler.
// That is not the caller's plane and is not used: Core answers DYNAMIC_RUNTIME_UNAVAILABLE here.
func (f Functions) Invoke(ctx context.Context, name string, req FunctionRequest) (FunctionResponse, error) {
	const op = "invoke"
	header, err := f.plane.header(op)
	if err != nil {
		return FunctionResponse{}, err
	}
	if !wire.ValidFunctionName(name) {
		return FunctionResponse{}, notSent(op, CodeInvalidFunctionName, "no function can have this name",
			`Names have 1 to 64 characters of a-z, 0-9, _ and -, begin with a letter or digit, and are not "invoke" or "runs".`)
	}
	if req.Method == "" {
		req.Method = http.MethodPost
	}
	if err := req.check(op); err != nil {
		return FunctionResponse{}, err
	}
	for field, values := range req.Header {
		header[http.CanonicalHeaderKey(field)] = values
	}
	if len(req.Body) > 0 && header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentTypeOf(req.Body))
	}
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == http.MethodOptions
	ans, err := f.conn.send(ctx, request{
		op: op, method: req.Method, path: wire.Functions + "/" + name, header: header, body: req.Body,
		reads: reads, answers: isFunctionAnswer,
	})
	if err != nil {
		return FunctionResponse{}, functionError(err)
	}
	if len(ans.body) > wire.MaxFunctionBody {
		return FunctionResponse{}, &Error{
			Op: op, Status: ans.status, Code: CodeResponseTooLarge, MutationState: "unknown",
			Message: "the function ran, and answered more than 6 MiB", Hint: "Ask the function for less at once.",
		}
	}
	for field := range ans.header {
		if hopByHop(field) {
			ans.header.Del(field)
		}
	}
	return FunctionResponse{Status: ans.status, Header: ans.header, Body: ans.body}, nil
}

// check says what is wrong with a request, in the words of who made it.
func (req FunctionRequest) check(op string) error {
	bodiless := req.Method == http.MethodGet || req.Method == http.MethodHead
	switch {
	case !slices.Contains(FunctionMethods(), req.Method):
		return notSent(op, CodeInvalidRequest, fmt.Sprintf("functions have no method %q", req.Method),
			"Use one of "+strings.Join(FunctionMethods(), ", ")+".")
	case bodiless && len(req.Body) > 0:
		return notSent(op, CodeInvalidRequest, "a "+req.Method+" has no body", "Leave the body out, or use POST.")
	case len(req.Body) > wire.MaxFunctionBody:
		return notSent(op, CodeRequestTooLarge, "the body has more than 6 MiB", "Send less at once.")
	}
	for field, values := range req.Header {
		switch {
		case !isToken(field):
			return notSent(op, CodeInvalidRequest, fmt.Sprintf("%q is no name of a header", field), "Correct or drop it.")
		case reserved(field):
			return notSent(op, CodeInvalidRequest, "a call cannot set the header "+field, "Leave it out: it is set for you.")
		case slices.ContainsFunc(values, func(v string) bool { return strings.ContainsFunc(v, isControl) }):
			return notSent(op, CodeInvalidRequest, "the header "+field+" holds control characters", "Send plain text.")
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isWordRune(r) && !strings.ContainsRune("!#$%&'*+-.^`|~", r)
	})
}

// reserved reports whether a header is not a caller's to set.
func reserved(field string) bool {
	field = textproto.CanonicalMIMEHeaderKey(field)
	switch field {
	case "Apikey", "Authorization", "Host", "Content-Length", "Accept-Encoding", "Expect", "Forwarded":
		return true
	}
	return hopByHop(field) || strings.HasPrefix(field, "X-Run402-") || strings.HasPrefix(field, "X-Forwarded-")
}

// hopByHop reports whether a canonical header is about a connection, and so nobody's beyond it.
func hopByHop(field string) bool {
	switch field {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

func contentTypeOf(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// isFunctionAnswer tells an answer of a function, which nothing marks, from a refusal of the platform's. That is an
// envelope (section 11) with what functions have no reason to send; or, of a platform that sends less, as Core does,
// one of the codes that it has on this route.
func isFunctionAnswer(status int, body []byte) bool {
	if status < 400 || !isObject(body) || !json.Valid(body) {
		return true
	}
	var b answerBody
	decodeLoosely(body, &b)
	code := codeOf(b)
	if b.Code == code && code != "" && (b.TraceID != "" || b.MutationState != "") {
		return false
	}
	switch code {
	case CodeFunctionNotFound, CodeRuntimeUnavailable,
		"AUTHENTICATION_REQUIRED", "PROJECT_TOKEN_MISMATCH", "ROLE_FORBIDDEN":
		return false
	}
	return true
}

// functionError adds to a refusal what to do next, where the platform does not say it.
func functionError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Hint != "" {
		return err
	}
	switch e.Code {
	case CodeFunctionNotFound:
		e.Hint = "Check the name: the project's live release has no such function."
	case CodeRuntimeUnavailable:
		e.Hint = "This backend runs no functions by name: call it on the hosted project, or do without it."
	}
	return e
}
