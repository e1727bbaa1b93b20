package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// gatesFile writes a gates file, whose path it returns.
func gatesFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gates.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// subject is whose token it is.
func subject(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct{ Sub string }
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Sub == "" {
		t.Fatalf("the token says nothing: %v", err)
	}
	return claims.Sub
}

// visitor calls one server over HTTP, in the revision without sessions.
type visitor struct{ base, token string }

// ask sends one request and returns the answer.
func (v visitor) ask(t *testing.T, method, name string, arguments any) string {
	t.Helper()
	params := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method},
	}
	if name != "" {
		params["name"], params["arguments"] = name, arguments
		header.Set("Mcp-Name", name)
	}
	if v.token != "" {
		header.Set("Authorization", "Bearer "+v.token)
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	_, text := fetch(t, http.MethodPost, v.base+"/mcp", string(body), header)
	return text
}

func (v visitor) call(t *testing.T, name string, arguments any) reply {
	t.Helper()
	var message struct {
		Result struct {
			IsError           bool
			StructuredContent json.RawMessage
		}
	}
	text := v.ask(t, "tools/call", name, arguments)
	if err := json.Unmarshal([]byte(text), &message); err != nil || message.Result.StructuredContent == nil {
		t.Errorf("%s answers %s", name, text)
		return reply{}
	}
	r := reply{IsError: message.Result.IsError, Text: string(message.Result.StructuredContent)}
	if err := json.Unmarshal(message.Result.StructuredContent, &r); err != nil {
		t.Error(err)
	}
	return r
}

func (v visitor) sees(t *testing.T, tool string) bool {
	t.Helper()
	return strings.Contains(v.ask(t, "tools/list", "", nil), `"name":"`+tool+`"`)
}

// crew makes a table of roles that nobody can write from outside, with ana as a lead and ben as a member.
func crew(t *testing.T, table string) (ana, ben string) {
	t.Helper()
	ana, ben = shared.token(t, "ana.gates@example.com"), shared.token(t, "ben.gates@example.com")
	if err := adminSQL(fmt.Sprintf(`
		create table %[1]s (id uuid primary key, role text not null);
		alter table %[1]s enable row level security;
		create policy own on %[1]s for select using (id::text = auth.uid());
		insert into %[1]s values ('%[2]s', 'lead'), ('%[3]s', 'member')`, table, subject(t, ana), subject(t, ben))); err != nil {
		t.Fatal(err)
	}
	return ana, ben
}

func crewGates(table string, ttl int) string {
	return fmt.Sprintf(`{"tools":{"query_table":{"requireAuth":true},"admin_query_table":{"requireRole":
		{"table":%q,"idColumn":"id","roleColumn":"role","allowed":["lead"],"cacheTtl":%d}}}}`, table, ttl)
}

func listen(t *testing.T, gates string) (base string) {
	t.Helper()
	c := shared.run(t, []string{"serve", "--listen", "127.0.0.1:0"}, "RUN402_GATES="+gatesFile(t, gates))
	c.command = "serve --listen" // its standard output is for people
	base, err := c.address()
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestThreeCallersBehindGates(t *testing.T) {
	t.Parallel()
	const table = "crew_of_three"
	anaToken, benToken := crew(t, table)
	base := listen(t, crewGates(table, 0))
	ana, ben, nobody := visitor{base, anaToken}, visitor{base, benToken}, visitor{base, ""}
	rows := map[string]any{"table": table, "order": "role"}
	for _, test := range []struct {
		who        string
		by         visitor
		data, lead string // what they are answered
		shown      bool
	}{
		{"ana", ana, "", "", true},
		{"ben", ben, "", "ROLE_FORBIDDEN", false},
		{"nobody", nobody, "AUTHENTICATION_REQUIRED", "AUTHENTICATION_REQUIRED", true},
	} {
		if got := test.by.call(t, "query_table", rows); got.Error.Code != test.data || test.data == "" && len(got.Rows) != 1 {
			t.Errorf("%s: query_table: %s", test.who, got.Text)
		}
		if got := test.by.call(t, "admin_query_table", rows); got.Error.Code != test.lead || test.lead == "" && len(got.Rows) != 2 {
			t.Errorf("%s: admin_query_table: %s", test.who, got.Text)
		}
		if got := test.by.sees(t, "admin_query_table"); got != test.shown {
			t.Errorf("%s is shown admin_query_table: %v", test.who, got)
		}
		if test.by.sees(t, "admin_sql") {
			t.Errorf("%s is shown admin_sql, which no gate names", test.who)
		}
	}
	if got := ana.call(t, "whoami", nil); !strings.Contains(got.Text, `"app_role":"lead"`) || !strings.Contains(got.Text, `"planes":["caller","admin"]`) {
		t.Errorf("ana is %s", got.Text)
	}

	// A demotion is seen at once, for calls as for lists.
	if err := adminSQL("update " + table + " set role = 'member' where id = '" + subject(t, anaToken) + "'"); err != nil {
		t.Fatal(err)
	}
	if got := ana.call(t, "admin_query_table", rows); got.Error.Code != "ROLE_FORBIDDEN" || !strings.Contains(got.Text, `"allowed_roles":["lead"]`) {
		t.Errorf("after her demotion: %s", got.Text)
	}
	if ana.sees(t, "admin_query_table") {
		t.Error("after her demotion she is shown the tool")
	}
}

func TestADemotionIsSeenAfterTheCacheTTL(t *testing.T) {
	t.Parallel()
	const table = "crew_remembered"
	token, _ := crew(t, table)
	ana := visitor{listen(t, crewGates(table, 2)), token}
	rows := map[string]any{"table": table}
	if got := ana.call(t, "admin_query_table", rows); got.IsError {
		t.Fatalf("a lead: %s", got.Text)
	}
	if err := adminSQL("delete from " + table); err != nil {
		t.Fatal(err)
	}
	eventually(t, "she is refused", func() bool { return ana.call(t, "admin_query_table", rows).Error.Code == "ROLE_FORBIDDEN" })
}

func TestAThousandCallsOfThreeCallersNeverGetAnothersRows(t *testing.T) {
	t.Parallel()
	const table = "crew_of_many"
	anaToken, benToken := crew(t, table)
	base := listen(t, strings.Replace(crewGates(table, 60), `"query_table":{"requireAuth":true},`, "", 1))
	by := []visitor{{base, anaToken}, {base, benToken}, {base, ""}}
	ids := []string{subject(t, anaToken), subject(t, benToken)}
	var calls sync.WaitGroup
	var limit = make(chan struct{}, 60)
	for i := range 1000 {
		limit <- struct{}{}
		calls.Go(func() {
			defer func() { <-limit }()
			who := i % 3
			if i%2 == 0 {
				got := by[who].call(t, "admin_query_table", map[string]any{"table": table})
				if want := []string{"", "ROLE_FORBIDDEN", "AUTHENTICATION_REQUIRED"}[who]; got.Error.Code != want {
					t.Errorf("caller %d gets %s", who, got.Text)
				}
				return
			}
			got := by[who].call(t, "query_table", map[string]any{"table": table})
			want := []string{}
			if who < 2 {
				want = ids[who : who+1]
			}
			if got.IsError || !slices.Equal(got.column("id"), want) {
				t.Errorf("caller %d gets %s", who, got.Text)
			}
		})
	}
	calls.Wait()
}

func TestGatesThatCannotBeMeantRefuseToStart(t *testing.T) {
	t.Parallel()
	if err := adminSQL(`
		create table open_crew (id uuid primary key, role text not null);
		alter table open_crew enable row level security;
		create policy own on open_crew using (id::text = auth.uid())`); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		gates string
		want  []string
	}{
		"a field":  {"{\"tools\":{\n\"*\":{\"requireAuht\":true}}}", []string{"INVALID_SPEC", "line 2", "requireAuht", "requireAuth, requireRole"}},
		"a name":   {"{\"tools\":{\n\"query_tabel\":{\"requireAuth\":true}}}", []string{"INVALID_SPEC", "line 2", "query_tabel", "query_table"}},
		"a table":  {crewGates("no_crew", 0), []string{"DEPLOY_INVALID_ROLE_GATE", "no_crew"}},
		"a column": {crewGates("notes", 0), []string{"DEPLOY_INVALID_ROLE_GATE", "no column role"}},
		"roles that everyone gives himself": {
			crewGates("open_crew", 0), []string{"DEPLOY_INVALID_ROLE_GATE", `policy "own"`, "without looking at role"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := shared.serve(t, "RUN402_GATES="+gatesFile(t, test.gates))
			c.killed = true // its exit code is looked at here
			select {
			case <-c.ended:
			case <-time.After(time.Minute):
				t.Fatal("it goes on")
			}
			if code := c.cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("it ended with %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(c.stderr.text(), want) {
					t.Errorf("it does not say %q", want)
				}
			}
		})
	}
}
