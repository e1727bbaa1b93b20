package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/run402/functions-mcp/auth"
)

// DatabaseFlags say how a PostgreSQL of the operator's own is served. The limits hold for a local project too.
type DatabaseFlags struct {
	DBSchemas         []string `var:"RUN402_DB_SCHEMAS" placeholder:"NAME" help:"Schemas of yours to serve (public)."`
	DBExtraSearchPath []string `var:"RUN402_DB_EXTRA_SEARCH_PATH" placeholder:"NAME" help:"Schemas to find functions in."`
	DBAnonRole        string   `var:"RUN402_DB_ANON_ROLE" placeholder:"ROLE" help:"Of who did not sign in (anon)."`
	DBRoles           []string `var:"RUN402_DB_ROLES" placeholder:"ROLE" help:"The only other roles, if not any."`
	DBRoleClaim       string   `var:"RUN402_DB_ROLE_CLAIM" placeholder:"PATH" help:"Where a token has its role (role)."`
	DBPreRequest      string   `var:"RUN402_DB_PRE_REQUEST" placeholder:"FUNCTION" help:"Called before each request."`
	DBMaxRows         int64    `var:"RUN402_DB_MAX_ROWS" placeholder:"N" help:"Rows that one read may answer."`
	DBAggregates      bool     `var:"RUN402_DB_AGGREGATES" help:"Let reads ask for count(), sum() and the like."`
	DBTrustLogin      bool     `var:"RUN402_DB_TRUST_LOGIN" help:"Serve with a login that policies may not hold."`
}

// RestLimits bound what a read may ask for, on both planes.
type RestLimits struct {
	MaxRows    int64 // 0 means any number
	Aggregates bool
}

func (f DatabaseFlags) limits() RestLimits {
	return RestLimits{MaxRows: f.DBMaxRows, Aggregates: f.DBAggregates}
}

// servesDatabase names a setting that means a Database and nothing else, if there is one.
func (f DatabaseFlags) servesDatabase(lookup Lookup) string {
	for name, set := range map[string]bool{
		"RUN402_DB_SCHEMAS": f.DBSchemas != nil, "RUN402_DB_EXTRA_SEARCH_PATH": f.DBExtraSearchPath != nil,
		"RUN402_DB_ANON_ROLE": f.DBAnonRole != "", "RUN402_DB_ROLES": f.DBRoles != nil,
		"RUN402_DB_ROLE_CLAIM": f.DBRoleClaim != "", "RUN402_DB_PRE_REQUEST": f.DBPreRequest != "",
		"RUN402_DB_TRUST_LOGIN": f.DBTrustLogin, "RUN402_JWT_AUD": lookup.get("RUN402_JWT_AUD") != "",
		"RUN402_JWT_SECRET_BASE64": lookup.get("RUN402_JWT_SECRET_BASE64") != "",
	} {
		if set {
			return name
		}
	}
	return ""
}

// Database is a PostgreSQL of the operator's own, served as PostgREST would. Nothing is created in it.
type Database struct {
	URL        Secret // the callers' login
	AdminURL   Secret // the admin plane's; empty when there is none
	GatewayURL Secret // the login that owns the internal tables which `gateway init` makes; empty when there are none

	Schemas    []string // the first is the default
	SearchPath []string
	AnonRole   string
	AnonGiven  bool     // whether the operator named it
	Roles      []string // nil means any that the login may become
	RoleClaim  auth.ClaimPath
	PreRequest string // a function, perhaps with its schema; may be empty
	TrustLogin bool
	RestLimits
	DataDir string // for what is no row: files of assets, unless they are in a bucket; empty when there is no place
	Assets  Assets
	Mail    Mail
	AI      AI

	JWTSecret Secret // what verifies HS256, decoded; may be empty
	Audience  string // what tokens that have an aud must name there; empty means anything
	PublishedKeys
}

// Verifies reports whether there is anything to verify tokens with.
func (d Database) Verifies() bool { return d.JWTSecret != "" || d.Keys != nil || d.KeysURL != "" }

// defaultProject is the local project that nobody has to name.
const defaultProject = "default"

// databaseURLs are the variables that choose a Database.
func databaseURLs() []string {
	return []string{"RUN402_DATABASE_URL", "RUN402_ADMIN_DATABASE_URL", "RUN402_GATEWAY_DATABASE_URL"}
}

// database takes the settings of a PostgreSQL of the operator's own.
func (c Config) database(lookup Lookup) (Backend, error) {
	urls := databaseURLs()
	f := c.DatabaseFlags
	d := Database{
		URL: Secret(lookup.get(urls[0])), AdminURL: Secret(lookup.get(urls[1])), GatewayURL: Secret(lookup.get(urls[2])),
		Schemas: f.DBSchemas, SearchPath: f.DBExtraSearchPath, AnonRole: f.DBAnonRole, AnonGiven: f.DBAnonRole != "",
		Audience: lookup.get("RUN402_JWT_AUD"), Roles: f.DBRoles, PreRequest: f.DBPreRequest,
		TrustLogin: f.DBTrustLogin, RestLimits: f.limits(),
	}
	var errs []error
	if d.DataDir = c.DataDir; d.DataDir == "" {
		d.DataDir, _ = dataHome(lookup, os.Geteuid())
	}
	assets, err := readAssets(lookup)
	d.Assets, errs = assets, append(errs, err)
	d.Mail, err = readMail(lookup)
	errs = append(errs, err)
	d.AI, err = readAI(lookup)
	errs = append(errs, err)
	if d.URL == "" {
		errs = append(errs, errors.New("RUN402_ADMIN_DATABASE_URL or RUN402_GATEWAY_DATABASE_URL is set without "+
			"RUN402_DATABASE_URL, the login of callers: set it too"))
	}
	if c.LocalProject != "" && c.LocalProject != defaultProject {
		errs = append(errs, errors.New("RUN402_LOCAL_PROJECT or --local-project is set together with RUN402_DATABASE_URL, "+
			"and only one can answer: unset one"))
	}
	if d.GatewayURL != "" && d.AdminURL == "" {
		errs = append(errs, errors.New("RUN402_GATEWAY_DATABASE_URL is set without RUN402_ADMIN_DATABASE_URL, and mail and "+
			"assets are the admin plane's: set it too"))
	}
	if len(d.Schemas) == 0 {
		d.Schemas = []string{"public"}
	}
	if f.DBExtraSearchPath == nil {
		d.SearchPath = []string{"public"}
	}
	if d.AnonRole == "" {
		d.AnonRole = auth.RoleAnon
	}
	for name, list := range map[string][]string{
		"RUN402_DB_SCHEMAS": d.Schemas, "RUN402_DB_EXTRA_SEARCH_PATH": d.SearchPath, "RUN402_DB_ROLES": d.Roles,
	} {
		for i := range list {
			if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
				errs = append(errs, fmt.Errorf("%s has an empty name: separate names by single commas", name))
			}
		}
	}
	for _, schema := range d.Schemas {
		if strings.HasPrefix(schema, "pg_") || schema == "information_schema" {
			errs = append(errs, fmt.Errorf("RUN402_DB_SCHEMAS names %s, which belongs to PostgreSQL itself: leave it out",
				schema))
		}
	}
	if strings.Count(d.PreRequest, ".") > 1 || strings.ContainsAny(d.PreRequest, `()"`) {
		errs = append(errs, errors.New("RUN402_DB_PRE_REQUEST is a function's name, perhaps with its schema, such as "+
			"public.check_request: no parentheses, no quotes"))
	}
	if d.MaxRows < 0 {
		errs = append(errs, errors.New("RUN402_DB_MAX_ROWS must not be negative: leave it out for any number of rows"))
	}
	claim := f.DBRoleClaim
	if claim == "" {
		claim = "role"
	}
	if d.RoleClaim, err = auth.ParseClaimPath(claim); err != nil {
		errs = append(errs, fmt.Errorf("RUN402_DB_ROLE_CLAIM: %w", err))
	}
	errs = append(errs, d.readSecret(lookup), d.readKeys(lookup.get("RUN402_JWKS")))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return d, nil
}

// minDatabaseSecret is how short a secret PostgREST takes, in bytes; RFC 7518 section 3.2 demands it.
const minDatabaseSecret = 32

// readSecret takes RUN402_JWT_SECRET: the secret itself, or its base64 where RUN402_JWT_SECRET_BASE64 says so.
func (d *Database) readSecret(lookup Lookup) error {
	secret := lookup.get("RUN402_JWT_SECRET")
	if secret == "" {
		return nil
	}
	switch encoded := lookup.get("RUN402_JWT_SECRET_BASE64"); encoded {
	case "", "0", "false":
	case "1", "true":
		text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", ".", "=").Replace(secret), "=")
		raw, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("RUN402_JWT_SECRET is no base64, which RUN402_JWT_SECRET_BASE64 says it is: unset one")
		}
		secret = string(raw)
	default:
		return errors.New("RUN402_JWT_SECRET_BASE64 is neither true nor false")
	}
	if len(secret) < minDatabaseSecret {
		return fmt.Errorf("RUN402_JWT_SECRET is shorter than %d bytes, which can be guessed: take a longer one",
			minDatabaseSecret)
	}
	d.JWTSecret = Secret(secret)
	return nil
}
