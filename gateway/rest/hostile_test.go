package rest

import (
	"strings"
	"testing"
)

// Rows without a column have no value to look at, and whatever goes wrong, the connection is given back.
func TestCSVOfNoColumns(t *testing.T) {
	h := library(t, nil)
	for range 5 { // more than there are connections
		for _, prefer := range []string{"", " | Prefer: count=exact"} {
			exchange{who: "ana", path: "books?select=shelves()", header: "Accept: text/csv" + prefer, via: h, status: 200}.check(t)
		}
	}
}

// PostgreSQL would plan each EXISTS of an alternative twice, and what is in it too: this many take it longer than anybody
// lives.
func TestAlternativesInAlternatives(t *testing.T) {
	const depth = 45
	list, filters := "id", ""
	for i := range depth {
		list = "id,k:folders(" + list + ")"
		filters += "&" + strings.Repeat("k.", i) + "or=(k.not.is.null,name.eq.root)"
	}
	exchange{who: "ana", path: "folders?limit=1&order=id&select=" + list + filters, via: library(t, nil),
		status: 200, want: `[{"id":1,"k":[]}]`}.check(t)
}

// A request that is short to send is not long to answer.
func TestRequestsThatGrow(t *testing.T) {
	h := library(t, nil)
	names := strings.Repeat("name,", 5000) + "id"
	keys := func(prefix string) string { return `{"` + strings.Repeat(prefix+`":1,"`, 2000) + `id":1}` }
	run(t, []exchange{
		{via: h, who: "ana", name: "names of columns to write", method: "POST", path: "authors?columns=" + names, body: "{}", status: 400, want: "…more than 1600 names"},
		{via: h, who: "ana", name: "columns to read", path: "authors?select=" + names, status: 400, want: "…fewer than 1600 columns"},
		{via: h, who: "ana", name: "a long name in each line of CSV", method: "POST", path: "authors", header: "Content-Type: text/csv",
			body: strings.Repeat("k", 1000) + "\n" + strings.Repeat("1\n", 10), status: 400, want: "…PGRST102"},
		{via: h, who: "ana", name: "long names in each line of CSV", method: "POST", path: "authors", header: "Content-Type: text/csv",
			body: strings.Repeat("k", 63) + "\n" + strings.Repeat("1\n", 2<<20), status: 413, want: "…PGRST102"},
		{via: h, who: "ana", name: "keys of an object", method: "POST", path: "authors", body: keys("a"), status: 400, want: "…more than 1600 keys"},
	})
}

// Objects are told apart by every key, also after one that the first object lacks.
func TestKeysThatDiffer(t *testing.T) {
	for body, same := range map[string]bool{
		`[{"a":1,"b":1},{"x":1,"b":1}]`:               false,
		`[{"a":1,"b":1},{"b":1,"a":1}]`:               true,
		`[{"a":1,"b":1},{"b":1,"a":1,"b":2}]`:         true,
		`[{"a":1,"b":1},{"a":1}]`:                     false,
		`[{"a":1,"b":1},{"a":1,"b":1,"c":1}]`:         false,
		`[{"a":1,"b":1},{"a":1,"x":1},{"b":1,"a":1}]`: false,
	} {
		b, err := parseBody([]byte(body))
		if err != nil || b.same != same {
			t.Errorf("%s: %+v %v", body, b, err)
		}
	}
}

// A cast names a type of values, whatever SQL would take before it.
func TestCastsToNamesOfObjects(t *testing.T) {
	for _, cast := range []string{"regclass", "REGROLE", "setof regclass", "SETOF  regproc", " regtype", "regclass array"} {
		if _, _, err := parseSelect("id::" + cast); err == nil {
			t.Errorf("%s was taken", cast)
		}
	}
}
