package auth

import (
	"net/http"
	"testing"
)

func TestPrincipal(t *testing.T) {
	ana := Caller{Token: "t1", ID: "ana", ProjectID: project, Verified: true}
	rotated, claimed, nameless := ana, ana, ana
	rotated.Token = "t2"
	claimed.Verified = false
	nameless.ID = ""
	if ana.Principal() != rotated.Principal() {
		t.Error("a new token made a new principal")
	}
	seen := map[string]bool{}
	for _, c := range []Caller{ana, claimed, nameless, {Token: "t3"}, {}, {Token: "t1", ID: "ben", Verified: true}} {
		seen[c.Principal()] = true
	}
	if len(seen) != 5 { // claimed and nameless have the same token
		t.Errorf("principals %v", seen)
	}
}

func TestSessionBelongsToItsPrincipal(t *testing.T) {
	sessions := &Sessions{}
	c := newChain(t, func(cfg *ChainConfig) { cfg.Sessions = sessions })
	var id string
	ok := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if messageMethod(r) == "initialize" {
			id = sessions.New(r.Context())
		}
	})
	h := c.Front(c.Calls(ok, HeaderSession))
	if status, _ := answerOf(t, h, post("ana", `{"method":"initialize"}`)); status != 200 || !sessions.Alive(id) {
		t.Fatalf("status %d, session %q", status, id)
	}
	for name, test := range map[string]struct {
		bearer, session, revision, method string
		want                              int
	}{
		"the owner":                     {"ana", id, "2025-11-25", "POST", 200},
		"the owner, with a newer token": {"ana2", id, "2025-11-25", "GET", 200},
		"another":                       {"ben", id, "2025-11-25", "POST", 404},
		"another's stream":              {"ben", id, "2025-11-25", "GET", 404},
		"another's delete":              {"ben", id, "", "DELETE", 404},
		"nobody":                        {"", id, "", "POST", 404},
		"an invented one":               {"ana", "mcp-session-8d5a7d5c-0000-4000-8000-000000000000", "", "POST", 404},
		"of a revision without any":     {"ben", id, "2026-07-28", "POST", 200},
		"of a revision to come":         {"ben", id, "2027-01-01", "POST", 404},
		"none":                          {"ben", "", "", "POST", 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := post(test.bearer, "{}")
			r.Method = test.method
			r.Header.Set("Mcp-Session-Id", test.session)
			r.Header.Set("Mcp-Protocol-Version", test.revision)
			if status, e := answerOf(t, h, r); status != test.want {
				t.Errorf("%d %s, want %d", status, e.Code, test.want)
			}
		})
	}
	sessions.End(id)
	sessions.End(id)
	r := post("ana", "{}")
	r.Header.Set("Mcp-Session-Id", id)
	if status, _ := answerOf(t, h, r); status != 404 {
		t.Errorf("a session that ended: %d", status)
	}
	if len(sessions.alive) != 0 || len(sessions.byPayer) != 0 {
		t.Errorf("left over: %v %v", sessions.alive, sessions.byPayer)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	sessions := &Sessions{}
	c := newChain(t, func(cfg *ChainConfig) { cfg.Sessions, cfg.Limits.Sessions = sessions, 2 })
	var ids []string
	h := c.Front(c.Calls(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ids = append(ids, sessions.New(r.Context()))
	}), QuerySession))
	open := func(bearer string) int {
		t.Helper()
		r := post(bearer, "")
		r.Method = "GET"
		status, _ := answerOf(t, h, r)
		return status
	}
	for _, want := range []int{200, 200, 429} {
		if got := open("ana"); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	if got := open("ben"); got != 200 {
		t.Errorf("ben pays for ana: %d", got)
	}
	sessions.End(ids[0])
	if got := open("ana"); got != 200 {
		t.Errorf("after one ended: %d", got)
	}
	for len(sessions.alive) < maxSessions {
		sessions.New(t.Context())
	}
	if got := open("ben"); got != 429 {
		t.Errorf("beyond what all may have: %d", got)
	}
}
