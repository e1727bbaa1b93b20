package users

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// readCredentials reads who wants to sign up or in, the e-mail address in its one spelling.
func readCredentials(w http.ResponseWriter, r *http.Request) (in credentials, err error) {
	if err := decode(w, r, &in); err != nil {
		return in, err
	}
	if in.Email, err = NormalizeEmail(in.Email); err != nil {
		return in, route.Invalid("email", err.Error())
	}
	return in, nil
}

// signup makes an account. Nobody checks that the address is theirs: who is first has it.
func (u *Users) signup(w http.ResponseWriter, r *http.Request) error {
	in, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	if err := checkPassword(in.Password); err != nil {
		return err
	}
	ctx := r.Context()
	db, err := u.opts.Pool(ctx)
	if err != nil {
		return err
	}
	if err := count(ctx, db, byAddress(r)); err != nil {
		return err
	}
	hash, err := u.hasher.hash(ctx, in.Password)
	if err != nil {
		return err
	}
	a := account{id: ID(u.opts.ProjectID, in.Email), email: in.Email}
	err = db.QueryRow(ctx, `
		insert into internal.users (id, email, password_hash) values ($1, $2, $3)
		on conflict do nothing returning created_at`, a.id, a.email, hash).Scan(&a.createdAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return refuse(http.StatusConflict, "USER_ALREADY_EXISTS", "there is a user with this e-mail address: sign in")
	}
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusCreated, map[string]string{
		"id": a.id, "email": a.email, "created_at": timestamp(a.createdAt),
	})
}

// token begins a session by a password, or goes on with one by its refresh token.
func (u *Users) token(w http.ResponseWriter, r *http.Request) error {
	switch grant := r.URL.Query().Get("grant_type"); grant {
	case "", "password":
		return u.passwordGrant(w, r)
	case "refresh_token":
		return u.refreshGrant(w, r)
	case "authorization_code", "magic_link", "email_code":
		return u.notHere(w, r)
	}
	return route.Invalid("grant_type", "grant_type must be password or refresh_token")
}

func (u *Users) passwordGrant(w http.ResponseWriter, r *http.Request) error {
	in, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	if in.Password == "" || len(in.Password) > maxPassword {
		return route.Invalid("password", "password must be the user's password")
	}
	ctx := r.Context()
	db, err := u.opts.Pool(ctx)
	if err != nil {
		return err
	}
	a, err := u.signIn(ctx, db, in.Email, in.Password, byAddress(r))
	if err != nil {
		return err
	}
	b, err := begin(ctx, db, a)
	if err != nil {
		return err
	}
	return u.answerSession(w, b)
}

// signIn returns the account that the password opens. An address that nobody has costs as much and counts as much.
func (u *Users) signIn(ctx context.Context, db database, email, password string, from []counter) (account, error) {
	if err := count(ctx, db, append([]counter{byEmail(email)}, from...)); err != nil {
		return account{}, err
	}
	a, err := accountByEmail(ctx, db, email)
	if err != nil {
		return account{}, err
	}
	ok, err := u.hasher.verify(ctx, password, a.hash())
	if err != nil {
		return account{}, err
	}
	if !ok {
		return account{}, errCredentials()
	}
	return a, forgive(ctx, db, byEmail(email), from)
}

func (u *Users) refreshGrant(w http.ResponseWriter, r *http.Request) error {
	arrived := time.Now()
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.RefreshToken == "" {
		return route.Invalid("refresh_token", "refresh_token must be the one that the last sign-in or refresh answered")
	}
	db, err := u.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	b, err := rotate(r.Context(), db, in.RefreshToken, arrived)
	if err != nil {
		return err
	}
	return u.answerSession(w, b)
}

func (u *Users) answerSession(w http.ResponseWriter, b begun) error {
	s, err := u.session(b)
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusOK, s)
}

// providers says which ways to sign in there are.
func (u *Users) providers(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, map[string]any{
		"password": map[string]bool{"enabled": true}, "magic_link": map[string]bool{"enabled": false},
		"providers": []string{},
	})
}

// notHere answers what hosted Run402 has and this gateway has not.
func (u *Users) notHere(http.ResponseWriter, *http.Request) error {
	return &route.Failure{Status: http.StatusNotImplemented, Envelope: wire.Error{
		Code: "NOT_IMPLEMENTED", Category: "local",
		Message: "this gateway signs users in by password only: use /auth/v1/signup and /auth/v1/token",
	}}
}
