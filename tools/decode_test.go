package tools

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/run402/functions-mcp/core/hostedtest"
)

func nodeOf[In any](t testing.TB) *node {
	t.Helper()
	_, n, err := reflectSchema(reflect.TypeFor[In]())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func text(s string) *string { return &s }

func TestQueryArgumentsAreReadAsTheyWereMeant(t *testing.T) {
	n := nodeOf[queryInput](t)
	base := queryInput{Table: "items", Limit: 25}
	with := func(change func(*queryInput)) queryInput {
		in := base
		change(&in)
		return in
	}
	filters := func(f ...filter) queryInput { return with(func(in *queryInput) { in.Filters = f }) }
	for name, test := range map[string]struct {
		args string
		want queryInput
	}{
		"defaults":              {`{"table":"items"}`, base},
		"null means absent":     {`{"table":"items","limit":null,"filters":null,"select":null}`, base},
		"arguments as text":     {`"{\"table\":\"items\"}"`, base},
		"integer as text":       {`{"table":"items","limit":"10"}`, with(func(in *queryInput) { in.Limit = 10 })},
		"integer with fraction": {`{"table":"items","limit":10.0}`, with(func(in *queryInput) { in.Limit = 10 })},
		"bool as text":          {`{"table":"items","count":"True"}`, with(func(in *queryInput) { in.Count = true })},
		"list for select":       {`{"table":"items","select":["id","title"]}`, with(func(in *queryInput) { in.Select = "id,title" })},
		"list as JSON text for order": {
			`{"table":"items","order":"[\"id.desc\",\"a\"]"}`, with(func(in *queryInput) { in.Order = "id.desc,a" }),
		},
		"list as text for select": {
			`{"table":"items","select":"id, title"}`, with(func(in *queryInput) { in.Select = "id, title" }),
		},
		"one filter": {
			`{"table":"items","filters":[{"column":"a","op":"eq","value":"1"}]}`,
			filters(filter{Column: "a", Op: "eq", Value: text("1")}),
		},
		"filters as text": {
			`{"table":"items","filters":"[{\"column\":\"a\",\"op\":\"eq\",\"value\":\"1\"}]"}`,
			filters(filter{Column: "a", Op: "eq", Value: text("1")}),
		},
		"one filter without its list": {
			`{"table":"items","filters":{"column":"a","value":"1"}}`,
			filters(filter{Column: "a", Op: "eq", Value: text("1")}),
		},
		"one filter as text without its list": {
			`{"table":"items","filters":"{\"column\":\"a\",\"value\":\"1\"}"}`,
			filters(filter{Column: "a", Op: "eq", Value: text("1")}),
		},
		"exact numbers": {
			`{"table":"items","filters":[{"column":"a","value":12345678901234567890},{"column":"b","value":1.10}]}`,
			filters(filter{Column: "a", Op: "eq", Value: text("12345678901234567890")},
				filter{Column: "b", Op: "eq", Value: text("1.10")}),
		},
		"bool value": {
			`{"table":"items","filters":[{"column":"done","value":false}]}`,
			filters(filter{Column: "done", Op: "eq", Value: text("false")}),
		},
		"blanks in a value": {
			`{"table":"items","filters":[{"column":"a","value":" x "}]}`,
			filters(filter{Column: "a", Op: "eq", Value: text(" x ")}),
		},
		"a value that looks like JSON": {
			`{"table":"items","filters":[{"column":"a","value":"[1]"}]}`,
			filters(filter{Column: "a", Op: "eq", Value: text("[1]")}),
		},
		"operators by sign": {
			`{"table":"items","filters":[{"column":"a","op":">=","value":1},{"column":"a","op":"<>","value":2},` +
				`{"column":"a","op":"LIKE","value":"x%"}]}`,
			filters(filter{Column: "a", Op: "gte", Value: text("1")}, filter{Column: "a", Op: "neq", Value: text("2")},
				filter{Column: "a", Op: "like", Value: text("x%")}),
		},
		"null": {
			`{"table":"items","filters":[{"column":"a","op":"=","value":null},{"column":"a","op":"!=","value":null},` +
				`{"column":"a","op":"IS NOT NULL"},{"column":"a","op":"is","value":"NOT NULL"}]}`,
			filters(filter{Column: "a", Op: "is", Value: text("null")}, filter{Column: "a", Op: "is", Value: text("not_null")},
				filter{Column: "a", Op: "is", Value: text("not_null")}, filter{Column: "a", Op: "is", Value: text("not_null")}),
		},
		"in": {
			`{"table":"items","filters":[{"column":"a","op":"in","values":["x","y"]},{"column":"a","op":"in","value":["x",2]},` +
				`{"column":"a","op":"in","values":"x,y"},{"column":"a","op":"in","value":"(x,y)"},` +
				`{"column":"a","op":"in","values":"[\"x, y\"]"},{"column":"a","op":"in","value":7}]}`,
			filters(filter{Column: "a", Op: "in", Values: []string{"x", "y"}},
				filter{Column: "a", Op: "in", Values: []string{"x", "2"}},
				filter{Column: "a", Op: "in", Values: []string{"x", "y"}},
				filter{Column: "a", Op: "in", Values: []string{"x", "y"}},
				filter{Column: "a", Op: "in", Values: []string{"x, y"}}, filter{Column: "a", Op: "in", Values: []string{"7"}}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got queryInput
			if err := decodeArguments(n, json.RawMessage(test.args), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRowsAndParametersKeepTheirText(t *testing.T) {
	var rows insertInput
	args := `{"table":"items","rows":"[{\"n\": 12345678901234567890}]","on_conflict":["a","b"]}`
	if err := decodeArguments(nodeOf[insertInput](t), json.RawMessage(args), &rows); err != nil {
		t.Fatal(err)
	}
	want := insertInput{Table: "items", Rows: []json.RawMessage{[]byte(`{"n": 12345678901234567890}`)}, OnConflict: "a,b"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	var sql sqlInput
	args = `{"sql":"select $1","params":[1.50,null,"x",true],"max_rows":"7"}`
	if err := decodeArguments(nodeOf[sqlInput](t), json.RawMessage(args), &sql); err != nil {
		t.Fatal(err)
	}
	seven := 7
	if diff := cmp.Diff(sqlInput{
		SQL: "select $1", Params: []*string{text("1.50"), nil, text("x"), text("true")}, ReadOnly: true, MaxRows: &seven,
	}, sql, cmp.AllowUnexported(sqlInput{})); diff != "" {
		t.Error(diff)
	}
}

func TestWrongArgumentsAreRefusedWithWhatIsRight(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		want failure
	}{
		"missing": {`{}`, failure{Argument: "table", Message: "table is missing: expected text"}},
		"unknown": {`{"table":"items","limt":1}`, failure{
			Code: codeUnknownArgument, Argument: "limt", Message: "there is no argument limt", DidYouMean: "limit",
			Valid: []string{"table", "select", "filters", "order", "limit", "offset", "count"},
		}},
		"unknown inside": {`{"table":"items","filters":[{"col":"a"}]}`, failure{
			Argument: "filters[0].column", Message: "filters[0].column is missing: expected text",
		}},
		"unknown beside": {`{"table":"items","filters":[{"column":"a","value":"1","case":"no"}]}`, failure{
			Code: codeUnknownArgument, Argument: "filters[0].case", Message: "there is no argument filters[0].case",
			Valid: []string{"column", "op", "value", "values"},
		}},
		"operator": {`{"table":"items","filters":[{"column":"a","op":"gtt","value":"1"}]}`, failure{
			Argument: "filters[0].op", Message: `filters[0].op cannot be "gtt"`, DidYouMean: "gt",
			Valid: []string{"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is"},
		}},
		"too large":       {`{"table":"items","limit":500}`, failure{Argument: "limit", Message: "limit is 500, but must be 1 to 200"}},
		"too small":       {`{"table":"items","offset":-1}`, failure{Argument: "offset", Message: "offset is -1, but must be at least 0"}},
		"fraction":        {`{"table":"items","limit":1.5}`, failure{Argument: "limit", Message: "limit: expected an integer, got a number"}},
		"word for number": {`{"table":"items","limit":"ten"}`, failure{Argument: "limit", Message: "limit: expected an integer, got text"}},
		"number for bool": {`{"table":"items","count":1}`, failure{Argument: "count", Message: "count: expected true or false, got a number"}},
		"object for text": {`{"table":{}}`, failure{Argument: "table", Message: "table: expected text, got an object"}},
		"list for text":   {`{"table":["items"]}`, failure{Argument: "table", Message: "table: expected text, got a list"}},
		"words for list":  {`{"table":"items","filters":"a=1"}`, failure{Argument: "filters", Message: "filters: expected a list of objects, got text"}},
		"null in a list": {`{"table":"items","filters":[{"column":"a","op":"in","values":[null]}]}`, failure{
			Argument: "filters[0].values[0]", Message: "filters[0].values[0]: expected text, got null",
		}},
		"no object": {`[1]`, failure{Message: "the arguments: expected an object, got a list"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got *failure
			err := decodeArguments(nodeOf[queryInput](t), json.RawMessage(test.args), new(queryInput))
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if test.want.Code == "" {
				test.want.Code = codeInvalidArgument
			}
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever arrives is decoded or refused; what was decoded means the same when it is sent in the plain spelling.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"table":"items","limit":"10","filters":"[{\"column\":\"a\",\"op\":\"in\",\"value\":[1,\"b\"]}]"}`,
		`{"table":"items","filters":{"column":"a","op":"IS NULL"},"order":["a desc"],"count":"true"}`,
		`{"table":"items","filters":[{"column":"a","value":null},{"column":"b","op":"<>","value":1e400}]}`,
		`"{\"table\":\"\\u0000\"}"`, `{"table":"a","offset":99999999999999999999}`, `[]`, `null`, ``, `"`, `{"table":`,
		strings.Repeat("[", 200), `{"table":"x","select":[[["a"]]]}`,
	} {
		f.Add([]byte(seed))
	}
	n := nodeOf[queryInput](f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var first, second queryInput
		if err := decodeArguments(n, raw, &first); err != nil {
			var known *failure
			if !errors.As(err, &known) || known.Message == "" {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		plain, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeArguments(n, plain, &second); err != nil {
			t.Fatalf("%s was understood, %s was not: %v", raw, plain, err)
		}
		if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", raw, diff)
		}
	})
}

func TestSortOrders(t *testing.T) {
	for order, want := range map[string]string{
		"":                   "",
		"a":                  "a.asc",
		"a.desc, b":          "a.desc,b.asc",
		"a DESC,b asc":       "a.desc,b.asc",
		"-a":                 "a.desc",
		"a.desc.nullslast":   "a.desc.nullslast",
		"a desc nulls last":  "a.desc.nullslast",
		"a.nullsfirst":       "a.asc.nullsfirst",
		"Created At.desc":    "error",
		"a;drop table items": "error",
		"a desc b":           "error",
	} {
		t.Run(order, func(t *testing.T) {
			g := hostedtest.New(hostedtest.Hosted)
			g.Table("items")
			_, err := queryRows(t.Context(), newClient(t, g).DB("").From("items"), queryInput{Order: order})
			if (err != nil) != (want == "error") {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			sent, err := url.ParseQuery(g.Requests()[0].Query)
			if err != nil {
				t.Fatal(err)
			}
			if got := sent.Get("order"); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	valid := []string{"id", "title", "created_at", "owner_id"}
	for wrong, want := range map[string]string{
		"Title": "title", "titel": "title", "createdAt": "created_at", "owner": "owner_id", "colour": "", "": "",
		"created": "created_at", "x": "", strings.Repeat("a", 1000): "",
	} {
		if got := nearest(wrong, valid); got != want {
			t.Errorf("nearest(%q) = %q, want %q", short(wrong), got, want)
		}
	}
}
