package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/auth"
)

// DefaultAPIBase is where hosted Run402 answers; contract section 1.1.
const DefaultAPIBase = "https://api.run402.com"

// Backend is what answers below core: a Local, a Remote or a Database.
type Backend interface{ isBackend() }

// Remote is hosted Run402 or a self-hosted Run402 Core, reached by HTTPS. At least one key is there. Without an anon
// key there is no caller plane, without a service key no admin plane.
type Remote struct {
	API        string // base URL without a trailing slash
	ProjectID  string // always there with a service key, which needs it for SQL
	AnonKey    Secret
	ServiceKey Secret
	JWTSecret  Secret // what tokens without a kid are signed with; may be empty

	PublishedKeys
}

// PublishedKeys is the keyset of RUN402_JWKS.
type PublishedKeys struct {
	Keys    *auth.KeySet // when it is a file; may be nil
	KeysURL string       // when it is a URL
}

func (Local) isBackend()    {}
func (Remote) isBackend()   {}
func (Database) isBackend() {}

// Verify returns how to verify callers' tokens: with the secret and the keyset that the operator gave, else with the
// keys that the backend publishes to whoever has the service key, else by asking the backend.
func (r Remote) Verify(ask auth.Ask, log *slog.Logger) auth.Verify {
	secret := auth.HS256([]byte(r.JWTSecret.Reveal()))
	// A token without exp is the backend's to judge, since Core's own dev tokens have none.
	verifier := func(keys auth.Keys) auth.Verify {
		return auth.NewVerifier(keys, r.ProjectID, auth.AllowNoExpiry()).Verify
	}
	fetched := func(url, bearer string) auth.Verify {
		fetch := auth.FetchKeys(url, bearer)
		return verifier(auth.NewRemoteKeys(func(ctx context.Context) (*auth.KeySet, error) {
			set, err := fetch(ctx)
			if err != nil {
				return nil, err
			}
			return set.With(secret), nil
		}, secret, log))
	}
	switch {
	case r.KeysURL != "":
		return fetched(r.KeysURL, r.keysBearer())
	case r.Keys != nil:
		return verifier(r.Keys.With(secret))
	case r.JWTSecret != "":
		return verifier(secret)
	case r.ServiceKey != "":
		return auth.OrAsk(fetched(r.API+projectKeys, r.ServiceKey.Reveal()), auth.NewAsker(ask, r.ProjectID))
	}
	return auth.NewAsker(ask, r.ProjectID).Verify
}

// projectKeys is where a backend publishes its keys; contract section 1.3.
const projectKeys = "/internal/v1/project-jwt-keys"

// keysBearer is the service key where the keys are the API's own, and nothing anywhere else.
func (r Remote) keysBearer() string {
	if strings.HasPrefix(r.KeysURL, r.API+"/") {
		return r.ServiceKey.Reveal()
	}
	return ""
}

// Asks reports whether tokens may have to be verified by asking the backend.
func (r Remote) Asks() bool { return r.JWTSecret == "" && r.Keys == nil && r.KeysURL == "" }

// readKeys takes RUN402_JWKS, a URL or a file.
func (r *PublishedKeys) readKeys(from string) error {
	switch {
	case from == "":
		return nil
	case strings.Contains(from, "://"):
		u, err := url.Parse(from)
		switch {
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
			return errors.New("RUN402_JWKS is neither a URL nor a file: want one such as https://auth.example.com/jwks.json")
		case u.User != nil || u.Fragment != "":
			return errors.New("RUN402_JWKS may have no user, password or fragment: leave them out")
		case u.Scheme == "http" && !auth.IsLoopback(u.Hostname()):
			return errors.New("RUN402_JWKS is http:// on another machine, which anyone between could change: use https://")
		}
		r.KeysURL = from
		return nil
	}
	text, err := readFile(from)
	if err != nil {
		return fmt.Errorf("RUN402_JWKS: %w", err)
	}
	if r.Keys, err = auth.ParseKeySet(text); err != nil {
		return fmt.Errorf("RUN402_JWKS: %s: %w", from, err)
	}
	return nil
}

// readFile reads a file of settings, which is short.
func readFile(path string) ([]byte, error) {
	const most = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > most:
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return text, nil
}

// backend chooses by what is there: a key means remote, nothing means local. What is neither is refused, since an
// operator who set half of a remote backend must not get an empty local project instead.
func (c Config) backend(lookup Lookup) (Backend, error) {
	r := Remote{
		API:        lookup.get("RUN402_API_BASE"),
		ProjectID:  lookup.get("RUN402_PROJECT_ID"),
		AnonKey:    Secret(lookup.get("RUN402_ANON_KEY")),
		ServiceKey: Secret(lookup.get("RUN402_SERVICE_KEY")),
		JWTSecret:  Secret(lookup.get("RUN402_JWT_SECRET")),
	}
	hasKey := r.AnonKey != "" || r.ServiceKey != ""
	database := slices.ContainsFunc(databaseURLs(), func(name string) bool { return lookup.get(name) != "" })
	switch {
	case database && (hasKey || r.API != ""):
		return nil, errors.New("a database URL is set together with RUN402_API_BASE or project keys, and only one " +
			"can answer: unset the database URL to use the API, or RUN402_API_BASE and the keys to use the database")
	case database:
		return c.database(lookup)
	case c.servesDatabase(lookup) != "":
		return nil, fmt.Errorf("%s says how a PostgreSQL of your own is served, and none is given: "+
			"set RUN402_DATABASE_URL, or unset it", c.servesDatabase(lookup))
	case hasKey:
		return r.check(lookup)
	case r.API != "":
		return nil, errors.New("RUN402_API_BASE is set without any project key: set RUN402_ANON_KEY for the caller's " +
			"tools, RUN402_SERVICE_KEY for the admin tools, or unset it to use a local project")
	case r.ProjectID != "":
		return nil, errors.New("RUN402_PROJECT_ID is set without any project key: set RUN402_ANON_KEY for the " +
			"caller's tools, RUN402_SERVICE_KEY for the admin tools, or unset it to use a local project")
	case lookup.get("RUN402_JWKS") != "":
		return nil, errors.New("RUN402_JWKS is set without any project key, and a local project has keys of its own: " +
			"set the keys of the project it belongs to, or unset it")
	case r.JWTSecret != "":
		return nil, errors.New("RUN402_JWT_SECRET is set without any project key, and a local project has a " +
			"secret of its own: set the keys of the project it belongs to, or unset it")
	}
	local, err := c.Local(lookup)
	if err != nil {
		return nil, err
	}
	var mailErr, aiErr error
	local.Mail, mailErr = readMail(lookup)
	local.AI, aiErr = readAI(lookup)
	return local, errors.Join(mailErr, aiErr)
}

func (r Remote) check(lookup Lookup) (Backend, error) {
	var errs []error
	if r.API == "" {
		r.API = DefaultAPIBase
	}
	api, err := cleanBase(r.API)
	errs = append(errs, err, r.readKeys(lookup.get("RUN402_JWKS")))
	if lookup.get("RUN402_ASSETS_URL") != "" {
		errs = append(errs, errors.New("RUN402_ASSETS_URL is set together with project keys, and says where a local project "+
			"keeps its assets: unset it, or the keys"))
	}
	if lookup.get("RUN402_AI_BASE_URL") != "" {
		errs = append(errs, errors.New("RUN402_AI_BASE_URL is set together with project keys, and says who helps a local "+
			"project: unset it, or the keys"))
	}
	r.API = api
	switch {
	case r.ProjectID == "" && r.ServiceKey != "":
		errs = append(errs, errors.New("RUN402_SERVICE_KEY is set without RUN402_PROJECT_ID, "+
			"which admin SQL needs: set it"))
	case r.ProjectID != "" && (len(r.ProjectID) > 64 || !projectID.MatchString(r.ProjectID)):
		errs = append(errs, errors.New("RUN402_PROJECT_ID has characters that no project id has: "+
			"it looks like prj_ and letters and digits"))
	}
	if r.AnonKey != "" && r.AnonKey == r.ServiceKey {
		errs = append(errs, errors.New("RUN402_ANON_KEY and RUN402_SERVICE_KEY are the same key: "+
			"set each to its own, since the one obeys row level security and the other does not"))
	} else {
		errs = append(errs, r.checkKey("RUN402_ANON_KEY", r.AnonKey, auth.RoleAnon),
			r.checkKey("RUN402_SERVICE_KEY", r.ServiceKey, auth.RoleService))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// projectID is without its length: a counted repetition takes longer to compile, at every start, than all the rest.
var projectID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// checkKey refuses a key that says of itself that it is another: handed to the wrong plane, the service key would
// bypass row level security for every caller.
func (r Remote) checkKey(name string, key Secret, want string) error {
	if key == "" {
		return nil
	}
	if strings.ContainsFunc(key.Reveal(), func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return fmt.Errorf("%s contains white space or other characters that no key has: copy it again, alone", name)
	}
	if role := keyRole(key); role != "" && role != want {
		return fmt.Errorf("%s is not an %s key but one of the role %q: set the project's %s key there",
			name, want, role, want)
	}
	if c, err := auth.Unverified(key.Reveal()); err == nil && c.ProjectID != "" && r.ProjectID != "" &&
		c.ProjectID != r.ProjectID {
		return fmt.Errorf("%s belongs to another project than RUN402_PROJECT_ID: set both for the same project", name)
	}
	return nil
}

// keyRole is the role that a key or token says it has: hosted keys are JWTs, Core's are opaque with a telling prefix.
// It is empty when the key does not say.
func keyRole(key Secret) string {
	if c, err := auth.Unverified(key.Reveal()); err == nil {
		return c.Role
	}
	switch {
	case strings.HasPrefix(key.Reveal(), "r402_anon_"):
		return auth.RoleAnon
	case strings.HasPrefix(key.Reveal(), "r402_service_"):
		return auth.RoleService
	}
	return ""
}

// cleanBase never repeats the URL: it may hold a password.
func cleanBase(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "", errors.New("RUN402_API_BASE is not a URL: want one such as " + DefaultAPIBase)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("RUN402_API_BASE may have a host and a path only: leave out user, query and fragment")
	case u.Scheme == "http" && !auth.IsLoopback(u.Hostname()):
		return "", errors.New("RUN402_API_BASE is http:// to another machine, which would send the keys in clear: " +
			"use https://, or a tunnel to a loopback address")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
