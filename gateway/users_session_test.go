package gateway_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// internalSQL runs SQL over the accounts themselves, as their own login, to move them in time.
func internalSQL(t testing.TB, text string) {
	t.Helper()
	server := pgtest.Open(t, shared.dir, gateway.Logins()...)
	conn, err := pgx.ConnectConfig(t.Context(), server.ConnConfig("gateway", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.PgConn().Exec(t.Context(), text).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	signUp(t, "ria@example.com")
	first := signIn(t, "ria@example.com", "correct horse")
	other := signIn(t, "ria@example.com", "correct horse")

	q := refresh(first.refresh)
	q.bearer = "what.is.left" // an app sends whatever it still has
	second := sessionOf(want(t, http.StatusOK, q))
	if second.refresh == first.refresh {
		t.Error("the refresh token stayed the same")
	}
	third := sessionOf(want(t, http.StatusOK, refresh(second.refresh)))
	_, before := claimsOf(t, first.access)
	if _, after := claimsOf(t, third.access); after["session_id"] != before["session_id"] || after["auth_time"] != before["auth_time"] {
		t.Errorf("the session changed: %v, %v", before, after)
	}

	// The first token again: somebody has a copy. That session ends, and no other.
	wantCode(t, http.StatusUnauthorized, "INVALID_REFRESH_TOKEN", refresh(first.refresh))
	wantCode(t, http.StatusUnauthorized, "INVALID_REFRESH_TOKEN", refresh(third.refresh))
	wantCode(t, http.StatusUnauthorized, "AUTHENTICATION_REQUIRED", authRequest("GET", "user", third.access, ""))
	other = sessionOf(want(t, http.StatusOK, refresh(other.refresh)))

	internalSQL(t, `update internal.refresh_tokens set expires_at = now() - interval '1 second';
		update internal.sessions set expires_at = now() - interval '1 second'`)
	wantCode(t, http.StatusUnauthorized, "INVALID_REFRESH_TOKEN", refresh(other.refresh))
}

// held is a body that arrives once all the requests have.
type held struct {
	io.Reader
	arrived *sync.WaitGroup
	once    sync.Once
}

func (h *held) Read(p []byte) (int, error) {
	h.once.Do(func() { h.arrived.Done(); h.arrived.Wait() })
	return h.Reader.Read(p)
}

// An app in two windows refreshes twice at once. One wins, and goes on; that is no theft.
func TestOneOfManyRefreshesAtOnceWins(t *testing.T) {
	signUp(t, "rob@example.com")
	s := signIn(t, "rob@example.com", "correct horse")
	const windows = 8
	var arrived, done sync.WaitGroup
	arrived.Add(windows)
	answers := make(chan *httptest.ResponseRecorder, windows)
	for range windows {
		done.Go(func() {
			body := &held{Reader: strings.NewReader(`{"refresh_token":"` + s.refresh + `"}`), arrived: &arrived}
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/auth/v1/token?grant_type=refresh_token", body)
			r.Header.Set("apikey", shared.project.AnonKey)
			w := httptest.NewRecorder()
			shared.ServeHTTP(w, r)
			answers <- w
		})
	}
	done.Wait()
	close(answers)
	var won []session
	for w := range answers {
		switch w.Code {
		case http.StatusOK:
			won = append(won, sessionOf(answer{body: w.Body.String()}.decode(t)))
		case http.StatusUnauthorized:
		default:
			t.Errorf("a refresh answered %d: %s", w.Code, w.Body)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d refreshes won", len(won))
	}
	want(t, http.StatusOK, refresh(won[0].refresh))
}

func TestPasswordChangeEndsOtherSessions(t *testing.T) {
	signUp(t, "pia@example.com")
	here, there := signIn(t, "pia@example.com", "correct horse"), signIn(t, "pia@example.com", "correct horse")
	const change = `{"new_password":"battery staple","current_password":"correct horse"}`

	wantCode(t, http.StatusUnauthorized, "INVALID_CREDENTIALS",
		authRequest("POST", "user/password", here.access, strings.Replace(change, "correct", "wrong", 1)))
	want(t, http.StatusOK, authRequest("POST", "user/password", here.access, change))
	wantCode(t, http.StatusUnauthorized, "INVALID_CREDENTIALS",
		authRequest("POST", "token", "", credentials("pia@example.com", "correct horse")))
	wantCode(t, http.StatusUnauthorized, "INVALID_REFRESH_TOKEN", refresh(there.refresh))
	wantCode(t, http.StatusUnauthorized, "AUTHENTICATION_REQUIRED", authRequest("GET", "user", there.access, ""))
	here = sessionOf(want(t, http.StatusOK, refresh(here.refresh)))
	signIn(t, "pia@example.com", "battery staple")

	vouched := authRequest("PUT", "user/password", here.access, `{"new_password":"third password"}`)
	vouched.apikey = shared.project.ServiceKey
	want(t, http.StatusOK, vouched)
	signIn(t, "pia@example.com", "third password")
}

func TestTriesAtPasswordsAreLimited(t *testing.T) {
	defer internalSQL(t, "delete from internal.tries")
	signUp(t, "tom@example.com")
	guess := func(email, password, from string) (status int, header http.Header) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/auth/v1/token", strings.NewReader(credentials(email, password)))
		r.Header.Set("apikey", shared.project.AnonKey)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		shared.ServeHTTP(w, r)
		return w.Code, w.Header()
	}
	for _, email := range []string{"tom@example.com", "unknown@example.com"} {
		for i := range 10 {
			if status, _ := guess(email, "wrong horse", "127.0.0.1:1"); status != http.StatusUnauthorized {
				t.Fatalf("try %d at %s answered %d", i+1, email, status)
			}
		}
		status, header := guess(email, "correct horse", "127.0.0.1:1")
		wait, err := strconv.Atoi(header.Get("Retry-After"))
		if status != http.StatusTooManyRequests || err != nil || wait < 800 || wait > 900 {
			t.Errorf("the eleventh try at %s answered %d, Retry-After %d", email, status, wait)
		}
	}
	internalSQL(t, "update internal.tries set resets_at = now()")
	for range 2 { // a success forgives what was before it
		for range 9 {
			guess("tom@example.com", "wrong horse", "127.0.0.1:1")
		}
		if status, _ := guess("tom@example.com", "correct horse", "127.0.0.1:1"); status != http.StatusOK {
			t.Fatalf("the right password answered %d", status)
		}
	}

	internalSQL(t, "delete from internal.tries")
	guess("unknown@example.com", "wrong horse", "[2001:db8::1]:1")
	internalSQL(t, "update internal.tries set count = 100")
	if status, _ := guess("tom@example.com", "correct horse", "[2001:db8::2]:1"); status != http.StatusTooManyRequests {
		t.Errorf("an address of the same network answered %d", status)
	}
	if status, _ := guess("tom@example.com", "correct horse", "[2001:db8:0:1::1]:1"); status != http.StatusOK {
		t.Errorf("another network answered %d", status)
	}
}
