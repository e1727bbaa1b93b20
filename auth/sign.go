package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Roles that a token or key may carry besides those that an operator lists; contract sections 1.2 and 2.1.
const (
	RoleAnon          = "anon"
	RoleAuthenticated = "authenticated"
	RoleProjectAdmin  = "project_admin"
	RoleService       = "service_role"
)

// Claims are what Sign puts in a token; what is empty is left out. Times are sent in whole seconds.
type Claims struct {
	Subject   string    // sub, the user's id
	Role      string    // role; required
	Email     string    // email
	ProjectID string    // project_id; required
	Issuer    string    // iss
	IssuedAt  time.Time // iat
	Expires   time.Time // exp; required but for project keys, which are the roles anon and service_role
}

// Sign returns a token signed with HS256: a project key, or a user's token (contract section 1.2). The same claims and
// secret give the same token.
func Sign(secret []byte, c Claims) (string, error) {
	switch {
	case len(secret) == 0:
		return "", errors.New("sign token: the secret is empty")
	case c.Role == "" || c.ProjectID == "":
		return "", errors.New("sign token: a token needs a role and a project id")
	case c.Expires.IsZero() && c.Role != RoleAnon && c.Role != RoleService:
		return "", fmt.Errorf("sign token: a token for the role %q needs an expiry, only project keys do not",
			c.Role)
	}
	claims := jwt.MapClaims{}
	for name, value := range map[string]string{
		"sub": c.Subject, "role": c.Role, "email": c.Email, "project_id": c.ProjectID, "iss": c.Issuer,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	for name, at := range map[string]time.Time{"iat": c.IssuedAt, "exp": c.Expires} {
		if !at.IsZero() {
			claims[name] = at.Unix()
		}
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// EqualKeys compares a key that was given with the one that is expected, in a time that tells nothing about the latter,
// its length included: hashes under a seed that nobody knows are compared first. Nothing equals an empty key.
func EqualKeys(given, expected string) bool {
	seed := maphash.MakeSeed()
	if maphash.String(seed, given) != maphash.String(seed, expected) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(expected)) == 1 && expected != ""
}
