package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

func TestBucketsAreApart(t *testing.T) {
	b := newBuckets(0.5) // holds one
	if b.take("a") != 0 || b.take("a") == 0 || b.take("b") != 0 {
		t.Error("want one each")
	}
	if wait := b.take("a"); wait <= 0 {
		t.Errorf("wait %v", wait)
	}
	if newBuckets(0).take("a") != 0 {
		t.Error("no limit refused")
	}
}

func TestAddress(t *testing.T) {
	for remote, want := range map[string]struct {
		key      string
		loopback bool
	}{
		"192.0.2.1:1":                 {"192.0.2.1", false},
		"[::ffff:192.0.2.1]:1":        {"192.0.2.1", false},
		"[2001:db8:1:2:3:4:5:6]:1":    {"2001:db8:1:2::/64", false},
		"[2001:db8:1:2::]:2":          {"2001:db8:1:2::/64", false},
		"[fe80::1%eth0]:1":            {"fe80::/64", false},
		"127.0.0.1:1":                 {"127.0.0.1", true},
		"[::1]:1":                     {"::1", true},
		"[::ffff:127.0.0.1]:1":        {"127.0.0.1", true},
		"@":                           {"@", false}, // a unix socket
		"127.0.0.1.evil.example:1":    {"127.0.0.1.evil.example", false},
		"[2001:db8:1:3:3:4:5:6]:1":    {"2001:db8:1:3::/64", false},
		"[2001:db8:1:2:ffff::ffff]:9": {"2001:db8:1:2::/64", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "198.51.100.1") // anyone may say so
		if key, loopback := Address(r); key != want.key || loopback != want.loopback {
			t.Errorf("%s: %q %v", remote, key, loopback)
		}
	}
}

func TestCallsAndStreamsAreCountedByCaller(t *testing.T) {
	c := newChain(t, func(cfg *ChainConfig) { cfg.Limits = Limits{Calls: 2, Streams: 1} })
	entered, leave := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	h := c.Front(c.Calls(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	}), HeaderSession))
	hold := func(r *http.Request) {
		t.Helper()
		running.Go(func() {
			if status, e := answerOf(t, h, r); status != 200 {
				t.Errorf("%d %s", status, e.Code)
			}
		})
		<-entered
	}
	refused := func(r *http.Request) {
		t.Helper()
		if status, e := answerOf(t, h, r); status != 429 || e.Code != "RATE_LIMITED" || !e.Retryable || e.RetryAfter == 0 {
			t.Errorf("%d %+v", status, e)
		}
	}
	get := func(bearer string) *http.Request {
		r := post(bearer, "")
		r.Method = "GET"
		return r
	}
	listen := func(bearer string) *http.Request {
		r := post(bearer, "{}")
		r.Header.Set("Mcp-Method", "subscriptions/listen")
		return r
	}
	from := func(r *http.Request, address string) *http.Request {
		r.RemoteAddr = address
		return r
	}
	hold(post("ana", "{}"))
	hold(post("ana2", "{}")) // the same ana, with a newer token
	refused(post("ana", "{}"))
	hold(get("ana")) // a stream does not take a call's place
	refused(get("ana"))
	refused(listen("ana2"))
	hold(post("ben", "{}"))
	hold(from(post("", "{}"), "192.0.2.1:1"))
	hold(from(post("", "{}"), "192.0.2.1:2"))
	refused(from(post("", "{}"), "192.0.2.1:3"))
	hold(from(post("", "{}"), "192.0.2.2:1")) // not the same nobody
	close(leave)
	running.Wait()
	if len(c.slots.held) != 0 {
		t.Errorf("still held: %v", c.slots.held)
	}
	go func() { <-entered }()
	if status, _ := answerOf(t, h, post("ana", "{}")); status != 200 {
		t.Errorf("afterwards %d", status)
	}
}

func TestBeginCountsWithTheRequestsOfItsCaller(t *testing.T) {
	c := newChain(t, func(cfg *ChainConfig) { cfg.Limits = Limits{Calls: 2} })
	h := c.Calls(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		done, err := c.Begin(r.Context()) // beside the request itself
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Begin(r.Context()); !errors.Is(err, ErrTooManyCalls) {
			t.Errorf("error %v", err)
		}
		done()
		if done, err = c.Begin(r.Context()); err != nil {
			t.Error(err)
		}
		done()
	}), HeaderSession)
	h.ServeHTTP(httptest.NewRecorder(), post("ana", "{}"))
}
