package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A statement that was built from any query string has the constant shape of this package around quoted names and
// numbered parameters: outside of double quotes there is nothing that a client wrote.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"select=id,alias:name::text&id=eq.1&order=a.desc.nullslast,b&limit=1&offset=2",
		`or=(a.eq.1,and(b.in.("x,y",z),c.is.null))&not.and=(d.cs.{1,2})`,
		`"odd""name"=like(any).{a*,b}&columns=a,b&on_conflict=c`,
		"select=*,x:y&id=in.(1,2)&a=not.is.true&b=fts.x&c->d=eq.1&e.f=eq.2&g",
		"a=eq.%00&%ff=eq.1&select=%22;drop table x;--%22::int",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, false)
		if err != nil {
			requireClientError(t, err)
			return
		}
		b := newBuilder()
		b.rows(&resource{node: &q.node, at: table{"p1", "items"}}, media{}, nil)
		st := b.statement()
		if strings.IndexByte(st.sql, 0) >= 0 || !utf8.ValidString(st.sql) {
			t.Fatalf("%q made the statement %q", raw, st.sql)
		}
		bare := outsideQuotes(t, st.sql)
		for _, c := range []string{"'", ";", "--", "/*", "\\"} {
			if strings.Contains(bare, c) {
				t.Fatalf("%q made the statement %s with %s outside of quotes", raw, st.sql, c)
			}
		}
		if n := strings.Count(bare, "$"); n != len(st.args) {
			t.Fatalf("%q made %d placeholders for %d parameters: %s", raw, n, len(st.args), st.sql)
		}
	})
}

// outsideQuotes removes what is in double quotes and fails when a quote is left open.
func outsideQuotes(t *testing.T, sql string) string {
	var b strings.Builder
	inside := false
	for _, r := range sql {
		if r == '"' {
			inside = !inside // a doubled quote closes and opens again
		} else if !inside {
			b.WriteRune(r)
		}
	}
	if inside {
		t.Fatalf("an open quote in %s", sql)
	}
	return b.String()
}

func requireClientError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 || e.Code == "" || e.Message == "" {
		t.Fatalf("%v is no answer to a client", err)
	}
}

// What is read from select=, order= and a filter is the same when it is written with quotes and read again.
func FuzzNames(f *testing.F) {
	f.Add("id")
	f.Add(`a"b\c`)
	f.Add("größe, (x)")
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
			t.Skip()
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		q, err := parseQuery(url.Values{
			"select": {quoted + "," + quoted + ":" + quoted}, "order": {quoted + ".desc"}, quoted: {"eq.1"},
			"or": {"(" + quoted + ".in.(" + quoted + "))"},
		}.Encode(), false)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if q.columns[0].column != name || q.columns[1].alias != name || q.order[0].column != name {
			t.Errorf("%q was read as %+v", name, q)
		}
		for _, c := range q.where.kids {
			if c.join == "or" {
				if c.kids[0].list[0] != name {
					t.Errorf("%q was read as the value %q", name, c.kids[0].list[0])
				}
				c = c.kids[0]
			}
			if c.column != name {
				t.Errorf("%q was read as the column %q", name, c.column)
			}
		}
	})
}

func FuzzPrefer(f *testing.F) {
	f.Add("return=minimal, count=exact", "max-affected=5")
	f.Add("handling=strict,tx=rollback", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		p, err := parsePrefer([]string{a, b}, false)
		if err != nil {
			requireClientError(t, err)
			return
		}
		if p.maxAffected != nil && p.handling != "strict" {
			t.Error("max-affected is kept without handling=strict")
		}
		if strings.ContainsAny(strings.Join(p.applied, ", "), "\r\n") {
			t.Errorf("%q goes into a header", p.applied)
		}
	})
}

// The scanner agrees with encoding/json about keys and shape.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `[{"a":1,"b":[{"c":"}\""}]},{"b":null,"a":{}}]`, `{"\u0061":-1e5,"b":true}`, ` [ { } , { } ] `, `[{"a\b":1},{"a\\b":2}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := parseBody(raw)
		if err != nil {
			requireClientError(t, err)
			return
		}
		var rows []map[string]json.RawMessage
		if b.array {
			err = json.Unmarshal(b.json, &rows)
		} else {
			rows = make([]map[string]json.RawMessage, 1)
			err = json.Unmarshal(b.json, &rows[0])
		}
		if err != nil || len(rows) != b.count {
			t.Fatalf("%q: %d objects, encoding/json has %d and %v", raw, b.count, len(rows), err)
		}
		same := true
		for i, row := range rows {
			if len(row) != len(rows[0]) {
				same = false
			}
			for key := range row {
				if _, ok := rows[0][key]; !ok {
					same = false
				}
			}
			for key := range row {
				if !slices.Contains(b.keys, key) {
					t.Fatalf("%q: %q is not among the keys %q", raw, key, b.keys)
				}
			}
			if i == 0 && len(row) != b.first {
				t.Fatalf("%q: the first object has %d keys, not %d", raw, len(row), b.first)
			}
		}
		if same != b.same {
			t.Fatalf("%q: same is %v", raw, b.same)
		}
	})
}

// Whatever is sent, the answer is an answer: no failure of ours, and the tables are as they were.
func TestInjection(t *testing.T) {
	fresh(t)
	hostile := []string{
		`'`, `"`, `\`, `;`, `--`, `/*`, `$1`, `%`, `"); drop table p1.items; --`, `'; drop table p1.items; --`,
		`1) or 1=1 --`, `1 or 1=1`, `") or ("1"="1`, `id) from p1.items; delete from p1.items; --`, `*,(select secret from p1.dark)`,
		`id::text) from p1.dark --`, `secret from p1.dark`, `pg_sleep(1)`, `items`, `row_to_json`, `xmin`, `ctid`, `tableoid`,
		`a.b.c`, `(`, `)`, `,`, `{`, `}`, `{"}`, `not.`, `not.not.eq.1`, `eq.`, `in.(`, `in.(")`, `is.`, `is.null; select 1`,
		`any(select 1)`, `eq(any).{`, `eq(any).{"`, `like(all).{\`, `->`, `->>x`, `::`, `::int;`, `::text[]`, `!`, `!inner`, `...`,
		"\u202e", "\x7f", "🙂", strings.Repeat("x", 70), strings.Repeat("(", 100), strings.Repeat(`"`, 99), `infinity`, `-1`, `1e400`,
		`set_config('role','service_role',false)`, `current_user`, `auth.uid()`, `public`, `null`, `NaN`, `DEFAULT`,
	}
	for _, h := range hostile {
		e := url.QueryEscape(h)
		for _, path := range []string{
			"items?select=" + e, "items?select=x:" + e, "items?select=id::" + e, "items?order=" + e, "items?order=id." + e,
			"items?" + e + "=eq.1", "items?id=" + e, "items?title=eq." + e, "items?id=in.(" + e + ")", "items?id=is." + e,
			"items?tags=cs." + e, "items?title=match." + e, "items?or=" + e, "items?or=(" + e + ".eq.1)", "items?or=(title.eq." + e + ")",
			"items?limit=" + e, "items?offset=" + e, url.PathEscape(h), "rpc/" + url.PathEscape(h), "rpc/add?a=" + e, "rpc/add?" + e + "=1",
			"items?" + e, "items?columns=" + e, "items?on_conflict=" + e,
		} {
			for _, method := range []string{"GET", "PATCH", "POST"} {
				x := exchange{who: "ana", method: method, body: `{"owner":"ben"}`,
					header: "Prefer: resolution=merge-duplicates, return=representation"}
				r := httptest.NewRequestWithContext(t.Context(), method, "http://gateway/rest/v1/"+path, strings.NewReader(x.body))
				w := httptest.NewRecorder()
				shared.handler.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/rest/v1/"), as(x.who))
				if w.Code >= 500 {
					t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
				}
				if w.Code < 300 && strings.Contains(w.Body.String(), `"ben"`) {
					t.Errorf("%s %s shows another's row: %s", method, path, w.Body)
				}
			}
		}
		body, err := json.Marshal(map[string]string{h: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if w := (exchange{who: "ana", method: http.MethodPost, path: "items", body: string(body)}).serve(t); w.Code >= 500 || w.Code < 300 {
			t.Errorf("the key %q: %d %s", h, w.Code, w.Body)
		}
	}
	if n := value[int](t, "select count(*) from p1.items where id in (1, 2, 3, 4, 5) and owner in ('ana', 'ben')"); n != 5 {
		t.Errorf("%d of 5 rows are left", n)
	}
	if n := value[int](t, "select count(*) from p1.items where owner = 'ben'"); n != 2 {
		t.Errorf("ben has %d rows, want 2", n)
	}
}
