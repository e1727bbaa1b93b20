package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenBytes is the longest token that is looked at.
const MaxTokenBytes = 8 << 10

// Why a token was refused. Verify wraps one of these; none carries any part of the token.
var (
	ErrMalformed    = errors.New("the token is not a well-formed JWT")
	ErrAlgorithm    = errors.New("the token is signed in a way that no key here allows")
	ErrUnknownKey   = errors.New("the key that signed the token is not known here")
	ErrSignature    = errors.New("the token's signature does not match")
	ErrExpired      = errors.New("the token has expired")
	ErrNotYetValid  = errors.New("the token is not valid yet")
	ErrNoExpiry     = errors.New("the token has no exp claim, which a user's token needs")
	ErrOtherProject = errors.New("the token belongs to another project")
)

// ClaimError is a claim of a token that was signed well, and cannot be read. It is an ErrMalformed.
type ClaimError struct{ Claim string }

func (e *ClaimError) Error() string {
	return fmt.Sprintf("%v: its claim %s is not a time in seconds", ErrMalformed, e.Claim)
}
func (e *ClaimError) Unwrap() error { return ErrMalformed }

// Verifier verifies tokens by the keys that it is given (contract section 1.3). It is safe for concurrent use.
type Verifier struct {
	keys      Keys
	projectID string
	eternal   bool
	leeway    time.Duration
	roleAt    ClaimPath
	noRole    string // what a token without a role is
	now       func() time.Time
	parser    *jwt.Parser
	recent    recentTokens
}

// Option adjusts a Verifier.
type Option func(*Verifier)

// WithClock makes the verifier read the time from now instead of time.Now.
func WithClock(now func() time.Time) Option { return func(v *Verifier) { v.now = now } }

// AllowNoExpiry accepts tokens without an exp claim: project keys, and the dev tokens of Run402 Core.
func AllowNoExpiry() Option { return func(v *Verifier) { v.eternal = true } }

// WithLeeway lets the clocks of those who sign and of this machine differ by d.
func WithLeeway(d time.Duration) Option { return func(v *Verifier) { v.leeway = d } }

// RoleAt reads the role at a path of the claims, and takes a token without one for otherwise. Such tokens are not
// Run402's: a sub, email or project_id that is no text says nothing.
func RoleAt(path ClaimPath, otherwise string) Option {
	return func(v *Verifier) { v.roleAt, v.noRole = path, otherwise }
}

// NewHS256 returns a verifier for a bare passphrase, which is one key without a kid: a token that names a kid is
// refused. See NewVerifier; an empty secret refuses every token.
func NewHS256(secret []byte, projectID string, opts ...Option) *Verifier {
	return NewVerifier(HS256(secret), projectID, opts...)
}

// NewVerifier returns a verifier of the tokens that one of the keys signed. A token must be of projectID, unless that
// is empty. Without any key it fails closed: it refuses every token.
func NewVerifier(keys Keys, projectID string, opts ...Option) *Verifier {
	v := &Verifier{
		keys:      keys,
		projectID: projectID,
		now:       time.Now,
		recent:    recentTokens{seed: maphash.MakeSeed()},
		parser: jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(),
			jwt.WithValidMethods([]string{algHS256, algHS512, algES256, algRS256, algRS384, algRS512})),
	}
	for _, opt := range opts {
		opt(v)
	}
	return v
}

// Verify checks the token's signature, times and project, and returns who it speaks for. A token of at most
// MaxTokenBytes needs a role and, unless AllowNoExpiry, an exp. The error is one of the Err values, wrapped.
func (v *Verifier) Verify(token string) (Caller, error) {
	set := v.keys.current()
	signed, ok := v.recent.find(token)
	if ok = ok && signed.by == set; !ok { // a key that is gone has signed nothing
		var err error
		if signed, err = v.read(token, set); err != nil {
			return Caller{}, err
		}
	}
	switch now, c := v.now(), signed.caller; {
	case c.Expires.IsZero() && !v.eternal:
		return Caller{}, ErrNoExpiry
	case c.expired(now.Add(-v.leeway)):
		return Caller{}, ErrExpired
	case now.Add(v.leeway).Before(signed.notBefore):
		return Caller{}, ErrNotYetValid
	case v.projectID != "" && c.ProjectID != v.projectID:
		return Caller{}, ErrOtherProject
	}
	if !ok {
		v.recent.keep(signed)
	}
	signed.caller.Verified = true
	return signed.caller, nil
}

// signedToken is what a token with a good signature says. Whether that is good now is not part of it.
type signedToken struct {
	caller    Caller
	notBefore time.Time
	by        *KeySet // one of its keys signed it
}

func (v *Verifier) read(token string, set *KeySet) (signedToken, error) {
	if !isToken(token) { // the base64 decoder would skip line feeds, so that many texts were one token
		return signedToken{}, ErrMalformed
	}
	var p payload
	key := func(t *jwt.Token) (any, error) {
		material, err := set.find(t)
		if errors.Is(err, ErrUnknownKey) {
			set = v.keys.refetch()
			return set.find(t)
		}
		return material, err
	}
	// The library's own errors quote the header, so they are replaced and not wrapped.
	if _, err := v.parser.ParseWithClaims(token, &p, key); err != nil {
		return signedToken{}, verifyError(err)
	}
	c, err := p.caller(token, v.roleAt, v.noRole)
	return signedToken{c, p.notBefore, set}, err
}

// Unverified reads a token without checking its signature, for when no key is at hand and only the backend can tell.
// Its times are not checked either. Nothing may be decided on the result but what to show: Verified is false.
func Unverified(token string) (Caller, error) {
	parts := strings.Split(token, ".")
	if !isToken(token) || len(parts) != 3 {
		return Caller{}, ErrMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return Caller{}, fmt.Errorf("%w: its payload is not base64url", ErrMalformed)
	}
	var p payload
	if err := p.UnmarshalJSON(raw); err != nil {
		return Caller{}, err
	}
	return p.caller(token, ClaimPath{}, "")
}

func verifyError(err error) error {
	for _, own := range []error{ErrMalformed, ErrUnknownKey, ErrAlgorithm} {
		if errors.Is(err, own) {
			return own
		}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return ErrMalformed
	case errors.Is(err, jwt.ErrTokenUnverifiable): // an alg the library does not have, or none at all
		return ErrAlgorithm
	case errors.Is(err, jwt.ErrSignatureInvalid), errors.Is(err, jwt.ErrECDSAVerification):
		return ErrSignature
	case errors.Is(err, jwt.ErrTokenSignatureInvalid): // an alg that is not allowed
		return ErrAlgorithm
	default:
		return ErrMalformed
	}
}

// expired follows contract section 1.3: a token is still good in the second that exp names.
func (c Caller) expired(now time.Time) bool {
	return !c.Expires.IsZero() && c.Expires.Unix() < now.Unix()
}

// payload is a token's claims. Its names are matched exactly, as PostgreSQL will, and not in any case, as encoding/json
// does for a struct: both must see the same role.
type payload struct {
	jwt.MapClaims // only to be a jwt.Claims: never filled, since the parser validates no claims
	raw           json.RawMessage
	claims        map[string]json.RawMessage
	notBefore     time.Time
}

// UnmarshalJSON takes a JSON object and nothing else.
func (p *payload) UnmarshalJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("%w: its payload is not UTF-8", ErrMalformed)
	}
	if err := json.Unmarshal(raw, &p.claims); err != nil || p.claims == nil {
		return fmt.Errorf("%w: its payload is not a JSON object", ErrMalformed)
	}
	p.raw = bytes.Clone(raw)
	return nil
}

func (p *payload) caller(token string, roleAt ClaimPath, noRole string) (Caller, error) {
	c := Caller{Token: token, Claims: p.raw}
	texts := map[string]*string{"sub": &c.ID, "email": &c.Email, "project_id": &c.ProjectID}
	if roleAt.steps == nil {
		texts["role"] = &c.Role
	} else if c.Role = roleAt.find(p.raw); c.Role == "" {
		c.Role = noRole
	}
	for name, to := range texts {
		if err := p.text(name, to); err != nil && roleAt.steps == nil {
			return Caller{}, err
		}
	}
	if c.Role == "" && roleAt.steps == nil {
		return Caller{}, fmt.Errorf("%w: it has no role claim", ErrMalformed)
	}
	for name, to := range map[string]*time.Time{"exp": &c.Expires, "nbf": &p.notBefore} {
		if err := p.time(name, to); err != nil {
			return Caller{}, err
		}
	}
	return c, nil
}

func (p *payload) text(name string, to *string) error {
	raw, ok := p.claims[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("%w: its claim %s is not a string", ErrMalformed, name)
	}
	return nil
}

// maxUnix is the last second of the year 9999; later times do not survive a round trip through JSON.
const maxUnix = 253402300799

func (p *payload) time(name string, to *time.Time) error {
	raw, ok := p.claims[name]
	if !ok {
		return nil
	}
	var seconds *float64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil || *seconds < 0 || *seconds > maxUnix {
		return &ClaimError{name}
	}
	*to = time.Unix(int64(*seconds), 0)
	return nil
}
