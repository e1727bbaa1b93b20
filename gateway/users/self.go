package users

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/route"
)

// self returns who a request is made for, and their account if they signed up. A token of a session that has ended is
// refused, before it expires.
func (u *Users) self(ctx context.Context, db database) (auth.Caller, account, error) {
	caller, ok := auth.CallerFrom(ctx)
	if !ok || caller.Anonymous() {
		return caller, account{}, refuse(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED",
			"sign in, and send the access token in \"Authorization: Bearer\"")
	}
	if id := sessionOf(caller); id != "" {
		var alive bool
		err := db.QueryRow(ctx, `select exists (
			select from internal.sessions where id = $1 and user_id::text = $2 and revoked_at is null)`,
			id, caller.ID).Scan(&alive)
		if err != nil {
			return caller, account{}, err
		}
		if !alive {
			return caller, account{}, refuse(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED",
				"the session has ended: sign in again")
		}
	}
	a, err := accountByID(ctx, db, caller.ID)
	return caller, a, err
}

var uuidSyntax = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// sessionOf returns the session that a token was made in; other issuers' ids are not ours.
func sessionOf(c auth.Caller) string {
	var claims struct {
		Issuer    string `json:"iss"`
		SessionID string `json:"session_id"`
	}
	if json.Unmarshal(c.Claims, &claims) != nil || claims.Issuer != issuer || !uuidSyntax.MatchString(claims.SessionID) {
		return ""
	}
	return claims.SessionID
}

// user answers who the caller is. One who never signed up is known by their token.
func (u *Users) user(w http.ResponseWriter, r *http.Request) error {
	db, err := u.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	caller, a, err := u.self(r.Context(), db)
	if err != nil {
		return err
	}
	if a.id == "" {
		return route.Answer(w, http.StatusOK, profile{
			ID: caller.ID, Email: caller.Email, Identities: []string{}, IsAdmin: caller.Role == auth.RoleProjectAdmin,
		})
	}
	return route.Answer(w, http.StatusOK, a.profile())
}

// changePassword sets the caller's password. They must know the present one, unless the service key vouches for them.
// Every other session of theirs ends.
func (u *Users) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		New     string `json:"new_password"`
		Current string `json:"current_password"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := checkPassword(in.New); err != nil {
		return err
	}
	ctx := r.Context()
	db, err := u.opts.Pool(ctx)
	if err != nil {
		return err
	}
	caller, a, err := u.self(ctx, db)
	if err != nil {
		return err
	}
	if a.id == "" {
		return refuse(http.StatusNotFound, "USER_NOT_FOUND", "this user has no account yet: sign up")
	}
	if !vouched(ctx) {
		if in.Current == "" || len(in.Current) > maxPassword {
			return route.Invalid("current_password", "current_password must be the present password")
		}
		if _, err := u.signIn(ctx, db, a.email, in.Current, byAddress(r)); err != nil {
			return err
		}
	}
	hash, err := u.hasher.hash(ctx, in.New)
	if err != nil {
		return err
	}
	var changed bool
	err = db.QueryRow(ctx, `
		with account as (
			update internal.users set password_hash = $2
			where id = $1 and password_hash is not distinct from $3 returning id
		), ended as (
			update internal.sessions s set revoked_at = now() from account
			where s.user_id = account.id and s.revoked_at is null and s.id::text <> $4
		)
		select exists (select from account)`, a.id, hash, a.passwordHash, sessionOf(caller)).Scan(&changed)
	if err != nil {
		return err
	}
	if !changed {
		return refuse(http.StatusConflict, "CONFLICT", "the password was just changed elsewhere: sign in again")
	}
	return route.Answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// logout ends the session that the token was made in, with all its refresh tokens. The access token itself stays good
// on /rest/v1 until it expires.
func (u *Users) logout(w http.ResponseWriter, r *http.Request) error {
	caller, _ := auth.CallerFrom(r.Context())
	if caller.Anonymous() {
		return refuse(http.StatusUnauthorized, "AUTHENTICATION_REQUIRED", "send the access token of the session to end")
	}
	if id := sessionOf(caller); id != "" {
		db, err := u.opts.Pool(r.Context())
		if err != nil {
			return err
		}
		_, err = db.Exec(r.Context(), `update internal.sessions set revoked_at = now()
			where id = $1 and user_id::text = $2 and revoked_at is null`, id, caller.ID)
		if err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type vouchedKey struct{}

// Vouch returns a context in which the service key vouches for the caller.
func Vouch(ctx context.Context) context.Context { return context.WithValue(ctx, vouchedKey{}, true) }

func vouched(ctx context.Context) bool {
	ok, _ := ctx.Value(vouchedKey{}).(bool)
	return ok
}
