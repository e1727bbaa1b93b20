package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway/users"
)

// authRequest is one request of an app to /auth/v1.
func authRequest(method, path, bearer, body string) request {
	return request{
		method: method, path: "/auth/v1/" + path, apikey: shared.project.AnonKey, bearer: bearer,
		contentType: "application/json", body: body,
	}
}

// want does a request and returns its answer as an object, failing the test unless it has the status.
func want(t testing.TB, status int, q request) map[string]any {
	t.Helper()
	a := do(t, q)
	if a.status != status {
		t.Fatalf("%s %s answered %d, want %d: %s", q.method, q.path, a.status, status, a.body)
	}
	if a.header.Get("Cache-Control") == "" && a.body != "" {
		t.Errorf("%s %s may be kept by a cache", q.method, q.path)
	}
	out := map[string]any{}
	if a.body != "" {
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatalf("%s %s answered no JSON object: %s", q.method, q.path, a.body)
		}
	}
	return out
}

// wantCode does a request that is refused with the status and the code.
func wantCode(t testing.TB, status int, code string, q request) map[string]any {
	t.Helper()
	out := want(t, status, q)
	if out["code"] != code || out["error"] != strings.ToLower(code) || out["message"] == "" {
		t.Errorf("%s %s answered %v, want code %s", q.method, q.path, out, code)
	}
	return out
}

func credentials(email, password string) string {
	return `{"email":"` + email + `","password":"` + password + `"}`
}

func signUp(t testing.TB, email string) {
	t.Helper()
	want(t, http.StatusCreated, authRequest("POST", "signup", "", credentials(email, "correct horse")))
}

type session struct{ access, refresh string }

func signIn(t testing.TB, email, password string) session {
	t.Helper()
	return sessionOf(want(t, http.StatusOK, authRequest("POST", "token", "", credentials(email, password))))
}

func sessionOf(answer map[string]any) session {
	return session{answer["access_token"].(string), answer["refresh_token"].(string)}
}

func refresh(token string) request {
	return authRequest("POST", "token?grant_type=refresh_token", "", `{"refresh_token":"`+token+`"}`)
}

func claimsOf(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func TestUserSignsUpInAndOut(t *testing.T) {
	made := want(t, http.StatusCreated, authRequest("POST", "signup", "", credentials(" Vera@Example.com ", "correct horse")))
	id := users.ID(shared.project.ID, "vera@example.com")
	if made["id"] != id || made["email"] != "vera@example.com" || made["created_at"] == "" || len(made) != 3 {
		t.Errorf("signup answered %v, want id %s", made, id)
	}
	wantCode(t, http.StatusConflict, "USER_ALREADY_EXISTS",
		authRequest("POST", "signup", "", credentials("VERA@example.com", "another password")))

	answer := want(t, http.StatusOK, authRequest("POST", "token?grant_type=password", "", credentials("vera@EXAMPLE.com", "correct horse")))
	if answer["token_type"] != "bearer" || answer["expires_in"] != 3600.0 || answer["user"].(map[string]any)["id"] != id {
		t.Errorf("token answered %v", answer)
	}
	s := sessionOf(answer)
	header, claims := claimsOf(t, s.access)
	if header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("the access token's header is %v", header)
	}
	for name, value := range map[string]any{
		"sub": id, "email": "vera@example.com", "role": auth.RoleAuthenticated, "project_id": shared.project.ID,
		"iss": "functions-mcp", "aal": "aal1",
	} {
		if claims[name] != value {
			t.Errorf("claim %s is %v, want %v", name, claims[name], value)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("the access token lives %v s", life)
	}

	if me := want(t, http.StatusOK, authRequest("GET", "user", s.access, "")); me["id"] != id || me["email"] != "vera@example.com" {
		t.Errorf("user answered %v", me)
	}
	sql(t, `create table vera (owner text); alter table vera enable row level security;
		create policy own on vera using (owner = auth.uid()); insert into vera values ('`+id+`'), ('x')`)
	rest := do(t, request{path: "/rest/v1/vera?select=owner", apikey: shared.project.AnonKey, bearer: s.access})
	if rest.body != `[{"owner":"`+id+`"}]` {
		t.Errorf("as vera: %d %s", rest.status, rest.body)
	}

	want(t, http.StatusNoContent, authRequest("POST", "logout", s.access, ""))
	wantCode(t, http.StatusUnauthorized, "AUTHENTICATION_REQUIRED", authRequest("GET", "user", s.access, ""))
	wantCode(t, http.StatusUnauthorized, "INVALID_REFRESH_TOKEN", refresh(s.refresh))
}

func TestUserRoutesRefuse(t *testing.T) {
	signUp(t, "rex@example.com")
	p := shared.project
	rex := signIn(t, "rex@example.com", "correct horse")
	expired := sign(t, p.JWTSecret, auth.Claims{
		Subject: "rex", Role: auth.RoleAuthenticated, ProjectID: p.ID, Expires: time.Now().Add(-time.Minute),
	})
	const admins = "admin/users"
	promote := "/projects/v1/admin/" + p.ID + "/promote-user"
	const rexJSON = `{"email":"rex@example.com"}`
	for _, c := range []struct {
		name           string
		method, path   string
		apikey, bearer string
		body           string
		status         int
		code           string
	}{
		{"no key", "POST", "signup", "", "", credentials("x@example.com", "correct horse"), 401, "AUTHENTICATION_REQUIRED"},
		{"an unknown key", "POST", "token", "x", "", credentials("x@example.com", "correct horse"), 401, "AUTHENTICATION_REQUIRED"},
		{"the service key for the anon key", "POST", "signup", p.ServiceKey, "", credentials("x@example.com", "correct horse"), 403, "ADMIN_REQUIRED"},
		{"no address", "POST", "signup", p.AnonKey, "", `{"password":"correct horse"}`, 400, "INVALID_REQUEST"},
		{"no such address", "POST", "signup", p.AnonKey, "", credentials("x", "correct horse"), 400, "INVALID_REQUEST"},
		{"two addresses", "POST", "signup", p.AnonKey, "", credentials("a@example.com,b@example.com", "correct horse"), 400, "INVALID_REQUEST"},
		{"an address of a wrong type", "POST", "signup", p.AnonKey, "", `{"email":1}`, 400, "INVALID_REQUEST"},
		{"a short password", "POST", "signup", p.AnonKey, "", credentials("x@example.com", "seven77"), 400, "INVALID_REQUEST"},
		{"a long password", "POST", "signup", p.AnonKey, "", credentials("x@example.com", strings.Repeat("x", 1025)), 400, "INVALID_REQUEST"},
		{"no body", "POST", "signup", p.AnonKey, "", "", 400, "INVALID_REQUEST"},
		{"a list", "POST", "signup", p.AnonKey, "", "[]", 400, "INVALID_REQUEST"},
		{"two objects", "POST", "signup", p.AnonKey, "", "{}{}", 400, "INVALID_REQUEST"},
		{"a long body", "POST", "signup", p.AnonKey, "", `{"email":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "REQUEST_BODY_TOO_LARGE"},

		{"a wrong password", "POST", "token", p.AnonKey, "", credentials("rex@example.com", "wrong horse"), 401, "INVALID_CREDENTIALS"},
		{"an unknown user", "POST", "token", p.AnonKey, "", credentials("nobody@example.com", "correct horse"), 401, "INVALID_CREDENTIALS"},
		{"no password", "POST", "token", p.AnonKey, "", rexJSON, 400, "INVALID_REQUEST"},
		{"a grant that there is not", "POST", "token?grant_type=wish", p.AnonKey, "", "{}", 400, "INVALID_REQUEST"},
		{"a grant that is not here", "POST", "token?grant_type=magic_link", p.AnonKey, "", "{}", 501, "NOT_IMPLEMENTED"},
		{"a magic link", "POST", "magic-link", p.AnonKey, "", rexJSON, 501, "NOT_IMPLEMENTED"},
		{"settings", "PATCH", "settings", p.AnonKey, p.ServiceKey, "{}", 501, "NOT_IMPLEMENTED"},
		{"no refresh token", "POST", "token?grant_type=refresh_token", p.AnonKey, "", "{}", 400, "INVALID_REQUEST"},
		{"an unknown refresh token", "POST", "token?grant_type=refresh_token", p.AnonKey, "", `{"refresh_token":"x"}`, 401, "INVALID_REFRESH_TOKEN"},
		{"an access token to refresh by", "POST", "token?grant_type=refresh_token", p.AnonKey, "", `{"refresh_token":"` + rex.access + `"}`, 401, "INVALID_REFRESH_TOKEN"},

		{"who is nobody", "GET", "user", p.AnonKey, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"who is the anon key", "GET", "user", p.AnonKey, p.AnonKey, "", 401, "AUTHENTICATION_REQUIRED"},
		{"who has expired", "GET", "user", p.AnonKey, expired, "", 401, "AUTHENTICATION_REQUIRED"},
		{"who is the service", "GET", "user", p.AnonKey, p.ServiceKey, "", 403, "ADMIN_REQUIRED"},
		{"a user without the anon key", "GET", "user", "", rex.access, "", 401, "AUTHENTICATION_REQUIRED"},
		{"logout of nobody", "POST", "logout", p.AnonKey, "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"a new password of nobody", "POST", "user/password", p.AnonKey, "", `{"new_password":"correct horse"}`, 401, "AUTHENTICATION_REQUIRED"},
		{"a new password without the present one", "POST", "user/password", p.AnonKey, rex.access, `{"new_password":"correct horse"}`, 400, "INVALID_REQUEST"},
		{"a new password that is short", "POST", "user/password", p.AnonKey, rex.access, `{"new_password":"x","current_password":"correct horse"}`, 400, "INVALID_REQUEST"},
		{"a new password of who has no account", "POST", "user/password", p.AnonKey, token(t, "ghost", auth.RoleAuthenticated), `{"new_password":"correct horse"}`, 404, "USER_NOT_FOUND"},

		{"admin: nobody", "POST", admins, p.AnonKey, "", rexJSON, 403, "FORBIDDEN"},
		{"admin: a user", "POST", admins, p.AnonKey, rex.access, rexJSON, 403, "FORBIDDEN"},
		{"admin: an unknown key", "POST", admins, p.AnonKey, "x", rexJSON, 401, "AUTHENTICATION_REQUIRED"},
		{"admin: no address", "POST", admins, p.AnonKey, p.ServiceKey, "{}", 400, "INVALID_REQUEST"},
		{"admin: an invitation", "POST", admins, p.AnonKey, p.ServiceKey, `{"email":"x@example.com","send_invite":true}`, 400, "INVALID_REQUEST"},
		{"promote: a user", "POST", promote, "", rex.access, rexJSON, 403, "FORBIDDEN"},
		{"promote: an unknown user", "POST", promote, "", p.ServiceKey, `{"email":"nobody@example.com"}`, 404, "USER_NOT_FOUND"},
		{"promote: no address", "POST", promote, "", p.ServiceKey, "{}", 400, "INVALID_REQUEST"},
		{"promote: another project", "POST", "/projects/v1/admin/prj_0/promote-user", "", p.ServiceKey, rexJSON, 404, "PROJECT_NOT_FOUND"},

		{"dev token: nobody", "POST", "dev-tokens", p.AnonKey, "", `{"project_id":"` + p.ID + `"}`, 403, "FORBIDDEN"},
		{"dev token: a user", "POST", "dev-tokens", p.AnonKey, rex.access, `{"project_id":"` + p.ID + `"}`, 403, "FORBIDDEN"},
		{"dev token: another project", "POST", "dev-tokens", "", p.ServiceKey, `{"project_id":"prj_0"}`, 400, "INVALID_REQUEST"},
		{"dev token: the service's role", "POST", "dev-tokens", "", p.ServiceKey, `{"project_id":"` + p.ID + `","role":"service_role"}`, 400, "INVALID_REQUEST"},
		{"keys: nobody", "GET", "/internal/v1/project-jwt-keys", "", "", "", 401, "AUTHENTICATION_REQUIRED"},
		{"keys: the anon key", "GET", "/internal/v1/project-jwt-keys", "", p.AnonKey, "", 403, "FORBIDDEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := authRequest(c.method, c.path, c.bearer, c.body)
			q.apikey = c.apikey
			if strings.HasPrefix(c.path, "/") {
				q.path = c.path
			}
			wantCode(t, c.status, c.code, q)
		})
	}
}

func TestAdminMakesAndPromotesUsers(t *testing.T) {
	p := shared.project
	create := func(body string) request { return authRequest("POST", "admin/users", p.ServiceKey, body) }
	made := want(t, http.StatusCreated, create(`{"email":"Uma@example.com","is_admin":true}`))
	uma := map[string]any{
		"id": users.ID(p.ID, "uma@example.com"), "email": "uma@example.com", "is_admin": true, "created": true,
		"invite_sent": false, "email_verified_at": nil,
	}
	if diff := cmp.Diff(uma, made); diff != "" {
		t.Error(diff)
	}
	uma["created"] = false
	if diff := cmp.Diff(uma, want(t, http.StatusOK, create(`{"email":"uma@example.com"}`))); diff != "" {
		t.Error(diff)
	}
	// Nobody takes over an account that an admin made, neither by signing up nor by an empty password.
	wantCode(t, http.StatusConflict, "USER_ALREADY_EXISTS", authRequest("POST", "signup", "", credentials("uma@example.com", "correct horse")))
	wantCode(t, http.StatusUnauthorized, "INVALID_CREDENTIALS", authRequest("POST", "token", "", credentials("uma@example.com", "correct horse")))

	signUp(t, "una@example.com")
	s := signIn(t, "una@example.com", "correct horse")
	change := func(action, wantRole string) {
		t.Helper()
		got := want(t, http.StatusOK, request{
			method: "POST", path: "/projects/v1/admin/" + p.ID + "/" + action, bearer: p.ServiceKey, body: `{"email":"una@example.com"}`,
		})
		s = sessionOf(want(t, http.StatusOK, refresh(s.refresh)))
		if _, claims := claimsOf(t, s.access); got["role"] != wantRole || claims["role"] != wantRole {
			t.Errorf("%s answered %v, and the next token has the role %v", action, got, claims["role"])
		}
	}
	change("promote-user", auth.RoleProjectAdmin)
	if admin, _ := want(t, http.StatusOK, authRequest("GET", "user", s.access, ""))["is_admin"].(bool); !admin {
		t.Error("user does not say so")
	}
	change("demote-user", auth.RoleAuthenticated)
}

func TestDevTokenIsAUsers(t *testing.T) {
	p := shared.project
	id := users.ID(p.ID, "dev@example.com")
	got := want(t, http.StatusCreated, authRequest("POST", "dev-tokens", p.ServiceKey, `{"project_id":"`+p.ID+`","sub":"`+id+`"}`))
	if got["authorization"] != "Bearer "+got["token"].(string) || got["role"] != auth.RoleAuthenticated || got["sub"] != id {
		t.Errorf("dev-tokens answered %v", got)
	}
	if me := want(t, http.StatusOK, authRequest("GET", "user", got["token"].(string), "")); me["id"] != id {
		t.Errorf("user answered %v", me)
	}
	if got := want(t, http.StatusCreated, authRequest("POST", "dev-tokens", p.ServiceKey, `{"project_id":"`+p.ID+`"}`)); len(got["sub"].(string)) != 36 {
		t.Errorf("without sub: %v", got)
	}
}

// What functions-mcp token, or a function with the project's secret, signs is the same user's before and after signup.
func TestTokensOfTheSharedSecretAreTheSameUsers(t *testing.T) {
	p := shared.project
	id := users.ID(p.ID, "sam@example.com")
	minted := sign(t, p.JWTSecret, auth.Claims{
		Subject: id, Role: auth.RoleAuthenticated, Email: "sam@example.com", ProjectID: p.ID, Issuer: "agentdb",
		IssuedAt: time.Now(), Expires: time.Now().Add(time.Minute),
	})
	if me := want(t, http.StatusOK, authRequest("GET", "user", minted, "")); me["id"] != id || me["created_at"] != nil {
		t.Errorf("before signup: %v", me)
	}
	signUp(t, "sam@example.com")
	if me := want(t, http.StatusOK, authRequest("GET", "user", minted, "")); me["id"] != id || me["created_at"] == nil {
		t.Errorf("after signup: %v", me)
	}
	want(t, http.StatusNoContent, authRequest("POST", "logout", minted, "")) // it has no session to end
}

func TestKeysetVerifiesWhatSignInGives(t *testing.T) {
	signUp(t, "kay@example.com")
	s := signIn(t, "kay@example.com", "correct horse")
	a := do(t, request{path: "/internal/v1/project-jwt-keys", bearer: shared.project.ServiceKey})
	keys, err := auth.ParsePublicKeySet([]byte(a.body))
	if err != nil || keys.Len() != 1 {
		t.Fatalf("%d keys in %s: %v", keys.Len(), a.body, err)
	}
	caller, err := auth.NewVerifier(keys, shared.project.ID).Verify(s.access)
	if err != nil || caller.Email != "kay@example.com" {
		t.Errorf("the published key does not verify the token: %v", err)
	}
	if strings.Contains(a.body, `"d"`) {
		t.Errorf("the private half is in %s", a.body)
	}
}

func TestProvidersSayWhatThereIs(t *testing.T) {
	got := want(t, http.StatusOK, authRequest("GET", "providers", "", ""))
	password, magicLink := map[string]any{"enabled": true}, map[string]any{"enabled": false}
	if diff := cmp.Diff(map[string]any{"password": password, "magic_link": magicLink, "providers": []any{}}, got); diff != "" {
		t.Error(diff)
	}
}
