package app

import (
	"net"
	"net/http"
	"sync"
)

// unusedConns are the connections that carried no request yet. Clients open some ahead of need, and Shutdown would wait
// five seconds for each to carry one.
type unusedConns struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// watch makes the server close them when it shuts down.
func (u *unusedConns) watch(srv *http.Server) {
	u.conns = map[net.Conn]struct{}{}
	srv.ConnState = u.note
	srv.RegisterOnShutdown(u.close)
}

func (u *unusedConns) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.conns[c] = struct{}{}
	} else {
		delete(u.conns, c)
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close() // nobody has said anything over it
	}
}
