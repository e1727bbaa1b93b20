package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzSplitRows holds the splitter to encoding/json.
func FuzzSplitRows(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `[]`, ` [ ] `, `[1]`, `[1,2]`, "[\n {\"a\":[1,{}]} ,\t\"],\\\"\" , null ]", `[[],[[]],{}]`, `{"a":1}`, `[1`, `[1,]`,
		`[] []`, `["\u005d\\"]`, "[\"\xff\"]", `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := splitRows(body)
		var want []json.RawMessage
		wantErr := json.Unmarshal(body, &want)
		if len(bytes.Trim(body, " \t\r\n")) == 0 {
			want, wantErr = []json.RawMessage{}, nil
		} else if wantErr == nil && want == nil { // null
			wantErr = errors.New("no array")
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %v, want %v", body, err, wantErr)
		}
		if err == nil && !cmp.Equal(got, want) {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
		for _, row := range got {
			if cap(row) != len(row) {
				t.Error("an append to a row would overwrite the next")
			}
		}
	})
}

// FuzzInList holds in's quoting to a reader of PostgREST's grammar (section 2.4).
func FuzzInList(f *testing.F) {
	f.Add("plain", `Doe, J`, `say "hi"`)
	f.Add("", `a\`, `)`)
	f.Add(" ", "null", "(1,2)")
	f.Add("\u00a0", "ä.b", `\"`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		operand, err := filterOperand("in", []any{a, b, c})
		if err != nil {
			t.Fatal(err)
		}
		if got := readInList(t, operand); !slices.Equal(got, []string{a, b, c}) {
			t.Errorf("%s reads as %q, want %q", operand, got, []string{a, b, c})
		}
		q := newQuery(nil, callerPlane{}, "t").In("a", a, b, c)
		values, err := url.ParseQuery(q.rawQuery())
		if err != nil || len(values) != 1 || values.Get("a") != operand {
			t.Errorf("the query string is %s, %v", q.rawQuery(), err)
		}
	})
}

// readInList reads in.(…): values in double quotes with \ as the escape, others up to a comma or the end.
func readInList(t *testing.T, operand string) []string {
	rest, ok := strings.CutPrefix(operand, "in.(")
	if !ok {
		t.Fatalf("%q is no list", operand)
	}
	var values []string
	for {
		var value strings.Builder
		if strings.HasPrefix(rest, `"`) {
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' {
					i++
				}
				if i < len(rest) {
					value.WriteByte(rest[i])
				}
			}
			if i >= len(rest) {
				t.Fatalf("%q has an open quote", operand)
			}
			rest = rest[i+1:]
		} else {
			end := strings.IndexAny(rest, ",)")
			if end < 0 {
				t.Fatalf("%q has no end", operand)
			}
			value.WriteString(rest[:end])
			rest = rest[end:]
		}
		values = append(values, value.String())
		if rest == ")" {
			return values
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			t.Fatalf("%q continues with %q", operand, rest)
		}
	}
}

// FuzzColumn checks that no column can be anything but one filter: never another parameter, a group, or an operator.
func FuzzColumn(f *testing.F) {
	for _, seed := range []string{"id", "order", "or", "a.b", `a"b`, `a\`, "a,b", "a=eq.1&b", "not.and", "x->y->>z", "->", "a b", "items.select"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, column string) {
		key, ok := filterKey(column)
		if !ok {
			return
		}
		q := newQuery(nil, callerPlane{}, "t").Eq(column, 1)
		values, err := url.ParseQuery(q.rawQuery())
		if err != nil || len(values) != 1 || values.Get(key) != "eq.1" {
			t.Fatalf("%q became %s", column, q.rawQuery())
		}
		// PostgREST takes a parameter for one of its own by the word after the last dot.
		switch last := key[strings.LastIndexByte(key, '.')+1:]; last {
		case "select", "columns", "on_conflict", "order", "limit", "offset", "and", "or":
			t.Errorf("%q became %s, a parameter of another meaning", column, key)
		}
		name, _, _ := strings.Cut(column, "->")
		if got := readName(t, key); got != strings.TrimSpace(name) {
			t.Errorf("%q reads as %q", key, got)
		}
	})
}

// readName reads the name that a key begins with: in double quotes, or up to a JSON path.
func readName(t *testing.T, key string) string {
	rest, quoted := strings.CutPrefix(key, `"`)
	if !quoted {
		name, _, _ := strings.Cut(key, "->")
		if !isPlainName(name) {
			t.Fatalf("%q is bare", key)
		}
		return name
	}
	var name strings.Builder
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '"':
			if after := rest[i+1:]; after != "" && !strings.HasPrefix(after, "->") {
				t.Fatalf("%q continues with %q", key, after)
			}
			return name.String()
		case rest[i] == '\\' && i+1 < len(rest):
			i++
		}
		name.WriteByte(rest[i])
	}
	t.Fatalf("%q has an open quote", key)
	return ""
}

const openAPI = `{"swagger":"2.0","paths":{
 "/":{"get":{}}, "/rpc/f":{"post":{}},
 "/items":{"get":{},"post":{},"patch":{},"delete":{}},
 "/report":{"get":{}}},
 "definitions":{
  "report":{"type":"object","properties":{"n":{"type":"integer","format":"int64"},"k":{"type":"integer","format":"int32"}}},
  "items":{"description":"What is for sale","required":["id","owner","title","kind"],"type":"object","properties":{
   "title":{"format":"text","type":"string","description":"Shown to all"},
   "id":{"format":"bigint","type":"integer","default":"nextval('s')","description":"Note:\nThis is a Primary Key.<pk/>"},
   "owner":{"format":"uuid","type":"string","description":"Who\n\nNote:\nThis is a Foreign Key to ` + "`users.id`" + `.<fk table='users' column='id'/>"},
   "kind":{"format":"public.kind","type":"string","enum":["a","b"],"default":""},
   "tags":{"type":"array"}, "price":{"format":"numeric","type":"number","default":1.5}}},
  "orphan":{"properties":{"a":{}}}}}`

func TestOpenAPI(t *testing.T) {
	got, err := parseOpenAPI([]byte(openAPI))
	if err != nil {
		t.Fatal(err)
	}
	want := []TableInfo{
		{Name: "items", Description: "What is for sale", Insertable: true, Updatable: true, Deletable: true, Columns: []ColumnInfo{
			{Name: "title", Type: "text", Required: true, Comment: "Shown to all"},
			{Name: "id", Type: "bigint", Default: "nextval('s')", PrimaryKey: true},
			{Name: "owner", Type: "uuid", Required: true, References: "users.id", Comment: "Who"},
			{Name: "kind", Type: "public.kind", Enum: []string{"a", "b"}},
			{Name: "tags", Type: "array"},
			{Name: "price", Type: "numeric", Default: "1.5"},
		}},
		{Name: "report", Columns: []ColumnInfo{{Name: "n", Type: "bigint"}, {Name: "k", Type: "integer"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"paths":{"/a":{}},"definitions":{"a":{"properties":[]}}}`} {
		if _, err := parseOpenAPI([]byte(bad)); err == nil {
			t.Errorf("%s is taken for a document", bad)
		}
	}
}

func FuzzOpenAPI(f *testing.F) {
	f.Add([]byte(openAPI))
	f.Add([]byte(`{"paths":{"/a":null},"definitions":{"a":{"properties":{"b":{"description":"Note:\n<fk table='","enum":[null]}}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		tables, err := parseOpenAPI(doc)
		if err == nil && !json.Valid(doc) {
			t.Error("it read what is no JSON")
		}
		if !slices.IsSortedFunc(tables, func(a, b TableInfo) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("the tables are not sorted")
		}
	})
}

func BenchmarkSplitRows(b *testing.B) {
	body := []byte("[" + strings.Repeat(`{"id":1234,"title":"The printer is on fire again","open":true,"at":"2026-11-23T10:00:00Z"},`, 99) + `{"id":1}]`)
	b.Run("split", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			_, _ = splitRows(body)
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var rows []json.RawMessage
			_ = json.Unmarshal(body, &rows)
		}
	})
	b.Run("valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			json.Valid(body)
		}
	})
}
