package gateway_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/gateway"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// Every change of the schema is told to whoever listens, also a drop.
func TestChangesOfTheSchemaAreTold(t *testing.T) {
	sql(t, `create table told (id int)`)
	conn, err := pgx.ConnectConfig(t.Context(), pgtest.Open(t, shared.dir, gateway.Logins()...).ConnConfig("gateway", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "listen "+catalog.Channel); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"alter table told add primary key (id)", "comment on table told is 'x'", "create function f_told() returns int language sql return 1",
		"drop function f_told()", "drop table told",
	} {
		sql(t, text)
		if n, err := conn.WaitForNotification(t.Context()); err != nil || n.Payload != "reload schema" {
			t.Errorf("%s: told %v, %v", text, n, err)
		}
	}
}

// A table that SQL made can be embedded by the very next request.
func TestEmbeddingFollowsSQLAtOnce(t *testing.T) {
	p := shared.project
	sql(t, `create table parents_once (id int primary key); insert into parents_once values (1)`)
	embed := request{path: "/admin/v1/rest/parents_once?select=id,children_once(id)", apikey: p.ServiceKey}
	if got := do(t, embed); got.status != 400 {
		t.Errorf("before there is a relationship: %d %s", got.status, got.body)
	}
	sql(t, `create table children_once (id int, parent int references parents_once); insert into children_once values (7, 1)`)
	if got := do(t, embed); got.status != 200 || got.body != `[{"id":1,"children_once":[{"id":7}]}]` {
		t.Errorf("after it was made: %d %s", got.status, got.body)
	}
}
