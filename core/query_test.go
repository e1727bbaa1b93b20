package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/hostedtest"
)

var flavors = []hostedtest.Flavor{hostedtest.Hosted, hostedtest.Core}

// newClient returns a client of a fresh fake of the hosted gateway, in process.
func newClient(t testing.TB, flavor hostedtest.Flavor) (*core.Client, *hostedtest.Gateway) {
	t.Helper()
	g := hostedtest.New(flavor)
	return connect(t, g, core.Handler(g)), g
}

func connect(t testing.TB, g *hostedtest.Gateway, transport http.RoundTripper) *core.Client {
	t.Helper()
	c, err := core.New(core.Config{
		Base: "http://localhost/", ProjectID: hostedtest.ProjectID,
		AnonKey: g.AnonKey(), ServiceKey: g.ServiceKey(), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantError fails the test unless err is a *core.Error of the code.
func wantError(t testing.TB, err error, code string) *core.Error {
	t.Helper()
	var e *core.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want code %s", err, code)
	}
	if e.Code != code {
		t.Fatalf("got code %q (%v: %s), want %q", e.Code, e, e.Message, code)
	}
	return e
}

func TestQueryOnTheWire(t *testing.T) {
	const prefer = "return=representation"
	type sent struct{ Method, Path, Query, Prefer, Body string }
	get := func(query string) sent { return sent{"GET", "/rest/v1/items", query, prefer, ""} }
	type row struct {
		Title string `json:"title"`
	}
	for name, tt := range map[string]struct {
		build func(q *core.Query) *core.Query
		want  sent
	}{
		"all":               {func(q *core.Query) *core.Query { return q }, get("")},
		"select":            {func(q *core.Query) *core.Query { return q.Select("id,title") }, get("select=id%2Ctitle")},
		"select all":        {func(q *core.Query) *core.Query { return q.Select("") }, get("select=%2A")},
		"select with blank": {func(q *core.Query) *core.Query { return q.Select(" id , title ") }, get("select=id%2Ctitle")},
		"select quoted":     {func(q *core.Query) *core.Query { return q.Select(`"a , b",c`) }, get("select=%22a+%2C+b%22%2Cc")},
		"select replaces":   {func(q *core.Query) *core.Query { return q.Select("id").Select("title") }, get("select=title")},
		"eq":                {func(q *core.Query) *core.Query { return q.Eq("id", 7) }, get("id=eq.7")},
		"neq":               {func(q *core.Query) *core.Query { return q.Neq("id", int64(7)) }, get("id=neq.7")},
		"gt":                {func(q *core.Query) *core.Query { return q.Gt("id", uint8(7)) }, get("id=gt.7")},
		"gte":               {func(q *core.Query) *core.Query { return q.Gte("price", 1e6) }, get("price=gte.1000000")},
		"lt":                {func(q *core.Query) *core.Query { return q.Lt("price", 0.1) }, get("price=lt.0.1")},
		"lte":               {func(q *core.Query) *core.Query { return q.Lte("price", json.Number("12345678901234567890")) }, get("price=lte.12345678901234567890")},
		"like":              {func(q *core.Query) *core.Query { return q.Like("title", "a%b*") }, get("title=like.a%25b%2A")},
		"ilike":             {func(q *core.Query) *core.Query { return q.ILike("title", "%é_") }, get("title=ilike.%25%C3%A9_")},
		"in":                {func(q *core.Query) *core.Query { return q.In("id", 1, "b", true) }, get("id=in.%281%2Cb%2Ctrue%29")},
		"in quotes": {func(q *core.Query) *core.Query { return q.In("name", "Doe, J", `say "hi"`, "plain", "", `a\b`) },
			get(`name=in.%28%22Doe%2C+J%22%2C%22say+%5C%22hi%5C%22%22%2Cplain%2C%22%22%2C%22a%5C%5Cb%22%29`)},
		"in quotes a blank": {func(q *core.Query) *core.Query { return q.In("name", "a b", "c") }, get("name=in.%28%22a+b%22%2Cc%29")},
		"in nothing":        {func(q *core.Query) *core.Query { return q.In("id") }, get("id=in.%28%29")},
		"is null":           {func(q *core.Query) *core.Query { return q.Is("done", "null") }, get("done=is.null")},
		"is not null":       {func(q *core.Query) *core.Query { return q.Is("done", "not_null") }, get("done=not.is.null")},
		"eq null":           {func(q *core.Query) *core.Query { return q.Eq("done", nil) }, get("done=eq.null")},
		"eq nil ptr":        {func(q *core.Query) *core.Query { return q.Eq("done", (*time.Time)(nil)) }, get("done=eq.null")},
		"eq pointer":        {func(q *core.Query) *core.Query { return q.Eq("id", new(7)) }, get("id=eq.7")},
		"eq time":           {func(q *core.Query) *core.Query { return q.Eq("at", time.Unix(0, 0).UTC()) }, get("at=eq.1970-01-01T00%3A00%3A00Z")},
		"eq reserved":       {func(q *core.Query) *core.Query { return q.Eq("title", "eq.a&b=c,(d)") }, get("title=eq.eq.a%26b%3Dc%2C%28d%29")},
		"filters and":       {func(q *core.Query) *core.Query { return q.Gte("id", 1).Lt("id", 9) }, get("id=gte.1&id=lt.9")},
		"filter by op":      {func(q *core.Query) *core.Query { return q.Filter("id", "in", "1", "2") }, get("id=in.%281%2C2%29")},
		"order":             {func(q *core.Query) *core.Query { return q.Order("id") }, get("order=id.asc")},
		"orders merge":      {func(q *core.Query) *core.Query { return q.Order("a").Order("b", core.Desc) }, get("order=a.asc%2Cb.desc")},
		"order nulls":       {func(q *core.Query) *core.Query { return q.Order("a", core.DescNullsLast) }, get("order=a.desc.nullslast")},
		"limit, offset":     {func(q *core.Query) *core.Query { return q.Limit(0).Offset(20).Limit(10) }, get("limit=10&offset=20")},
		"count":             {func(q *core.Query) *core.Query { return q.Count() }, sent{"GET", "/rest/v1/items", "", prefer + ",count=exact", ""}},

		"column named as a parameter": {func(q *core.Query) *core.Query { return q.Eq("order", 1).Order("limit") },
			get("%22order%22=eq.1&order=limit.asc")},
		"column that would be a group": {func(q *core.Query) *core.Query { return q.Eq("or", "(id.eq.1)") }, get("%22or%22=eq.%28id.eq.1%29")},
		"column with syntax": {func(q *core.Query) *core.Query { return q.Eq(`a"b\c.d`, 1).Order("x,y.desc") },
			get(`%22a%5C%22b%5C%5Cc.d%22=eq.1&order=%22x%2Cy.desc%22.asc`)},
		"column that would be a parameter": {func(q *core.Query) *core.Query { return q.Eq("a=eq.1&limit", 1) }, get("%22a%3Deq.1%26limit%22=eq.1")},
		"json path": {func(q *core.Query) *core.Query { return q.Eq("data->a b->-1->>city", "x") },
			get("data-%3E%22a+b%22-%3E-1-%3E%3Ecity=eq.x")},

		"insert one": {func(q *core.Query) *core.Query { return q.Insert(map[string]any{"title": "<a>"}) },
			sent{"POST", "/rest/v1/items", "", prefer, `[{"title":"<a>"}]`}},
		"insert many": {func(q *core.Query) *core.Query { return q.Insert([]row{{"a"}, {"b"}}) },
			sent{"POST", "/rest/v1/items", "", prefer, `[{"title":"a"},{"title":"b"}]`}},
		"insert raw": {func(q *core.Query) *core.Query { return q.Insert(json.RawMessage(` {"id": 12345678901234567890}`)) },
			sent{"POST", "/rest/v1/items", "", prefer, `[{"id":12345678901234567890}]`}},
		"insert and select": {func(q *core.Query) *core.Query { return q.Insert(row{"a"}).Select("id") },
			sent{"POST", "/rest/v1/items", "select=id", prefer, `[{"title":"a"}]`}},
		"upsert": {func(q *core.Query) *core.Query { return q.Upsert(row{"a"}, "title, a b") },
			sent{"POST", "/rest/v1/items", "on_conflict=title%2C%22a+b%22", prefer + ",resolution=merge-duplicates", `[{"title":"a"}]`}},
		"upsert by primary key": {func(q *core.Query) *core.Query { return q.Upsert(row{"a"}, "") },
			sent{"POST", "/rest/v1/items", "", prefer + ",resolution=merge-duplicates", `[{"title":"a"}]`}},
		"update": {func(q *core.Query) *core.Query { return q.Update(row{"b"}).Eq("id", 1) },
			sent{"PATCH", "/rest/v1/items", "id=eq.1", prefer, `{"title":"b"}`}},
		"update all": {func(q *core.Query) *core.Query { return q.Update(row{"b"}) },
			sent{"PATCH", "/rest/v1/items", "", prefer, `{"title":"b"}`}},
		"delete": {func(q *core.Query) *core.Query { return q.Eq("id", 1).Delete().Select("id") },
			sent{"DELETE", "/rest/v1/items", "select=id&id=eq.1", prefer, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Table("items", `{"id":1}`)
			if _, err := tt.build(c.DB("").From("items")).Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := g.Requests()[0]
			got := sent{r.Method, r.Path, r.Query, r.Header.Get("Prefer"), r.Body}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if ct := r.Header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("Content-Type is %q", ct)
			}
		})
	}
}

func TestQueryRefusesBeforeAnyRequest(t *testing.T) {
	for name, build := range map[string]func(q *core.Query) *core.Query{
		"empty filter column":  func(q *core.Query) *core.Query { return q.Eq(" ", 1) },
		"empty order column":   func(q *core.Query) *core.Query { return q.Order("") },
		"empty json key":       func(q *core.Query) *core.Query { return q.Eq("a->", 1) },
		"empty select column":  func(q *core.Query) *core.Query { return q.Select("a,,b") },
		"empty conflict":       func(q *core.Query) *core.Query { return q.Upsert(map[string]any{}, "a,") },
		"unknown operator":     func(q *core.Query) *core.Query { return q.Filter("a", "or", 1) },
		"two values":           func(q *core.Query) *core.Query { return q.Filter("a", "eq", 1, 2) },
		"no value":             func(q *core.Query) *core.Query { return q.Filter("a", "eq") },
		"is something":         func(q *core.Query) *core.Query { return q.Is("a", "null&limit=1") },
		"unknown direction":    func(q *core.Query) *core.Query { return q.Order("a", "desc,b") },
		"structured value":     func(q *core.Query) *core.Query { return q.Eq("a", []int{1}) },
		"negative limit":       func(q *core.Query) *core.Query { return q.Limit(-1) },
		"negative offset":      func(q *core.Query) *core.Query { return q.Offset(-1) },
		"insert after update":  func(q *core.Query) *core.Query { return q.Update(map[string]any{}).Insert(map[string]any{}) },
		"insert of a number":   func(q *core.Query) *core.Query { return q.Insert(3) },
		"insert of nothing":    func(q *core.Query) *core.Query { return q.Insert(nil) },
		"insert of bad JSON":   func(q *core.Query) *core.Query { return q.Insert(json.RawMessage(`{`)) },
		"insert of infinity":   func(q *core.Query) *core.Query { return q.Insert(map[string]any{"a": math.Inf(1)}) },
		"update with a list":   func(q *core.Query) *core.Query { return q.Update([]int{}) },
		"limited insert":       func(q *core.Query) *core.Query { return q.Insert(map[string]any{}).MaxAffected(1) },
		"limited read":         func(q *core.Query) *core.Query { return q.MaxAffected(1) },
		"negative max. touche": func(q *core.Query) *core.Query { return q.Delete().MaxAffected(-1) },
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, hostedtest.Hosted)
			g.Table("items")
			_, err := build(c.Admin().From("items")).Rows(t.Context())
			wantError(t, err, core.CodeInvalidQuery)
			if n := len(g.Requests()); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func TestTableNameCannotLeaveItsRoute(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	for table, path := range map[string]string{
		"a b":             "/rest/v1/a%20b",
		"../../admin/x":   "/rest/v1/..%2F..%2Fadmin%2Fx",
		"items?limit=1#x": "/rest/v1/items%3Flimit=1%23x",
		"100%":            "/rest/v1/100%25",
		"Größe":           "/rest/v1/Gr%C3%B6%C3%9Fe",
	} {
		_, _ = c.DB("").From(table).Rows(t.Context()) // the fake knows no such table; only the request counts
		r := g.Requests()
		if got := r[len(r)-1]; got.Path != path || got.Query != "" {
			t.Errorf("table %q went to %s?%s, want %s", table, got.Path, got.Query, path)
		}
	}
	sent := len(g.Requests())
	for _, table := range []string{"", ".", ".."} {
		_, err := c.DB("").From(table).Rows(t.Context())
		wantError(t, err, core.CodeInvalidQuery)
	}
	if len(g.Requests()) != sent {
		t.Error("a request was sent for a table without a name")
	}
}

func TestRowsAreNotDecoded(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Script("GET", "/rest/v1/items", hostedtest.Answer{Body: "[{\"id\":1234567890123456789,\"b\":1.10},\n {\"s\":\"]},\"}]"})
	rows, err := c.DB("").From("items").Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []json.RawMessage{json.RawMessage(`{"id":1234567890123456789,"b":1.10}`), json.RawMessage(`{"s":"]},"}`)}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	var decoded []struct{ S string }
	if err := c.DB("").From("items").Into(t.Context(), &decoded); err != nil || len(decoded) != 2 || decoded[1].S != "]}," {
		t.Errorf("decoded %v, %v", decoded, err)
	}
}

func TestCount(t *testing.T) {
	c, g := newClient(t, hostedtest.Hosted)
	g.Table("items", `{"id":1}`, `{"id":2}`, `{"id":3}`)
	g.Table("none")
	for table, want := range map[string]int64{"items": 3, "none": 0} {
		res, err := c.DB("").From(table).Limit(1).Count().Do(t.Context())
		if err != nil || res.Count == nil || *res.Count != want {
			t.Errorf("%s: count is %v, %v, want %d", table, res.Count, err, want)
		}
	}
	g.Script("GET", "/rest/v1/items", hostedtest.Answer{Body: "[]", Header: map[string]string{"Content-Range": "*/*"}})
	_, err := c.DB("").From("items").Count().Do(t.Context())
	wantError(t, err, core.CodeInvalidAnswer)
}

func TestAnswerThatIsNoArrayIsAnError(t *testing.T) {
	for _, body := range []string{`{"id":1}`, `[{"id":1}`, `[1,]`, `null`, `<html></html>`, `[1] [2]`} {
		c, g := newClient(t, hostedtest.Hosted)
		g.Script("GET", "/rest/v1/items", hostedtest.Answer{Body: body})
		_, err := c.DB("").From("items").Rows(t.Context())
		wantError(t, err, core.CodeInvalidAnswer)
	}
}

func TestMaxAffected(t *testing.T) {
	honouring := hostedtest.Answer{Body: `{"status":"ok","honours":["max-affected"]}`}
	for name, tt := range map[string]struct {
		flavor    hostedtest.Flavor
		health    *hostedtest.Answer
		max       int
		affected  int64 // 0: allowed
		notAtomic bool
		requests  []string
	}{
		"in the statement":          {hostedtest.Hosted, &honouring, 3, 0, false, []string{"GET /health", "DELETE /rest/v1/items id=gt.0"}},
		"refused in the statement":  {hostedtest.Hosted, &honouring, 2, 3, false, []string{"GET /health", "DELETE /rest/v1/items id=gt.0"}},
		"counted":                   {hostedtest.Core, nil, 3, 0, true, []string{"GET /health", "GET /rest/v1/items id=gt.0&limit=0", "DELETE /rest/v1/items id=gt.0"}},
		"counted, refused":          {hostedtest.Core, nil, 2, 3, false, []string{"GET /health", "GET /rest/v1/items id=gt.0&limit=0"}},
		"counted hosted, none left": {hostedtest.Hosted, nil, 0, 3, false, []string{"GET /health", "GET /rest/v1/items id=gt.0&limit=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient(t, tt.flavor)
			g.Table("items", `{"id":1}`, `{"id":2}`, `{"id":3}`)
			if tt.health != nil {
				g.Script("GET", "/health", *tt.health)
			}
			res, err := c.DB("").From("items").Delete().Gt("id", 0).MaxAffected(tt.max).Do(t.Context())
			if tt.affected == 0 {
				if err != nil || res.NotAtomic != tt.notAtomic {
					t.Errorf("got %+v, %v", res, err)
				}
			} else {
				var e *core.Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v", err)
				}
				if n, ok := e.MaxAffected(); !ok || n != tt.affected {
					t.Errorf("%v says %d, %v", e, n, ok)
				}
			}
			var got []string
			for _, r := range g.Requests() {
				got = append(got, strings.TrimSpace(r.Method+" "+r.Path+" "+r.Query))
			}
			if diff := cmp.Diff(tt.requests, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMaxAffectedIsRefusedWithoutACount(t *testing.T) {
	c, g := newClient(t, hostedtest.Core)
	g.Script("GET", "/rest/v1/items", hostedtest.Answer{Body: "[]"})
	_, err := c.DB("").From("items").Delete().MaxAffected(5).Do(t.Context())
	wantError(t, err, core.CodeInvalidAnswer)
	for _, r := range g.Requests() {
		if r.Method == http.MethodDelete {
			t.Error("it deleted without knowing how many")
		}
	}
}

func TestHonoursIsRememberedOnceReached(t *testing.T) {
	var down http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) }
	g := hostedtest.New(hostedtest.Hosted)
	g.Script("GET", "/health", hostedtest.Answer{Body: `{"status":"ok","honours":["max-affected"]}`})
	handler := http.Handler(down)
	c := connect(t, g, core.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) })))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c.Honours(ctx, "max-affected") {
		t.Error("a backend that cannot be asked honours something")
	}
	handler = g
	for range 3 {
		if !c.Honours(t.Context(), "max-affected") || c.Honours(t.Context(), "other") {
			t.Error("the backend's own word is not taken")
		}
	}
	if n := len(g.Requests()); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
