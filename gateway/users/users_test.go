package users

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
	"github.com/run402/functions-mcp/gateway/route"
)

const project = "prj_0123456789abcdef"

// newUsers returns accounts over a PostgreSQL of their own.
func newUsers(t *testing.T) *Users {
	t.Helper()
	migration, err := os.ReadFile("../migrations/00002_users.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	server := pgtest.Start(t)
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig = server.ConnConfig("postgres", "postgres")
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	up = "create schema internal; set search_path = internal;" + up + "reset search_path"
	if _, err := pool.Exec(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	key, err := DeriveKey("secret", project)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{
		ProjectID: project, Key: key, Log: slog.New(slog.DiscardHandler),
		Pool: func(context.Context) (*pgxpool.Pool, error) { return pool, nil },
	})
}

func post(t *testing.T, serve http.HandlerFunc, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/auth/v1/token", strings.NewReader(body)))
	return w
}

// Who asks whether somebody has an account learns nothing from how long the answer takes: a hash is checked each time.
func TestUnknownAddressCostsOneHash(t *testing.T) {
	u := newUsers(t)
	var checked []string
	matches := u.hasher.matches
	u.hasher.matches = func(password, hash string) (bool, error) {
		checked = append(checked, hash)
		return matches(password, hash)
	}
	w := post(t, u.handle(u.signup), `{"email":"ana@example.com","password":"correct horse"}`)
	if w.Code != http.StatusCreated {
		t.Fatalf("signup answered %d: %s", w.Code, w.Body)
	}
	post(t, u.handle(u.createUser), `{"email":"ben@example.com"}`) // no password
	answers := map[string]bool{}
	for _, email := range []string{"ana@example.com", "ben@example.com", "nobody@example.com"} {
		before := len(checked)
		w := post(t, u.handle(u.token), `{"email":"`+email+`","password":"wrong horse"}`)
		if w.Code != http.StatusUnauthorized || len(checked) != before+1 {
			t.Errorf("%s: answered %d after %d hashes", email, w.Code, len(checked)-before)
		}
		text, _, _ := strings.Cut(w.Body.String(), `"trace_id"`)
		answers[text] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	for _, hash := range checked {
		params, _, _, err := argon2id.DecodeHash(hash)
		if err != nil || *params != *hashing() {
			t.Errorf("a hash costs %+v (%v), want %+v", params, err, hashing())
		}
	}
}

// A sign-in that checked the password just before it was changed gets no session.
func TestSignInLosesToPasswordChange(t *testing.T) {
	u := newUsers(t)
	post(t, u.handle(u.signup), `{"email":"ana@example.com","password":"correct horse"}`)
	pool, err := u.opts.Pool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := u.signIn(t.Context(), pool, "ana@example.com", "correct horse", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update internal.users set password_hash = 'changed'"); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t.Context(), pool, a); err == nil {
		t.Error("the old password opened a session")
	}
}

// Of copies of the program that rotate one token at the same time, one wins, and no session ends.
func TestOneOfManyRotationsWins(t *testing.T) {
	u := newUsers(t)
	post(t, u.handle(u.signup), `{"email":"ana@example.com","password":"correct horse"}`)
	pool, err := u.opts.Pool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := accountByEmail(t.Context(), pool, "ana@example.com")
	if err != nil {
		t.Fatal(err)
	}
	first, err := begin(t.Context(), pool, a)
	if err != nil {
		t.Fatal(err)
	}
	arrived := time.Now()
	var all sync.WaitGroup
	var won atomic.Pointer[begun]
	var wins atomic.Int32
	for range 8 {
		all.Go(func() {
			if b, err := rotate(t.Context(), pool, first.refresh, arrived); err == nil {
				wins.Add(1)
				won.Store(&b)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d rotations won", wins.Load())
	}
	if _, err := rotate(t.Context(), pool, won.Load().refresh, time.Now()); err != nil {
		t.Errorf("the winner's session ended: %v", err)
	}
}

func TestHasherBoundsItself(t *testing.T) {
	h := newHasher()
	var running, most atomic.Int32
	h.matches = func(string, string) (bool, error) {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer running.Add(-1)
		return argon2id.ComparePasswordAndHash("x", noHash)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := h.verify(t.Context(), "x", ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() > 2 {
		t.Errorf("%d hashes ran at once", most.Load())
	}

	for range cap(h.waiting) {
		h.waiting <- struct{}{}
	}
	_, err := h.verify(t.Context(), "x", "")
	var busy *route.Failure
	if !errors.As(err, &busy) || busy.Status != http.StatusServiceUnavailable || busy.Envelope.RetryAfter == 0 {
		t.Errorf("with a full queue: %v", err)
	}
	<-h.waiting
	h.slots <- struct{}{}
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that is gone still waits: %v", err)
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	u := newUsers(t)
	var log bytes.Buffer
	u.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	pool, err := u.opts.Pool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const drop = "drop table internal.tries, internal.refresh_tokens, internal.sessions, internal.users"
	if _, err := pool.Exec(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	w := post(t, u.handle(u.token), `{"email":"ana@example.com","password":"correct horse"}`)
	if w.Code != http.StatusServiceUnavailable || log.Len() == 0 {
		t.Fatalf("answered %d, and logged %q", w.Code, log.String())
	}
	for _, secret := range []string{"ana", "horse"} {
		if strings.Contains(log.String()+w.Body.String(), secret) {
			t.Errorf("%q shows in %s %s", secret, log.String(), w.Body)
		}
	}
}

func TestKeyIsTheProjects(t *testing.T) {
	derive := func(secret, project string) string {
		t.Helper()
		key, err := DeriveKey(secret, project)
		if err != nil {
			t.Fatal(err)
		}
		return key.public.ID
	}
	// Fixed, so that no later version of the program signs everybody out.
	const want = "2mEaTIHwp2oWlo9YU1TRIVz9lUxoMqOIcN0Eq9WUk3M"
	if got := derive("secret", project); got != want {
		t.Errorf("the key's id is %s, want %s", got, want)
	}
	if derive("another", project) == want || derive("secret", "prj_0") == want {
		t.Error("two projects have one key")
	}
	if _, err := DeriveKey("", project); err == nil {
		t.Error("a project without a secret has a key that everybody can derive")
	}
}

func TestNormalizeEmail(t *testing.T) {
	for text, want := range map[string]string{
		"ana@example.com":                 "ana@example.com",
		" Ana.B+tag@Example.COM\n":        "ana.b+tag@example.com",
		"żółć@example.com":                "żółć@example.com",
		"o'neil@example.co.uk":            "o'neil@example.co.uk",
		"":                                "",
		"ana":                             "",
		"@example.com":                    "",
		"ana@":                            "",
		"ana@b@example.com":               "",
		"a na@example.com":                "",
		"Ana <ana@example.com>":           "",
		`"a b"@example.com`:               "",
		"ana@example.com,b@c.de":          "",
		"ana\u200b@example.com":           "",
		"ana@example.com\x00":             "",
		strings.Repeat("a", 251) + "@b.c": "",
	} {
		got, err := NormalizeEmail(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzNormalizeEmail(f *testing.F) {
	for _, seed := range []string{"ana@example.com", "İ@x.y", `"a"@b`, "a@[1.2.3.4]", "\xff@a.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := NormalizeEmail(text)
		if err != nil {
			return
		}
		if again, err := NormalizeEmail(email); again != email || err != nil {
			t.Errorf("%q became %q, and then %q (%v)", text, email, again, err)
		}
		if strings.ContainsAny(email, " \r\n\t\x00,<>") || len(email) > maxEmail {
			t.Errorf("%q became %q", text, email)
		}
	})
}
