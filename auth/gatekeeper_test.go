package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk keeps roles by user.
type desk struct {
	mu    sync.Mutex
	roles map[string]string
	err   error
	asked atomic.Int64
}

func (d *desk) lookup(_ context.Context, src RoleSource, id string) (string, bool, error) {
	d.asked.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if src != (RoleSource{"members", "user_id", "role"}) {
		return "", false, fmt.Errorf("asked for %v", src)
	}
	role, ok := d.roles[id]
	return role, ok, d.err
}

func (d *desk) set(id, role string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.roles[id] = role
}

func member(id string) Caller {
	return Caller{Token: "t", ID: id, Role: RoleAuthenticated, ProjectID: project, Verified: true}
}

func asks(ttl time.Duration, allowed ...string) Gate {
	return Gate{RequireRole: &RoleRule{RoleSource{"members", "user_id", "role"}, allowed, ttl}}
}

func TestPass(t *testing.T) {
	d := &desk{roles: map[string]string{"ana": "admin", "ben": "member", "eva": "Admin"}}
	signIn := Gate{RequireAuth: true}
	unverified := member("ana")
	unverified.Verified = false
	service := member("ana")
	service.Role = RoleService
	anon := member("ana")
	anon.Role = RoleAnon
	for name, test := range map[string]struct {
		gate   Gate
		caller Caller
		status int
		code   string
	}{
		"no gate, nobody":             {Gate{}, Caller{}, 0, ""},
		"sign in, nobody":             {signIn, Caller{}, 401, "AUTHENTICATION_REQUIRED"},
		"sign in, an empty id":        {signIn, member(""), 401, "AUTHENTICATION_REQUIRED"},
		"sign in, role anon":          {signIn, anon, 401, "AUTHENTICATION_REQUIRED"},
		"sign in, the service":        {signIn, service, 401, "AUTHENTICATION_REQUIRED"},
		"sign in, not verified":       {signIn, unverified, 503, "GATE_UNAVAILABLE"},
		"sign in, a user":             {signIn, member("zoe"), 0, ""},
		"role, nobody":                {asks(0, "admin"), Caller{}, 401, "AUTHENTICATION_REQUIRED"},
		"role, not verified":          {asks(0, "admin"), unverified, 503, "GATE_UNAVAILABLE"},
		"role, the one":               {asks(0, "admin"), member("ana"), 0, ""},
		"role, one of them":           {asks(0, "lead", "member"), member("ben"), 0, ""},
		"role, another":               {asks(0, "admin"), member("ben"), 403, "ROLE_FORBIDDEN"},
		"role, in other case":         {asks(0, "admin"), member("eva"), 403, "ROLE_FORBIDDEN"},
		"role, no row":                {asks(0, "admin"), member("zoe"), 403, "ROLE_FORBIDDEN"},
		"role, signing in turned off": {Gate{RequireRole: asks(0, "admin").RequireRole}, Caller{}, 401, "AUTHENTICATION_REQUIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			role, err := NewGatekeeper(d.lookup).Pass(t.Context(), test.gate, test.caller)
			refusal, refused := errors.AsType[*Refusal](err)
			switch {
			case test.status == 0:
				if err != nil || test.gate.RequireRole != nil && role != d.roles[test.caller.ID] {
					t.Errorf("role %q, error %v", role, err)
				}
			case !refused || refusal.Status != test.status || refusal.Envelope.Code != test.code || role != "":
				t.Errorf("role %q, error %v", role, err)
			case test.status == 403 && !cmp.Equal(refusal.Envelope.AllowedRoles, test.gate.RequireRole.Allowed):
				t.Errorf("allowed roles %v", refusal.Envelope.AllowedRoles)
			}
			if may := MayPass(test.gate, test.caller, d.roles[test.caller.ID], true); may != (test.status != 403) {
				t.Errorf("may pass: %v", may)
			}
		})
	}
}

func TestALookupThatFailsLetsNobodyPass(t *testing.T) {
	d := &desk{roles: map[string]string{"ana": "admin"}, err: errors.New("down")}
	k := NewGatekeeper(d.lookup)
	for _, ttl := range []time.Duration{0, time.Minute} {
		_, err := k.Pass(t.Context(), asks(ttl, "admin"), member("ana"))
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || refusal.Status != 503 || !refusal.Envelope.Retryable || !errors.Is(err, d.err) ||
			strings.Contains(refusal.Envelope.Message, "down") {
			t.Errorf("ttl %v: %+v", ttl, err)
		}
	}
	d.err = nil
	if _, err := k.Pass(t.Context(), asks(time.Minute, "admin"), member("ana")); err != nil {
		t.Errorf("a failure is remembered: %v", err)
	}
}

func TestADemotionIsSeenAfterTheCacheTTLAndAtOnceWithNone(t *testing.T) {
	d := &desk{roles: map[string]string{"ana": "admin"}}
	k, now := NewGatekeeper(d.lookup), noon
	k.now = func() time.Time { return now }
	pass := func(ttl time.Duration, allowed string) bool {
		_, err := k.Pass(t.Context(), asks(ttl, allowed), member("ana"))
		return err == nil
	}
	if !pass(time.Minute, "admin") {
		t.Fatal("an admin is refused")
	}
	d.set("ana", "member")
	now = now.Add(59 * time.Second)
	if !pass(time.Minute, "admin") || pass(time.Minute, "member") || d.asked.Load() != 1 {
		t.Errorf("asked %d times within the time", d.asked.Load())
	}
	if pass(30*time.Second, "admin") {
		t.Error("a gate with a shorter time takes what is too old for it")
	}
	d.set("ana", "admin")
	now = now.Add(time.Minute)
	if !pass(time.Minute, "admin") {
		t.Error("a role is older than its time")
	}
	d.set("ana", "member")
	if pass(0, "admin") {
		t.Error("a gate without a cache did not look")
	}
	if pass(time.Minute, "admin") {
		t.Error("what was just seen is not what is remembered")
	}
}

func TestThatThereIsNoRoleIsNotRemembered(t *testing.T) {
	d := &desk{roles: map[string]string{}}
	k := NewGatekeeper(d.lookup)
	if _, err := k.Pass(t.Context(), asks(time.Minute, "admin"), member("ana")); err == nil {
		t.Fatal("passed")
	}
	d.set("ana", "admin")
	if _, err := k.Pass(t.Context(), asks(time.Minute, "admin"), member("ana")); err != nil {
		t.Error(err)
	}
	other := member("ana")
	other.ProjectID = "prj_other"
	d.set("ana", "member")
	if _, err := k.Pass(t.Context(), asks(time.Minute, "admin"), other); err == nil {
		t.Error("the user of another project has the role of ours")
	}
}

func TestAThousandCallsOfThreeCallersNeverGetAnothersRole(t *testing.T) {
	d := &desk{roles: map[string]string{"ana": "admin", "ben": "member", "eva": "lead"}}
	k := NewGatekeeper(d.lookup)
	var wait sync.WaitGroup
	for i := range 1000 {
		id := []string{"ana", "ben", "eva"}[i%3]
		ttl := time.Duration(i%2) * time.Minute
		wait.Go(func() {
			role, err := k.Pass(t.Context(), asks(ttl, "admin", "lead"), member(id))
			switch want := map[string]string{"ana": "admin", "eva": "lead"}[id]; {
			case role != want:
				t.Errorf("%s got role %q", id, role)
			case (err == nil) != (want != ""):
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	wait.Wait()
}

func TestManyWhoWaitForOneRoleAreOneLookup(t *testing.T) {
	d := &desk{roles: map[string]string{"ana": "admin"}}
	begun, release := make(chan struct{}, 1), make(chan struct{})
	k := NewGatekeeper(func(ctx context.Context, src RoleSource, id string) (string, bool, error) {
		begun <- struct{}{}
		<-release
		return d.lookup(ctx, src, id)
	})
	var wait sync.WaitGroup
	first, cancel := context.WithCancel(t.Context())
	wait.Go(func() { // who asks first goes away
		if _, err := k.Pass(first, asks(time.Minute, "admin"), member("ana")); err == nil {
			t.Error("passed after he went away")
		}
	})
	<-begun
	cancel()
	for range 50 {
		wait.Go(func() {
			if _, err := k.Pass(t.Context(), asks(time.Minute, "admin"), member("ana")); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	wait.Wait()
	if d.asked.Load() != 1 {
		t.Errorf("asked %d times", d.asked.Load())
	}
}

func TestHandlerSaysWhoPassedAndBelievesNobodyElse(t *testing.T) {
	d := &desk{roles: map[string]string{"u1": "admin"}}
	verify := NewHS256([]byte(secret), project, WithClock(clock)).Verify
	token := "Bearer " + good(claims(noon.Unix(), ""))
	for name, test := range map[string]struct {
		gate     Gate
		bearer   string
		status   int
		id, role string
	}{
		"no gate":                 {Gate{}, "", 200, "", ""},
		"no gate, signed in":      {Gate{}, token, 200, "", ""},
		"no gate, a bad bearer":   {Gate{}, "Bearer x", 200, "", ""},
		"sign in":                 {Gate{RequireAuth: true}, token, 200, "u1", ""},
		"sign in, nobody":         {Gate{RequireAuth: true}, "", 401, "", ""},
		"sign in, a bad bearer":   {Gate{RequireAuth: true}, "Bearer x", 401, "", ""},
		"sign in, another scheme": {Gate{RequireAuth: true}, "Basic eDp5", 401, "", ""},
		"sign in, expired":        {Gate{RequireAuth: true}, "Bearer " + good(claims(noon.Unix()-1, "")), 401, "", ""},
		"role":                    {asks(0, "admin"), token, 200, "u1", "admin"},
		"role, another":           {asks(0, "lead"), token, 403, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var id, role string
			h := NewGatekeeper(d.lookup).Handler(test.gate, verify, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				id, _ = GetUserID(r)
				role, _ = GetRole(r)
				for name := range r.Header {
					if n := strings.ToLower(name); strings.Contains(n, "run402") && n != "x-run402-user-id" && n != "x-run402-user-role" {
						t.Errorf("the header %s came through", name)
					}
				}
			}))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Run402-User-Id", "eve")
			r.Header.Set("x-run402-user-role", "admin")
			r.Header["x_run402_user_id"] = []string{"eve"}
			r.Header["X-RUN402-Project-Id"] = []string{"prj_x"}
			if test.bearer != "" {
				r.Header.Set("Authorization", test.bearer)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != test.status || id != test.id || role != test.role {
				t.Errorf("%d, id %q, role %q; %s", w.Code, id, role, w.Body)
			}
			if r.Header.Get("X-Run402-User-Id") != "eve" {
				t.Error("the request that came was changed")
			}
			if test.status == 403 && !strings.Contains(w.Body.String(), `"allowed_roles":["lead"]`) {
				t.Errorf("%s", w.Body)
			}
		})
	}
}

func TestGetUserIsAsInTheSeed(t *testing.T) {
	verify := NewHS256([]byte(secret), project, WithClock(clock)).Verify
	token := good(claims(noon.Unix(), ""))
	for name, test := range map[string]struct {
		header string
		want   *User
	}{
		"a user":          {"Bearer " + token, &User{ID: "u1", Role: "authenticated", Email: "ana@example.com"}},
		"nobody":          {"", nil},
		"no scheme":       {token, nil},
		"in lower case":   {"bearer " + token, nil},
		"two blanks":      {"Bearer  " + token, nil},
		"expired":         {"Bearer " + good(claims(noon.Unix()-1, "")), nil},
		"another project": {"Bearer " + good(strings.Replace(claims(noon.Unix(), ""), project, "prj_x", 1)), nil},
		"forged":          {"Bearer " + token[:len(token)-4] + "AAAA", nil},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		if diff := cmp.Diff(test.want, GetUser(r, verify)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if u := GetUser(r, Unverified); u != nil {
		t.Errorf("a user that nobody verified: %+v", u)
	}
	if _, ok := GetUserID(r); ok {
		t.Error("there is an id")
	}
	if _, ok := GetRole(r); ok {
		t.Error("there is a role")
	}
}

func BenchmarkGate(b *testing.B) {
	d := &desk{roles: map[string]string{"ana": "admin"}}
	for name, gate := range map[string]Gate{
		"open": {}, "signed in": {RequireAuth: true}, "role, warm": asks(time.Minute, "admin"), "role, cold": asks(0, "admin"),
	} {
		b.Run(name, func(b *testing.B) {
			k, c := NewGatekeeper(d.lookup), member("ana")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Pass(b.Context(), gate, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
