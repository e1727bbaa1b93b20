package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

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
