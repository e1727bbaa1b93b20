package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/run402/functions-mcp/core/wire"
)

// Why a bearer is no caller here, besides the reasons of Verify.
var (
	ErrServiceKey = errors.New("the bearer is a service key, which no caller may be")
	ErrAudience   = errors.New("the token was not made for this server: its aud claim must be the public URL")
)

// WithKeys makes verify know the project's keys. The anon key is the anonymous caller, since clients that always send a
// bearer send that one; the service key, or a token that says it is one, is ErrServiceKey.
func WithKeys(verify Verify, anonKey, serviceKey string) Verify {
	return func(token string) (Caller, error) {
		switch {
		case EqualKeys(token, anonKey):
			return Caller{Role: RoleAnon}, nil
		case EqualKeys(token, serviceKey):
			return Caller{}, ErrServiceKey
		}
		c, err := verify(token)
		switch {
		case err != nil:
			return Caller{}, err
		case c.Role == RoleService:
			return Caller{}, ErrServiceKey
		case c.Role == RoleAnon:
			return Caller{Role: RoleAnon}, nil
		}
		return c, nil
	}
}

// ForAudience accepts only tokens that verify verified and whose aud claim names the audience (RFC 8707).
func ForAudience(verify Verify, audience string) Verify {
	return func(token string) (Caller, error) {
		c, err := verify(token)
		if err != nil {
			return Caller{}, err
		}
		if !c.Verified || !slices.Contains(c.audiences(), audience) {
			return Caller{}, ErrAudience
		}
		return c, nil
	}
}

// audiences are the aud claim, which is one string or a list (RFC 7519 section 4.1.3).
func (c Caller) audiences() []string {
	var claims map[string]json.RawMessage
	if json.Unmarshal(c.Claims, &claims) != nil {
		return nil
	}
	var one string
	if json.Unmarshal(claims["aud"], &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(claims["aud"], &many) != nil {
		return nil
	}
	return many
}

// authenticate puts the caller of the request into its context, or answers 401. A bearer that is refused is never
// served as nobody.
func authenticate(cfg ChainConfig) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller := Caller{Role: RoleAnon}
			token, given, err := Bearer(r)
			if err == nil && given {
				caller, err = cfg.Identify(token)
			}
			switch {
			case err != nil:
				w.Header().Set("WWW-Authenticate", challenge("invalid_token", cfg.Metadata))
				WriteError(w, http.StatusUnauthorized, bearerError(err))
			case caller.Anonymous() && cfg.RequireAuth:
				w.Header().Set("WWW-Authenticate", challenge("", cfg.Metadata))
				WriteError(w, http.StatusUnauthorized, wire.Error{
					Code: "AUTHENTICATION_REQUIRED", Category: "auth", MutationState: "none",
					Message: "this server is for people who signed in: send a user's token in \"Authorization: Bearer\"",
				})
			default:
				next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
			}
		})
	}
}

// bearerError is TokenError's envelope. Its status is another: to a client of MCP, 401 means to sign in again.
func bearerError(err error) wire.Error {
	_, e := TokenError(err)
	for _, own := range []error{ErrServiceKey, ErrAudience} {
		if errors.Is(err, own) {
			e.Message = own.Error() + ": send a user's token of this project"
		}
	}
	return e
}

// challenge is the WWW-Authenticate of RFC 6750 section 3 and RFC 9728 section 5.1. Who sent no bearer gets no error.
func challenge(code, metadata string) string {
	header, separator := "Bearer", " "
	if code != "" {
		header += separator + "error=" + strconv.Quote(code)
		separator = ", "
	}
	if metadata != "" {
		header += separator + "resource_metadata=" + strconv.Quote(metadata)
	}
	return header
}
