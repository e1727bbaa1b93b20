package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const rule = `{"table":"members","idColumn":"user_id","roleColumn":"role","allowed":["admin"]}`

func TestParseGateReads(t *testing.T) {
	role := func(ttl time.Duration) *RoleRule {
		return &RoleRule{RoleSource{"members", "user_id", "role"}, []string{"admin"}, ttl}
	}
	for text, want := range map[string]Gate{
		`{}`:                    {},
		`{"requireAuth":true}`:  {RequireAuth: true},
		`{"require_auth":true}`: {RequireAuth: true},
		`{"requireAuth":false}`: {},
		`{"requireRole":null}`:  {},
		`{"requireAuth":true,"requireRole":null}`:                                                                             {RequireAuth: true},
		`{"requireRole":` + rule + `}`:                                                                                        {RequireRole: role(time.Minute)},
		`{"requireRole":` + strings.Replace(rule, `]`, `],"cacheTtl":0`, 1) + `}`:                                             {RequireRole: role(0)},
		`{"requireRole":` + strings.Replace(rule, `]`, `],"cacheTtl":600`, 1) + `}`:                                           {RequireRole: role(10 * time.Minute)},
		` {"require_role":{"table":"members","id_column":"user_id","role_column":"role","allowed":["admin"],"cache_ttl":1}} `: {RequireRole: role(time.Second)},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParseGate([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gate (-want +got):\n%s", diff)
			}
			if got.Open() != (!want.RequireAuth && want.RequireRole == nil) {
				t.Errorf("open: %v", got.Open())
			}
		})
	}
}

// gatesWith is a gates file whose gate for "t" stands alone on line 3.
func gatesWith(gate string) string { return "{\n \"tools\": {\n  \"t\": " + gate + "\n }\n}" }

func ruleWith(old, now string) string {
	return gatesWith(`{"requireRole": ` + strings.Replace(rule, old, now, 1) + `}`)
}

func TestAGatesFileThatCannotBeMeantNamesLineFieldAndWhatIsValid(t *testing.T) {
	const field = "tools.t.requireRole"
	for name, test := range map[string]struct {
		text  string
		line  int
		field string
		say   string
	}{
		"no JSON":              {"{\n\"tools\": {,}}", 2, "", "no JSON"},
		"cut short":            {"{\n\"tools\": {", 2, "", "no JSON"},
		"nothing":              {"", 1, "", "no JSON"},
		"two documents":        {gatesWith(`{"requireAuth":true}`) + "\n{}", 6, "", "no JSON"},
		"a list":               {"[]", 1, "", "want an object"},
		"null":                 {"null", 1, "", "want an object"},
		"no gates":             {"{}", 1, "", `{"tools": {NAME: GATE}}`},
		"empty tools":          {`{"tools":{}}`, 1, "", `{"tools": {NAME: GATE}}`},
		"unknown at the top":   {"{\n\n\"gates\": {}}", 3, "gates", "choose from tools"},
		"tools twice":          {"{\"tools\":{},\n\"tools\":{}}", 2, "tools", "twice"},
		"tools a list":         {"{\n\"tools\":\n[]}", 3, "tools", "want an object"},
		"name twice":           {"{\"tools\":{\"t\":{\"requireAuth\":true},\n\"t\":{\"requireAuth\":false}}}", 2, "tools.t", "twice"},
		"gate true":            {gatesWith(`true`), 3, "tools.t", "want an object"},
		"gate null":            {gatesWith(`null`), 3, "tools.t", "want an object"},
		"gate empty":           {gatesWith(`{}`), 3, "tools.t", "requireAuth or requireRole"},
		"gate of null":         {gatesWith(`{"requireRole":null}`), 3, "tools.t", "requireAuth or requireRole"},
		"unknown field":        {gatesWith(`{"requireAuht":true}`), 3, "tools.t.requireAuht", "choose from requireAuth, requireRole"},
		"other case":           {gatesWith(`{"RequireAuth":true}`), 3, "tools.t.RequireAuth", "choose from requireAuth, requireRole"},
		"both spellings":       {gatesWith(`{"requireAuth":true,"require_auth":false}`), 3, "tools.t.require_auth", "twice"},
		"requireAuth text":     {gatesWith(`{"requireAuth":"true"}`), 3, "tools.t.requireAuth", "true or false"},
		"requireAuth number":   {gatesWith(`{"requireAuth":1}`), 3, "tools.t.requireAuth", "true or false"},
		"requireAuth null":     {gatesWith(`{"requireAuth":null}`), 3, "tools.t.requireAuth", "true or false"},
		"requireRole true":     {gatesWith(`{"requireRole":true}`), 3, field, "want an object"},
		"requireRole list":     {gatesWith(`{"requireRole":["admin"]}`), 3, field, "want an object"},
		"requireRole empty":    {gatesWith(`{"requireRole":{}}`), 3, field, "table is missing"},
		"onDeny":               {ruleWith(`{`, `{"onDeny":"redirect",`), 3, field + ".onDeny", "choose from table, idColumn"},
		"no table":             {ruleWith(`"table":"members",`, ``), 3, field, "table is missing"},
		"no idColumn":          {ruleWith(`"idColumn":"user_id",`, ``), 3, field, "idColumn is missing"},
		"no roleColumn":        {ruleWith(`"roleColumn":"role",`, ``), 3, field, "roleColumn is missing"},
		"no allowed":           {ruleWith(`,"allowed":["admin"]`, ``), 3, field, "allowed is missing"},
		"table a number":       {ruleWith(`"members"`, `1`), 3, field + ".table", "letters, digits"},
		"table empty":          {ruleWith(`"members"`, `""`), 3, field + ".table", "letters, digits"},
		"table with a schema":  {ruleWith(`"members"`, `"public.members"`), 3, field + ".table", "no schema"},
		"table with a digit":   {ruleWith(`"members"`, `"1members"`), 3, field + ".table", "no digit"},
		"table with SQL":       {ruleWith(`"members"`, `"members;drop"`), 3, field + ".table", "letters, digits"},
		"table with line feed": {ruleWith(`"members"`, `"members\n"`), 3, field + ".table", "letters, digits"},
		"idColumn quoted":      {ruleWith(`"user_id"`, `"\"user_id\""`), 3, field + ".idColumn", "letters, digits"},
		"roleColumn null":      {ruleWith(`"role"`, `null`), 3, field + ".roleColumn", "letters, digits"},
		"allowed a text":       {ruleWith(`["admin"]`, `"admin"`), 3, field + ".allowed", `["admin"]`},
		"allowed empty":        {ruleWith(`["admin"]`, `[]`), 3, field + ".allowed", "one or more"},
		"allowed empty role":   {ruleWith(`["admin"]`, `["admin",""]`), 3, field + ".allowed", "none of them empty"},
		"allowed null":         {ruleWith(`["admin"]`, `[null]`), 3, field + ".allowed", "one or more"},
		"allowed numbers":      {ruleWith(`["admin"]`, `[1]`), 3, field + ".allowed", "one or more"},
		"cacheTtl text":        {ruleWith(`{`, `{"cacheTtl":"60",`), 3, field + ".cacheTtl", "0, which turns the cache off, to 600"},
		"cacheTtl negative":    {ruleWith(`{`, `{"cacheTtl":-1,`), 3, field + ".cacheTtl", "600"},
		"cacheTtl long":        {ruleWith(`{`, `{"cacheTtl":601,`), 3, field + ".cacheTtl", "600"},
		"cacheTtl huge":        {ruleWith(`{`, `{"cacheTtl":1e99,`), 3, field + ".cacheTtl", "600"},
		"cacheTtl a fraction":  {ruleWith(`{`, `{"cacheTtl":1.5,`), 3, field + ".cacheTtl", "whole seconds"},
		"cacheTtl null":        {ruleWith(`{`, `{"cacheTtl":null,`), 3, field + ".cacheTtl", "whole seconds"},
		"another table": {"{\"tools\":{\"a\":{\"requireRole\":" + rule + "},\n\"b\":{\"requireRole\":" +
			strings.Replace(rule, "members", "staff", 1) + "}}}", 2, "tools.b.requireRole", "members, user_id and role"},
		"another column": {"{\"tools\":{\"a\":{\"requireRole\":" + rule + "},\n\"b\":{\"requireRole\":" +
			strings.Replace(rule, "user_id", "id", 1) + "}}}", 2, "tools.b.requireRole", "members, user_id and role"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := ParseGates("gates.json", []byte(test.text))
			if err == nil {
				t.Fatalf("read as %+v", g)
			}
			e, ok := errors.AsType[*SpecError](err)
			if !ok || e.Line != test.line || e.Field != test.field || !strings.Contains(e.Message, test.say) {
				t.Errorf("%v; want line %d, %s, %q", err, test.line, test.field, test.say)
			}
			if !strings.HasPrefix(err.Error(), fmt.Sprintf("INVALID_SPEC: gates.json line %d", test.line)) {
				t.Errorf("%v does not begin with code, file and line", err)
			}
		})
	}
}

func TestAllMistakesAreNamedAtOnce(t *testing.T) {
	_, err := ParseGates("g", []byte(gatesWith(`{"requireAuth":1,"requireRole":{"table":"a b","allowed":[]}}`)))
	for _, want := range []string{"requireAuth:", "table:", "allowed:", "idColumn is missing", "roleColumn is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestTheNearestGateSaysItAll(t *testing.T) {
	g, err := ParseGates("g", []byte(`{"$schema":"x","tools":{"*":{"requireAuth":true},
		"admin":{"requireRole":`+rule+`},"admin_query_table":{"requireAuth":true},"whoami":{"requireAuth":false}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		tool, toolset string
		role, auth    bool
	}{
		"its own, less than its toolset's": {"admin_query_table", "admin", false, true},
		"its toolset's":                    {"admin_sql", "admin", true, false},
		"everyone's":                       {"query_table", "data", false, true},
		"its own, nothing":                 {"whoami", "data", false, false},
	} {
		got := g.For(test.tool, test.toolset)
		if (got.RequireRole != nil) != test.role || got.RequireAuth != test.auth {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if !g.Opens("admin") || g.Opens("admin_sql") {
		t.Error("a gate opens what it names and no more")
	}
	if src, ttl, ok := g.Roles(); !ok || src.Table != "members" || ttl != time.Minute {
		t.Errorf("roles from %v within %v, %v", src, ttl, ok)
	}
	var none *Gates
	if _, _, ok := none.Roles(); ok || !none.For("a", "b").Open() || none.Opens("*") || none.Names() != nil {
		t.Error("no gates are gates")
	}
}

func FuzzParseGates(f *testing.F) {
	f.Add([]byte(gatesWith(`{"requireRole":` + rule + `}`)))
	f.Add([]byte(`{"tools":{"*":{"require_auth":true}}}`))
	f.Add([]byte("{\"tools\"\n:{\"a\":[1,{\"b\":null}]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := ParseGates("f", text)
		if err != nil {
			if e, ok := errors.AsType[*SpecError](err); !ok || e.Line < 1 || e.Line > 1+strings.Count(string(text), "\n") {
				t.Errorf("%v of %d lines", err, 1+strings.Count(string(text), "\n"))
			}
			return
		}
		for _, name := range g.Names() {
			if rule := g.For(name, "").RequireRole; rule != nil &&
				(!identifier.MatchString(rule.Table) || len(rule.Allowed) == 0 || rule.CacheTTL < 0 || rule.CacheTTL > maxCacheTTL) {
				t.Errorf("%q gave %+v", text, rule)
			}
		}
	})
}
