package core_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
	"github.com/run402/functions-mcp/core/wire"
)

func TestSQLOnTheWire(t *testing.T) {
	const path = "/projects/v1/admin/" + hostedtest.ProjectID + "/sql"
	const guarded = `) q where $1::text is null`
	honouring := hostedtest.Answer{Body: `{"status":"ok","honours":["sql-read-only"]}`}
	for name, tt := range map[string]struct {
		honours     bool
		req         wire.SQLRequest
		contentType string
		body        string
	}{
		"plain":     {false, wire.SQLRequest{SQL: "select 1"}, "text/plain", "select 1"},
		"alias":     {false, wire.SQLRequest{Query: "select 1"}, "text/plain", "select 1"},
		"params":    {false, wire.SQLRequest{SQL: "select $1", Params: []any{"<a>"}}, "application/json", `{"sql":"select $1","params":["<a>"]}`},
		"read only": {true, wire.SQLRequest{SQL: "select 1", ReadOnly: true}, "application/json", `{"sql":"select 1","read_only":true}`},
		"max rows":  {true, wire.SQLRequest{SQL: "delete from t", MaxRows: 5}, "application/json", `{"sql":"delete from t","max_rows":5}`},
		"destroys nothing": {true, wire.SQLRequest{SQL: "drop table t", Destroy: wire.DestroyNothing}, "application/json",
			`{"sql":"drop table t","destroy":"nothing"}`},
		"plain, honoured": {true, wire.SQLRequest{SQL: "select 1"}, "text/plain", "select 1"},
		"rewritten": {false, wire.SQLRequest{SQL: "select 1 ;\n; ", ReadOnly: true}, "application/json",
			`{"sql":"select * from (select 1\n` + guarded + `","params":[null]}`},
		"rewritten, ends in a comment": {false, wire.SQLRequest{SQL: "select 1 -- x", ReadOnly: true}, "application/json",
			`{"sql":"select * from (select 1 -- x\n` + guarded + `","params":[null]}`},
		"rewritten with params and limit": {false, wire.SQLRequest{SQL: "select $1", Params: []any{"a"}, ReadOnly: true, MaxRows: 2},
			"application/json", `{"sql":"select * from (select $1\n) q where $2::text is null limit 3","params":["a",null]}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			if tt.honours {
				g.Script("GET", "/health", honouring)
			}
			if _, err := c.Admin().SQL(t.Context(), tt.req); err != nil {
				t.Fatal(err)
			}
			sent := g.Requests()
			r := sent[len(sent)-1]
			got := []string{r.Method, r.Path, r.Header.Get("Content-Type"), r.Body}
			if diff := cmp.Diff([]string{"POST", path, tt.contentType, tt.body}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSQLReadsEitherCounter(t *testing.T) {
	for _, flavor := range flavors {
		for sql, want := range map[string]*int64{
			"select 42 as n":        new(int64(1)),
			"update t set a=1":      new(int64(1)),
			"create table t(a int)": map[hostedtest.Flavor]*int64{hostedtest.Hosted: nil, hostedtest.Core: new(int64(0))}[flavor],
		} {
			c, _ := newClient(t, flavor)
			res, err := c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: sql})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]*int64{want, want}, []*int64{res.RowCount, res.RowCount2}); diff != "" {
				t.Errorf("%v: %s: %s", flavor, sql, diff)
			}
		}
	}
}

func TestRewrittenSQLIsCut(t *testing.T) {
	c, g := newClient(t, hostedtest.Core)
	g.Script("POST", wire.AdminSQL(hostedtest.ProjectID),
		hostedtest.Answer{Body: `{"status":"ok","schema":"p","rows":[{"n":1},{"n":2},{"n":3}],"rowCount":3,"fields":[]}`})
	for maxRows, want := range map[int]struct {
		rows      int
		truncated bool
	}{2: {2, true}, 3: {3, false}, 0: {3, false}} {
		res, err := c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "select n from t", ReadOnly: true, MaxRows: maxRows})
		if err != nil || len(res.Rows) != want.rows || res.Truncated != want.truncated || *res.RowCount != int64(want.rows) {
			t.Errorf("max %d: %d rows, truncated %v, %v", maxRows, len(res.Rows), res.Truncated, err)
		}
	}
}

func TestSQLRefusesBeforeAnyRequest(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	for _, tt := range []struct {
		req  wire.SQLRequest
		code string
	}{
		{wire.SQLRequest{}, core.CodeInvalidQuery},
		{wire.SQLRequest{SQL: " \n"}, core.CodeInvalidQuery},
		{wire.SQLRequest{SQL: "select $1", Params: []any{make(chan int)}}, core.CodeInvalidQuery},
		{wire.SQLRequest{SQL: "delete from t", MaxRows: 5}, core.CodeNotSupported},
		{wire.SQLRequest{SQL: "drop table t", Destroy: wire.DestroyNothing}, core.CodeNotSupported},
	} {
		_, err := c.Admin().SQL(t.Context(), tt.req)
		wantError(t, err, tt.code)
	}
	for _, r := range g.Requests() {
		if r.Method == "POST" {
			t.Errorf("sent %s", r.Body)
		}
	}
}

func TestSQLErrorText(t *testing.T) {
	for flavor, text := range map[hostedtest.Flavor]string{
		hostedtest.Hosted: "SQL error (404): PROJECT_NOT_FOUND", hostedtest.Core: "SQL error (404): project_not_found",
	} {
		g := hostedtest.New(flavor)
		c, err := core.New(core.Config{Base: "http://localhost", ProjectID: "prj_other", ServiceKey: g.ServiceKey(), Transport: core.Handler(g)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Admin().SQL(t.Context(), wire.SQLRequest{SQL: "select 1"})
		if e := wantError(t, err, "PROJECT_NOT_FOUND"); e.Error() != text || e.Message != "There is no such project." {
			t.Errorf("got %q, %q", e.Error(), e.Message)
		}
	}
}

func TestSchema(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Script("GET", wire.AdminSchema(hostedtest.ProjectID), hostedtest.Answer{Body: `{"schema":"p1","tables":[{"name":"items",` +
		`"columns":[{"name":"id","type":"bigint","nullable":false,"default_value":null}],"constraints":[],"rls_enabled":true,` +
		`"row_estimate":3,"policies":[{"name":"own","command":"SELECT","using_expression":"true","check_expression":null}],"new":1}]}`})
	got, err := c.Admin().Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Schema{Schema: "p1", Tables: []wire.Table{{
		Name: "items", Columns: []wire.Column{{Name: "id", Type: "bigint"}}, Constraints: []wire.Constraint{},
		RLSEnabled: true, RowEstimate: 3,
		Policies: []wire.Policy{{Name: "own", Command: "SELECT", UsingExpression: new("true")}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
