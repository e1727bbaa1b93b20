package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func verifier() Verify { return NewHS256([]byte(secret), project).Verify }

// user is a token of the given user that is good for an hour; those of equally long names are equally long.
func user(sub string) string {
	return good(strings.Replace(claims(time.Now().Add(time.Hour).Unix(), ""), `"u1"`, `"`+sub+`"`, 1))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// age sets back a file's modification time, always to the same.
func age(t *testing.T, path string) {
	t.Helper()
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func TestTokenFileIsReadAgainWhenItChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path, token string){
		"written in place": write,
		"replaced by rename, with the same time and size": func(t *testing.T, path, token string) {
			write(t, path+".new", token)
			age(t, path+".new")
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"written in place with the same time and another size": func(t *testing.T, path, token string) {
			info, err := os.Stat(path)
			write(t, path, token)
			if err == nil && info.Size() == int64(len(token)) {
				write(t, path, token+"\n")
			}
			age(t, path)
		},
		"a link pointed elsewhere": func(t *testing.T, path, token string) {
			write(t, path+token[len(token)-8:], token)
			_ = os.Remove(path) // the first time there is none
			if err := os.Symlink(path+token[len(token)-8:], path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			callers := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())
			for _, sub := range []string{"u1", "u2", "u3"} {
				change(t, path, user(sub))
				for range 2 {
					if c, err := callers(t.Context()); err != nil || c.ID != sub {
						t.Fatalf("caller %q, error %v; want %q", c.ID, err, sub)
					}
				}
			}
		})
	}
}

func TestSecondWriteInTheSameTickIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	callers := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())
	tick := time.Now()
	for _, sub := range []string{"u1", "u2"} {
		write(t, path, user(sub))
		if err := os.Chtimes(path, tick, tick); err != nil {
			t.Fatal(err)
		}
		if c, err := callers(t.Context()); err != nil || c.ID != sub {
			t.Fatalf("caller %q, error %v; want %q", c.ID, err, sub)
		}
	}
}

func TestTokenFileThatDoesNotChangeIsNotReadAgain(t *testing.T) {
	path, token := filepath.Join(t.TempDir(), "token"), user("u1")
	callers := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())
	write(t, path, token)
	for range 3 {
		age(t, path)
		if c, err := callers(t.Context()); err != nil || c.ID != "u1" {
			t.Fatalf("caller %q, error %v", c.ID, err)
		}
		write(t, path, strings.Repeat("x", len(token))) // behind the same state: only a second read would show it
	}
}

func TestTokenFileIsNeverSilentlyAnonymous(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("empty"), " \n")
	write(t, path("long"), strings.Repeat("a", MaxTokenBytes+17))
	write(t, path("forged"), strings.Repeat("A", 40)+"."+strings.Repeat("A", 40)+".")
	for name, want := range map[string]string{
		"missing": "no such file", "empty": "is empty", "long": "longer than", ".": "not a regular file",
		"forged": "not a well-formed JWT",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := TokenFile(path(name), slog.New(slog.DiscardHandler)).Callers(verifier())(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "RUN402_USER_TOKEN_FILE") {
				t.Errorf("error %v, want one about the variable that says %q", err, want)
			}
			if c.Role != "" {
				t.Errorf("caller %+v", c)
			}
		})
	}
}

func TestTokenFileRecoversFromAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	callers := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())
	for range 2 {
		if _, err := callers(t.Context()); err == nil {
			t.Fatal("a missing file gave a caller")
		}
		write(t, path, user("u1"))
		if c, err := callers(t.Context()); err != nil || c.ID != "u1" {
			t.Fatalf("caller %q, error %v", c.ID, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExpiredTokenIsAnErrorThatSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	token := good(claims(noon.Unix()+60, ""))
	write(t, path, token)
	for name, source := range map[string]*TokenSource{
		"put a fresh token in that file": TokenFile(path, slog.New(slog.DiscardHandler)),
		"restart this server":            StaticToken(token),
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(60 * time.Second)
			source.now = func() time.Time { return now }
			callers := source.Callers(NewHS256([]byte(secret), project, WithClock(clock)).Verify)
			if _, err := callers(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second)
			_, err := callers(t.Context()) // from the cache: the text is the same
			if !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), name) ||
				!strings.Contains(err.Error(), "functions-mcp token") {
				t.Errorf("error %v", err)
			}
			checkLeak(t, err, token)
		})
	}
}

func TestServiceKeyIsNoCaller(t *testing.T) {
	key := good(`{"role":"service_role","project_id":"` + project + `"}`)
	if c, err := StaticToken(key).Callers(Unverified)(t.Context()); err == nil || c.Role != "" {
		t.Errorf("caller %+v, error %v", c, err)
	}
}

func TestTokenFileThatOthersCanReadIsWarnedAboutOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	token := user("u1")
	var log bytes.Buffer
	callers := TokenFile(path, slog.New(slog.NewTextHandler(&log, nil))).Callers(verifier())
	for i, mode := range []os.FileMode{0o640, 0o644, 0o644} {
		write(t, path, token)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := callers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Count(log.String(), "chmod 600"), min(i, 1); got != want {
			t.Errorf("%d warnings at mode %o, want %d", got, mode, want)
		}
	}
	if strings.Contains(log.String(), token) {
		t.Error("the log holds the token")
	}
}

func TestCallersMayBeAskedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, user("u1"))
	callers := TokenFile(path, slog.New(slog.DiscardHandler)).Callers(verifier())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := callers(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestContextCaller(t *testing.T) {
	if _, err := ContextCaller(t.Context()); err == nil {
		t.Error("a request that passed no middleware has a caller")
	}
	c, err := ContextCaller(WithCaller(t.Context(), Caller{ID: "u1", Token: "t"}))
	if err != nil || c.ID != "u1" {
		t.Errorf("caller %+v, error %v", c, err)
	}
	if c, err := AnonymousCaller(t.Context()); err != nil || !c.Anonymous() || c.Role != RoleAnon {
		t.Errorf("caller %+v, error %v", c, err)
	}
}
