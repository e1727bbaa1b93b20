package users

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// account is a row of internal.users.
type account struct {
	id           string
	email        string
	passwordHash *string
	admin        bool
	createdAt    time.Time
}

// hash is empty when the account has no password.
func (a account) hash() string {
	if a.passwordHash == nil {
		return ""
	}
	return *a.passwordHash
}

// profile is a user as contract section 5 shows them.
type profile struct {
	ID              string   `json:"id"`
	Email           string   `json:"email"`
	DisplayName     *string  `json:"display_name"`
	AvatarURL       *string  `json:"avatar_url"`
	EmailVerifiedAt *string  `json:"email_verified_at"`
	Identities      []string `json:"identities"`
	IsAdmin         bool     `json:"is_admin"`
	CreatedAt       *string  `json:"created_at"`
}

func (a account) profile() profile {
	created := timestamp(a.createdAt)
	return profile{ID: a.id, Email: a.email, Identities: []string{}, IsAdmin: a.admin, CreatedAt: &created}
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func errCredentials() error {
	return refuse(http.StatusUnauthorized, "INVALID_CREDENTIALS", "the e-mail address or the password is wrong")
}

const selectAccount = "select id, email, password_hash, is_admin, created_at from internal.users where "

// accountByEmail returns the account with an e-mail address; the zero account when there is none.
func accountByEmail(ctx context.Context, db database, email string) (account, error) {
	return scanAccount(db.QueryRow(ctx, selectAccount+"email = $1", email))
}

// accountByID returns the account of a token's subject, which may be any text; the zero account when there is none.
func accountByID(ctx context.Context, db database, id string) (account, error) {
	if !uuidSyntax.MatchString(id) {
		return account{}, nil
	}
	return scanAccount(db.QueryRow(ctx, selectAccount+"id = $1", id))
}

func scanAccount(row pgx.Row) (a account, err error) {
	err = row.Scan(&a.id, &a.email, &a.passwordHash, &a.admin, &a.createdAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return account{}, nil
	}
	return a, err
}
