package users

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/run402/functions-mcp/auth"
)

// Key signs a project's access tokens with ES256, so that whoever checks them needs nothing that could sign: a function
// fetches the public half (contract section 1.3). The private one is derived from the project's JWT secret: every copy
// of the program has the same, none waits for a database to check a token, and no backup of one holds it.
type Key struct {
	private *ecdsa.PrivateKey
	public  JWK
	header  string // of every token, encoded, with its full stop
}

// JWK is the public half of a Key, as contract section 1.3 serves it.
type JWK struct {
	KeyType   string `json:"kty"` // "EC"
	Curve     string `json:"crv"` // "P-256"
	ID        string `json:"kid"` // the key's thumbprint, RFC 7638
	Algorithm string `json:"alg"` // "ES256"
	Use       string `json:"use"` // "sig"
	X         string `json:"x"`   // base64url, 32 bytes
	Y         string `json:"y"`
}

// DeriveKey returns the key of a project.
func DeriveKey(jwtSecret, projectID string) (*Key, error) {
	if jwtSecret == "" {
		return nil, errors.New("derive signing key: the project has no JWT secret")
	}
	for n := 1; n <= 8; n++ { // one number in 2^32 is no private key of P-256
		info := fmt.Sprintf("functions-mcp access tokens ES256 %d", n)
		scalar, err := hkdf.Key(sha256.New, []byte(jwtSecret), []byte(projectID), info, 32)
		if err != nil {
			return nil, fmt.Errorf("derive signing key: %w", err)
		}
		if private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar); err == nil {
			return newKey(private)
		}
	}
	return nil, errors.New("derive signing key: no number that was derived is one")
}

func newKey(private *ecdsa.PrivateKey) (*Key, error) {
	point, err := private.PublicKey.Bytes() // 4, X, Y
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	thumbprint := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	k := &Key{private: private, public: JWK{
		KeyType: "EC", Curve: "P-256", Algorithm: jwt.SigningMethodES256.Alg(), Use: "sig", X: x, Y: y,
		ID: base64.RawURLEncoding.EncodeToString(thumbprint[:]),
	}}
	empty, err := k.Sign(nil)
	if err != nil {
		return nil, err
	}
	k.header = empty[:strings.IndexByte(empty, '.')+1]
	return k, nil
}

// Public returns the half that may be shown.
func (k *Key) Public() JWK { return k.public }

// Sign returns a token of the claims, with the key's id in its header.
func (k *Key) Sign(claims map[string]any) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	token.Header["kid"] = k.public.ID
	signed, err := token.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Verify returns what verifies the tokens that Sign signed, and leaves the others to next. They are of one project, and
// must expire. A token is known by its header, which is the same on all: so nothing in it is there to choose from.
func (k *Key) Verify(projectID string, next auth.Verify) auth.Verify {
	parser := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(),
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}))
	public := func(*jwt.Token) (any, error) { return &k.private.PublicKey, nil }
	return func(token string) (auth.Caller, error) {
		if !strings.HasPrefix(token, k.header) {
			return next(token)
		}
		caller, err := auth.Unverified(token)
		if err != nil {
			return auth.Caller{}, err
		}
		_, err = parser.ParseWithClaims(token, jwt.MapClaims{}, public)
		switch {
		case err != nil:
			return auth.Caller{}, auth.ErrSignature
		case caller.Expires.IsZero():
			return auth.Caller{}, auth.ErrNoExpiry
		case caller.Expires.Before(time.Now().Truncate(time.Second)):
			return auth.Caller{}, auth.ErrExpired
		case caller.ProjectID != projectID:
			return auth.Caller{}, auth.ErrOtherProject
		}
		caller.Verified = true
		return caller, nil
	}
}
