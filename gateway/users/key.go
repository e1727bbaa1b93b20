package users

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"

	"github.com/run402/functions-mcp/auth"
)

// Key signs a project's access tokens with ES256, so that whoever checks them needs nothing that could sign: a function
// fetches the public half (contract section 1.3). The private one is derived from the project's JWT secret: every copy
// of the program has the same, none waits for a database to check a token, and no backup of one holds it.
type Key struct {
	private *ecdsa.PrivateKey
	public  jwk
	set     *auth.KeySet
}

// jwk is the public half of a Key, as contract section 1.3 serves it.
type jwk struct {
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
	public := jwk{
		KeyType: "EC", Curve: "P-256", Algorithm: jwt.SigningMethodES256.Alg(), Use: "sig", X: x, Y: y,
		ID: base64.RawURLEncoding.EncodeToString(thumbprint[:]),
	}
	published, err := json.Marshal(public.published())
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	set, err := auth.ParsePublicKeySet(published) // what others read is what we verify with
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	return &Key{private, public, set}, nil
}

// published is the keyset of one key.
func (j jwk) published() map[string][]jwk { return map[string][]jwk{"keys": {j}} }

// KeySet returns what verifies the tokens that Sign signs.
func (k *Key) KeySet() *auth.KeySet { return k.set }

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
