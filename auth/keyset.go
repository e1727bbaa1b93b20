package auth

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that a key may have. A token never chooses: each key verifies its own alone, or the public half of one
// could be used as the secret of another.
const (
	algHS256 = "HS256"
	algHS512 = "HS512"
	algES256 = "ES256"
	algRS256 = "RS256"
	algRS384 = "RS384"
	algRS512 = "RS512"
)

// Keys gives a Verifier its keys: a KeySet, or RemoteKeys.
type Keys interface {
	current() *KeySet // as they are known; another pointer means other keys
	refetch() *KeySet // when a token names a key that is not known
}

// KeySet is a fixed set of keys. The zero value has none.
type KeySet struct {
	keys   []key
	anyKid bool
}

type key struct {
	id       string // kid; a key without one is for tokens that name none
	alg      string
	material any // []byte, *ecdsa.PublicKey or *rsa.PublicKey
}

// HS256 is a bare passphrase: one key, for tokens that name none. An empty one is no key.
func HS256(secret []byte) *KeySet {
	if len(secret) == 0 {
		return &KeySet{}
	}
	return &KeySet{keys: []key{{alg: algHS256, material: bytes.Clone(secret)}}}
}

// With returns the keys of both sets.
func (s *KeySet) With(other *KeySet) *KeySet {
	return &KeySet{append(append([]key(nil), s.keys...), other.keys...), s.anyKid || other.anyKid}
}

// AnyKid returns the same keys, each of which may verify a token whatever kid that names, as PostgREST takes them.
func (s *KeySet) AnyKid() *KeySet { return &KeySet{s.keys, true} }

// Len is how many keys there are.
func (s *KeySet) Len() int { return len(s.keys) }

func (s *KeySet) current() *KeySet { return s }
func (s *KeySet) refetch() *KeySet { return s }

// find picks the key of a token by the rules of contract section 1.3, before any of its bytes is checked.
func (s *KeySet) find(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515 4.1.11: what is critical must be understood
		return nil, ErrMalformed
	}
	header, named := t.Header["kid"]
	id, _ := header.(string)
	if named && id == "" && !s.anyKid { // null, a number, or nothing names no key
		return nil, ErrUnknownKey
	}
	var fit jwt.VerificationKeySet
	known := false
	for _, k := range s.keys {
		if k.id == id || s.anyKid {
			known = true
			if k.alg == t.Method.Alg() {
				fit.Keys = append(fit.Keys, k.material)
			}
		}
	}
	switch {
	case len(fit.Keys) > 0:
		return fit, nil
	case known:
		return nil, ErrAlgorithm
	}
	return nil, ErrUnknownKey
}

// jwk is one key of a JSON Web Key Set (RFC 7517), as far as it is used.
type jwk struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	Alg   string `json:"alg"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	K     string `json:"k"`
	N     string `json:"n"`
	E     string `json:"e"`
}

// ParsePublicKeySet reads the keyset that a backend publishes: its ES256 and RSA keys. Keys of other types are ignored,
// a secret among them; one that is broken is an error.
func ParsePublicKeySet(text []byte) (*KeySet, error) { return parseKeySet(text, false) }

// ParseKeySet reads an operator's own keyset, which may hold secrets besides: {"kty":"oct","alg":"HS256" or "HS512"}.
// It is an error when it has no key that can be used.
func ParseKeySet(text []byte) (*KeySet, error) {
	set, err := parseKeySet(text, true)
	if err == nil && set.Len() == 0 {
		err = errors.New("it has no key of kty EC with crv P-256, RSA, or oct with alg HS256 or HS512")
	}
	return set, err
}

// parseKeySet is ours, since a keyset here is one or two types of key, where the libraries bring a dozen.
func parseKeySet(text []byte, secrets bool) (*KeySet, error) {
	var document struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil || document.Keys == nil {
		return nil, errors.New(`it is no JSON Web Key Set: want {"keys":[…]}`)
	}
	set := &KeySet{}
	for i, j := range document.Keys {
		if j.Use != "" && j.Use != "sig" {
			continue
		}
		k := key{id: j.ID}
		var err error
		switch {
		case j.Type == "EC" && j.Curve == "P-256" && (j.Alg == "" || j.Alg == algES256):
			k.alg = algES256
			k.material, err = j.point()
		case j.Type == "RSA" && (j.Alg == "" || j.Alg == algRS256 || j.Alg == algRS384 || j.Alg == algRS512):
			k.alg = cmp.Or(j.Alg, algRS256)
			k.material, err = j.modulus()
		case secrets && j.Type == "oct" && (j.Alg == algHS256 || j.Alg == algHS512):
			k.alg = j.Alg
			k.material, err = j.secret()
		default:
			continue
		}
		if err != nil { // it never quotes the key
			return nil, fmt.Errorf("key %d of the set: %w", i+1, err)
		}
		set.keys = append(set.keys, k)
	}
	return set, nil
}

func (j jwk) point() (*ecdsa.PublicKey, error) {
	const size = 32
	raw := []byte{4} // uncompressed, SEC 1 section 2.3.3
	for _, text := range []string{j.X, j.Y} {
		coordinate, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(coordinate) != size {
			return nil, errors.New("x and y must be 32 bytes each, in base64url without padding")
		}
		raw = append(raw, coordinate...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errors.New("x and y are no point of P-256")
	}
	return public, nil
}

func (j jwk) modulus() (*rsa.PublicKey, error) {
	n, errN := base64.RawURLEncoding.Strict().DecodeString(j.N)
	e, errE := base64.RawURLEncoding.Strict().DecodeString(j.E)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	switch {
	case errN != nil || errE != nil || len(e) > 4 || public.E < 3 || public.E%2 == 0:
		return nil, errors.New("n and e must be the numbers of an RSA key, in base64url without padding")
	case public.N.BitLen() < minModulus || public.N.BitLen() > maxModulus:
		return nil, errors.New("n must have from 2048 to 8192 bits")
	}
	return public, nil
}

// The lengths of RSA keys that are taken, in bits: shorter ones can be broken, longer ones cost too much.
const (
	minModulus = 2048
	maxModulus = 8192
)

// minSecret is the length of a secret whose guessing is hopeless, in bytes; RFC 7518 section 3.2 demands it.
const minSecret = 32

func (j jwk) secret() ([]byte, error) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(j.K)
	if err != nil || len(secret) < minSecret {
		return nil, errors.New("k must be a secret of at least 32 bytes, in base64url without padding")
	}
	return secret, nil
}
