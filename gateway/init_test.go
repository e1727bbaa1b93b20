package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestInit(t *testing.T) {
	server := pgtest.Start(t, "functions_mcp_caller", "functions_mcp_admin", "functions_mcp_gateway")
	super(t, server, `create schema app; create table app.notes (id int primary key, owner text not null);
		alter table app.notes enable row level security`)
	before := super(t, server, snapshot)
	plan := func() *gateway.Init {
		t.Helper()
		p, err := gateway.PlanInit(t.Context(), urlOf(server, postgres.Superuser), []string{"app"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan()
	for _, want := range []string{"create role anon nologin", "create function auth.uid", "create table users", "SCRAM-SHA-256$"} {
		if !strings.Contains(strings.ReplaceAll(p.SQL, "or replace ", ""), want) {
			t.Errorf("the SQL does not have %q:\n%s", want, p.SQL)
		}
	}
	_, password, _ := strings.Cut(p.Made.URL, "password=")
	if password == "" || strings.Contains(p.SQL, password) {
		t.Error("no password, or one in the SQL")
	}
	if super(t, server, snapshot) != before {
		t.Error("something was changed before it was asked for")
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := plan(); again.SQL != "" {
		t.Errorf("there is still something to do:\n%s", again.SQL)
	}

	super(t, server, `create policy own on app.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
		grant select, insert on app.notes to authenticated`)
	o := p.Made
	o.Schemas, o.AnonRole, o.AnonGiven, o.JWTSecret = []string{"app"}, auth.RoleAnon, true, ownSecret
	o.RoleClaim, _ = auth.ParseClaimPath("role")
	g, project := serveOwn(t, o, func(opts *gateway.Options) { opts.Assets.Dir = t.TempDir() })
	if err := g.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	anon := "apikey: " + project.AnonKey
	const ana = `{"email":"ana@example.com","password":"correct horse battery"}`
	if a := call(t, g, "POST", "/auth/v1/signup", ana, anon, "Content-Type: application/json"); a.status > 201 {
		t.Fatal("signup", a)
	}
	a := call(t, g, "POST", "/auth/v1/token?grant_type=password", ana, anon, "Content-Type: application/json")
	token, _ := a.decode(t)["access_token"].(string)
	user, _ := a.decode(t)["user"].(map[string]any)
	if a := call(t, g, "POST", "/rest/v1/notes", fmt.Sprintf(`{"id":1,"owner":%q}`, user["id"]),
		"Authorization: Bearer "+token, "Content-Type: application/json"); a.status != http.StatusCreated {
		t.Error("insert as the user:", a)
	}
	if a := call(t, g, "GET", "/rest/v1/notes", ""); a.status != http.StatusUnauthorized {
		t.Error("as nobody:", a)
	}
	if a := call(t, g, "GET", "/ai/v1/usage", "", "Authorization: Bearer "+project.ServiceKey); a.status != http.StatusOK {
		t.Error("AI usage:", a)
	}
	if a := call(t, g, "GET", "/mailboxes/v1", "", "Authorization: Bearer "+project.ServiceKey); a.status != http.StatusOK {
		t.Error("mailboxes:", a)
	}
	a = call(t, g, "POST", "/projects/v1/admin/"+project.ID+"/sql", `{"sql":"select count(*) from internal.users"}`,
		"apikey: "+project.ServiceKey, "Content-Type: application/json")
	if a.status < 400 {
		t.Error("admin SQL reads the internal tables:", a)
	}
}

func TestInternalTablesOfAnotherVersionAreRefused(t *testing.T) {
	server, o := own(t)
	super(t, server, "create role keeper login") // who owns nothing
	o.GatewayURL = urlOf(server, "keeper")
	g, _ := serveOwn(t, o)
	if err := g.Ready(t.Context()); err == nil {
		t.Error("served without internal tables")
	}
}
