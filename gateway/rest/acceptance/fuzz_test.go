package acceptance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever a client asks, it gets an answer in JSON or CSV, or an error that is its own fault: never SQL of ours that
// PostgreSQL cannot read, never a panic, never a status of ours.

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"books?select=id,authors!inner(name,books(*)),...covers(colour)&authors.country=eq.HU&order=authors(name).desc,id&limit=2",
		`books?or=(id.in.(1,"2"),and(title.not.like.*S*,info->"odd key"->>"x.y".eq.1))&authors=is.null&select=authors()`,
		"books?select=a:info->awards->>-1::text,pages::int,*,shelf_mark&tags=cs.{sea}&price=is.not_null&blurb=wfts(english).ships -sea",
		"genres?select=name,books!book_genres(id)&books.or=(id.eq(any).{1,2},price.isdistinct.8)&books.limit=1&books.order=info->grams.nullslast",
		`Odd Table?select="with\"quote",größe&"a,b"=gt.0&or=("(c)".neq.1)`,
		"rpc/longer_than?pages=1&select=id,companions(id)&title=imatch.^s&offset=1",
		"rpc/join_words?words=a&words={b,c}",
		"rpc/add?a=1&b=x", "books?columns=id&on_conflict=x&select=count(),pages.sum()",
	} {
		f.Add(seed, "count=exact", "application/json")
		f.Add(seed, "count=planned, handling=strict", "text/csv")
	}
	f.Fuzz(func(t *testing.T, path, prefer, accept string) {
		fuzzed(t, http.MethodGet, path, prefer, accept, "")
	})
}

func FuzzWrite(f *testing.F) {
	for _, seed := range [][3]string{
		{"tallies?select=word,n&columns=n,word", "return=representation, missing=default", `[{"word":"a"},{"n":2}]`},
		{"tallies?on_conflict=word", "resolution=merge-duplicates, return=headers-only", `{"word":null,"n":1,"n":2}`},
		{"tallies", "handling=strict, max-affected=1, return=minimal", `[]`},
		{"rpc/kind_of", "", `[1,{"a":null}]`}, {"rpc/add?columns=a", "params=x", `{"a":"1","b":[]}`}, {"rpc/pick?select=x", "", `{"doc":{},"key":"a"}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, path, prefer, body string) {
		if !strings.HasPrefix(path, "tallies") && !strings.HasPrefix(path, "rpc/") {
			path = "tallies?" + path
		}
		fuzzed(t, http.MethodPost, path, prefer, "application/json", body)
	})
}

func fuzzed(t *testing.T, method, path, prefer, accept, body string) {
	t.Helper()
	if strings.HasPrefix(path, "rpc/raises") || strings.HasPrefix(path, "rpc/set_bad") {
		return // they ask for a status of ours
	}
	name, query, _ := strings.Cut(path, "?")
	r := httptest.NewRequestWithContext(t.Context(), method, "http://gateway/", strings.NewReader(body))
	r.URL = &url.URL{Path: library.sign(r.Header, "ana") + name, RawQuery: query}
	r.Header.Set("Prefer", prefer)
	r.Header.Set("Accept", accept)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	library.gateway.ServeHTTP(w, r)
	if w.Code < 300 {
		return
	}
	var e struct{ Code, Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Code == "" || e.Message == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	ours := e.Code == "42601" && !strings.Contains(e.Message, "tsquery") // a syntax error in what we wrote
	switch e.Code {
	case "54000", "54001", "54011", "54023", "21000", "57014": // too much of it, and it took too long
	default:
		ours = ours || w.Code >= 500
	}
	if ours {
		t.Fatalf("%s %q: %d %s", method, path, w.Code, w.Body)
	}
}
