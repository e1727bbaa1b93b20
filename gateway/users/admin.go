package users

import (
	"net/http"
	"strings"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/route"
)

// createUser makes an account without a password, or changes whether one is an admin's.
func (u *Users) createUser(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Email      string `json:"email"`
		IsAdmin    *bool  `json:"is_admin"`
		SendInvite bool   `json:"send_invite"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	email, err := NormalizeEmail(in.Email)
	if err != nil {
		return route.Invalid("email", err.Error())
	}
	if in.SendInvite {
		return route.Invalid("send_invite", "this gateway sends no invitations: leave send_invite out")
	}
	db, err := u.opts.Pool(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		ID              string  `json:"id"`
		Email           string  `json:"email"`
		IsAdmin         bool    `json:"is_admin"`
		EmailVerifiedAt *string `json:"email_verified_at"`
		Created         bool    `json:"created"`
		InviteSent      bool    `json:"invite_sent"`
	}{Email: email}
	err = db.QueryRow(r.Context(), `
		insert into internal.users as u (id, email, is_admin) values ($1, $2, coalesce($3, false))
		on conflict (email) do update set is_admin = coalesce($3, u.is_admin)
		returning id, is_admin, xmax = 0`, ID(u.opts.ProjectID, email), email, in.IsAdmin,
	).Scan(&out.ID, &out.IsAdmin, &out.Created)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if out.Created {
		status = http.StatusCreated
	}
	return route.Answer(w, status, out)
}

// setAdmin makes a user a project_admin, or no longer one. Tokens say so from the next refresh on.
func (u *Users) setAdmin(admin bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Email string `json:"email"`
		}
		if err := decode(w, r, &in); err != nil {
			return err
		}
		email, err := NormalizeEmail(in.Email)
		if err != nil {
			return route.Invalid("email", err.Error())
		}
		db, err := u.opts.Pool(r.Context())
		if err != nil {
			return err
		}
		tag, err := db.Exec(r.Context(), "update internal.users set is_admin = $2 where email = $1", email, admin)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return refuse(http.StatusNotFound, "USER_NOT_FOUND", "there is no user with this e-mail address")
		}
		return route.Answer(w, http.StatusOK, map[string]any{"status": "ok", "email": email, "role": role(admin)})
	}
}

// devToken signs a token for development, as anybody. Only the service key may ask, which could do all that anyway.
func (u *Users) devToken(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		ProjectID string `json:"project_id"`
		Role      string `json:"role"`
		Subject   string `json:"sub"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	const maxSubject = 256
	switch {
	case in.ProjectID != u.opts.ProjectID:
		return route.Invalid("project_id", "project_id must be this project's")
	case in.Role != "" && in.Role != auth.RoleAuthenticated && in.Role != auth.RoleProjectAdmin:
		return route.Invalid("role", "role must be authenticated or project_admin")
	case len(in.Subject) > maxSubject || strings.ContainsRune(in.Subject, 0):
		return route.Invalid("sub", "sub must be a user's id, of at most 256 bytes")
	}
	if in.Role == "" {
		in.Role = auth.RoleAuthenticated
	}
	if in.Subject == "" {
		in.Subject = newUUID()
	}
	token, err := u.access(accessClaims{subject: in.Subject, role: in.Role, signedIn: time.Now()})
	if err != nil {
		return err
	}
	return route.Answer(w, http.StatusCreated, map[string]string{
		"token": token, "authorization": "Bearer " + token, "role": in.Role, "sub": in.Subject,
	})
}

// keys answers the keys that verify this project's access tokens, contract section 1.3.
func (u *Users) keys(w http.ResponseWriter, _ *http.Request) error {
	return route.Answer(w, http.StatusOK, u.opts.Key.public.published())
}
