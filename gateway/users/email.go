package users

import (
	"crypto/sha256"
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/run402/functions-mcp/gateway/route"
)

// ErrEmail says that a text is no e-mail address.
var ErrEmail = errors.New("this is not an e-mail address: give one such as ana@example.com")

// maxEmail is the longest address that mail can go to, RFC 5321 section 4.5.3.1.
const maxEmail = 254

// NormalizeEmail returns the one spelling of an address by which its user is known: without blanks around it, in lower
// case. What is no address, at most 254 bytes long, is ErrEmail.
func NormalizeEmail(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	odd := func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune(`"<>(),:;\`, r)
	}
	if len(email) > maxEmail || !utf8.ValidString(email) || strings.ContainsFunc(email, odd) {
		return "", ErrEmail
	}
	if parsed, err := mail.ParseAddress(email); err != nil || parsed.Address != email {
		return "", ErrEmail
	}
	return email, nil
}

// ID is the id of a project's user, by the normalised e-mail address: a UUID of version 8 made from both. A token that
// was minted before its user signed up is therefore that user's.
func ID(projectID, email string) string {
	sum := sha256.Sum256([]byte(projectID + "\n" + email))
	return formatUUID([16]byte(sum[:16]), 8)
}

const (
	minPassword = 8    // characters
	maxPassword = 1024 // bytes: more would only cost time
)

// checkPassword holds a new password to the rules.
func checkPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return route.Invalid("password", "a password has at least 8 characters")
	case len(password) > maxPassword:
		return route.Invalid("password", "a password has at most 1024 bytes")
	}
	return nil
}
