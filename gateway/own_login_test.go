package gateway_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/gateway"
)

// A function that a caller may run can become whatever the login can, and no more; nothing of that outlives the request.
func TestBecomingAnotherRoleOnTheWay(t *testing.T) {
	server, o := own(t)
	super(t, server, "grant execute on function api.become to customer, clerk; grant select on api.orders to clerk")
	g, _ := serveOwn(t, o)
	ana := "Authorization: " + ownToken(t, "customer", "ana")
	for _, role := range []string{"boss", "postgres", "auditor", "stranger"} {
		if a := call(t, g, "POST", "/rest/v1/rpc/become", `{"role":"`+role+`"}`, ana); a.status != 403 {
			t.Errorf("became %s: %d %s", role, a.status, a.body)
		}
	}
	if a := call(t, g, "POST", "/rest/v1/rpc/become", `{"role":"clerk"}`, ana); a.status != 200 || strings.Contains(a.body, "10") {
		t.Errorf("as clerk, who has no policy: %d %s", a.status, a.body)
	}
	for range 20 { // whatever connection it meets
		if a := call(t, g, "GET", "/rest/v1/orders?select=id", "", ana); a.body != `[{"id":1},`+"\n"+`{"id":3}]` && a.body != `[{"id":1},{"id":3}]` {
			t.Fatalf("afterwards: %d %s", a.status, a.body)
		}
	}
}

func TestLoginsThatCouldBypassPoliciesAreRefused(t *testing.T) {
	server, o := own(t)
	for _, test := range []struct{ name, grant, undo, reason, mend string }{
		{"a role that bypasses", "grant auditor to web", "revoke auditor from web",
			"web -> auditor: auditor bypasses", "revoke auditor from web"},
		{"over two hops, without inheriting", "create role middle noinherit; grant auditor to middle; grant middle to web",
			"drop role middle", "web -> middle -> auditor", "revoke auditor from middle"},
		{"the superuser", "grant postgres to web", "revoke postgres from web", "is a superuser", "revoke postgres from web"},
		{"the login itself", "alter role web bypassrls", "alter role web nobypassrls", "web: web bypasses",
			"alter role web nobypassrls"},
		{"one that makes roles", "alter role web createrole", "alter role web nocreaterole", "create roles",
			"alter role web nocreaterole"},
		{"an owner of a table", "grant create on schema api to clerk; alter table api.orders owner to clerk",
			"alter table api.orders owner to postgres; revoke create on schema api from clerk",
			"clerk owns api.orders", "alter table api.orders force row level security"},
		{"one that reads the server's files", "grant pg_read_server_files to clerk", "revoke pg_read_server_files from clerk",
			"pg_read_server_files", "revoke pg_read_server_files from clerk"},
	} {
		t.Run(test.name, func(t *testing.T) {
			super(t, server, test.grant)
			g, _ := serveOwn(t, o)
			err := g.Ready(t.Context())
			unsafe, ok := errors.AsType[*gateway.UnsafeLoginError](err)
			if !ok || !strings.Contains(err.Error(), test.reason) || !strings.Contains(err.Error(), test.mend) ||
				unsafe.Login != "web" {
				t.Errorf("error %v", err)
			}
			if a := call(t, g, "GET", "/rest/v1/menu", ""); a.status != http.StatusServiceUnavailable ||
				strings.Contains(a.body, "auditor") {
				t.Error("answered", a.status, a.body)
			}
			trusting := o
			trusting.TrustLogin = true
			g, _ = serveOwn(t, trusting)
			if err := g.Ready(t.Context()); err != nil {
				t.Error("trusted all the same:", err)
			}
			if unsafe != nil && len(unsafe.Reasons) > 0 && test.name != "an owner of a table" {
				super(t, server, unsafe.Reasons[0].Mend) // what it says mends it does
				g, _ := serveOwn(t, o)
				if err := g.Ready(t.Context()); err != nil {
					t.Error("mended:", err)
				}
			}
			super(t, server, test.undo)
		})
	}
}
