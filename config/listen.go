package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/auth"
)

// HTTPFlags are for the commands that listen.
type HTTPFlags struct {
	PublicURL string `var:"RUN402_PUBLIC_URL" placeholder:"URL" help:"The URL that clients use, if another."`
}

// Guard returns the guard's configuration for a listener on addr, "host:port". RUN402_ALLOWED_ORIGINS lists the web
// origins that may call, separated by commas.
func (f HTTPFlags) Guard(lookup Lookup, addr string) auth.GuardConfig {
	comma := func(r rune) bool { return r == ',' || r == ' ' }
	return auth.GuardConfig{
		Listen:         addr,
		PublicURL:      f.PublicURL,
		AllowedOrigins: strings.FieldsFunc(lookup.get("RUN402_ALLOWED_ORIGINS"), comma),
	}
}

// ListenFlags make `serve` listen for many callers, instead of serving one on stdio.
type ListenFlags struct {
	Listen string `placeholder:"HOST:PORT" help:"Serve HTTP there, to many callers, instead of stdio to one."`
	HTTPFlags
	RequireAuth bool   `var:"RUN402_REQUIRE_AUTH" help:"Refuse callers who did not sign in."`
	AuthServer  string `var:"RUN402_AUTH_SERVER" placeholder:"URL" help:"Where callers sign in; needs --public-url."`
}

// Listen is how HTTP is served. Who is calling comes with each request, and nobody who calls is the operator.
type Listen struct {
	Guard       auth.GuardConfig // its Listen is the address to listen on
	RequireAuth bool
	AuthServer  string // the issuer of tokens whose audience is the public URL; empty when any valid token will do
}

// listen takes the settings for HTTP, and refuses those that only one trusted caller may have.
func (s *Settings) listen(f ListenFlags, lookup Lookup) error {
	var errs []error
	if s.UserToken != "" || s.UserTokenFile != "" {
		errs = append(errs, errors.New("RUN402_USER_TOKEN is set together with --listen, where each request "+
			"says who is calling: unset it, and send the token as a bearer"))
	}
	if slices.Contains(s.Toolsets, "admin") && s.Gates == nil {
		errs = append(errs, errors.New("the toolset admin is served over HTTP only behind gates, since whoever reaches the "+
			"port would bypass row level security: name it in a gates file (--gates), leave it out, or use stdio"))
	}
	if s.Toolsets == nil && s.Gates == nil {
		s.Toolsets = []string{"data"}
	}
	remote, isRemote := s.Backend.(Remote)
	if isRemote && remote.AnonKey == "" {
		errs = append(errs, errors.New("--listen serves callers, and every request of a caller carries the anon key: "+
			"set RUN402_ANON_KEY"))
	}
	if f.AuthServer != "" {
		errs = append(errs, f.checkAuthServer())
		if isRemote && remote.Asks() {
			errs = append(errs, errors.New("--auth-server needs RUN402_JWKS or RUN402_JWT_SECRET, since without a key nobody "+
				"here can tell for whom a token was made: set one"))
		}
	}
	if d, ok := s.Backend.(Database); ok && f.AuthServer != "" && !d.Verifies() {
		errs = append(errs, errors.New("--auth-server needs RUN402_JWKS or RUN402_JWT_SECRET, to verify tokens: set one"))
	}
	s.Listen = &Listen{Guard: f.Guard(lookup, f.Listen), RequireAuth: f.RequireAuth, AuthServer: f.AuthServer}
	if _, err := auth.Guard(s.Listen.Guard); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkAuthServer never repeats the URL: it may hold a password.
func (f ListenFlags) checkAuthServer() error {
	u, err := url.Parse(f.AuthServer)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("--auth-server is not a URL: want one such as https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("--auth-server may have a host and a path only: leave out user, query and fragment")
	case u.Scheme == "http" && !auth.IsLoopback(u.Hostname()):
		return errors.New("--auth-server is http:// on another machine, which would show tokens in clear: use https://")
	case f.PublicURL == "":
		return errors.New("--auth-server needs --public-url, which is the audience that its tokens must name: set it")
	}
	return nil
}

// checkStdio refuses what only a listener can honour.
func (f ListenFlags) checkStdio(s Settings) error {
	switch {
	case f.AuthServer != "":
		return errors.New("--auth-server is for --listen, and stdio has no requests that carry tokens: " +
			"unset RUN402_AUTH_SERVER, or listen")
	case f.RequireAuth && s.UserToken == "" && s.UserTokenFile == "":
		return errors.New("--require-auth is set and nobody is signed in: set RUN402_USER_TOKEN or " +
			"RUN402_USER_TOKEN_FILE, or listen")
	}
	return nil
}
