package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
)

// Nobody, ana and ben each have a server on one project, and each sees what is theirs.
func TestEachCallerSeesOnlyTheirRows(t *testing.T) {
	t.Parallel()
	nobody := shared.agent(t)
	ana, ben := shared.agent(t, shared.as(t, "ana.rows@example.com")), shared.agent(t, shared.as(t, "ben.rows@example.com"))

	for who, a := range map[string]*agent{"ana": ana, "ben": ben} {
		in := a.call(t, "insert_rows", args{"table": "notes", "rows": []args{{"text": marker + " of " + who}}})
		if got := in.column("text"); !cmp.Equal(got, []string{marker + " of " + who}) {
			t.Errorf("%s wrote %v", who, got)
		}
	}
	all := args{"table": "notes", "order": "id"}
	if got := ana.call(t, "query_table", all).column("text"); !cmp.Equal(got, []string{marker + " of ana"}) {
		t.Errorf("ana sees %v", got)
	}
	if got := ben.call(t, "query_table", all).column("text"); !cmp.Equal(got, []string{marker + " of ben"}) {
		t.Errorf("ben sees %v", got)
	}
	none := nobody.call(t, "query_table", all)
	if len(none.Rows) != 0 || !strings.Contains(none.Notice, "role anon") {
		t.Errorf("nobody sees %s", none.Text)
	}

	t.Run("nor can one touch another's", func(t *testing.T) {
		his := args{"table": "notes", "filters": []args{{"column": "text", "value": marker + " of ben"}}}
		if got := ana.call(t, "delete_rows", his); *got.Affected != 0 {
			t.Errorf("ana deleted ben's: %s", got.Text)
		}
		his["set"] = args{"text": marker + " of ana now"}
		if got := ana.call(t, "update_rows", his); *got.Affected != 0 {
			t.Errorf("ana updated ben's: %s", got.Text)
		}
	})
	t.Run("nor write in another's name", func(t *testing.T) {
		id := ben.call(t, "query_table", all).column("owner")[0]
		refusal := ana.refused(t, "insert_rows", args{"table": "notes", "rows": []args{{"owner": id, "text": marker}}}, "42501")
		if !strings.Contains(refusal.Error.NextStep, "polic") {
			t.Errorf("the refusal gives no next step: %s", refusal.Text)
		}
	})
	t.Run("while the admin plane sees them all, whoever the caller is", func(t *testing.T) {
		got := nobody.call(t, "admin_query_table", args{
			"table": "notes", "order": "text", "filters": []args{{"column": "text", "op": "like", "value": marker + " of %"}},
		})
		if diff := cmp.Diff([]string{marker + " of ana", marker + " of ben"}, got.column("text")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTokenFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) { // as a client that renews a token does: no reader sees half of it
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	a := shared.agent(t, "RUN402_USER_TOKEN_FILE="+path)
	refused := func(says string) {
		t.Helper()
		for _, tool := range []string{"whoami", "query_table", "insert_rows"} {
			arguments := map[string]args{
				"whoami": {}, "query_table": {"table": "notes"},
				"insert_rows": {"table": "notes", "rows": []args{{"text": marker}}},
			}[tool]
			out := a.refused(t, tool, arguments, "INVALID_TOKEN")
			if !strings.Contains(out.Error.Message, says) {
				t.Errorf("%s does not say %q: %s", tool, says, out.Text)
			}
		}
	}
	whoami := func() string {
		t.Helper()
		return a.call(t, "whoami", args{}).Text
	}

	refused("RUN402_USER_TOKEN_FILE") // it is not there yet
	write(shared.token(t, "ana.file@example.com"))
	if got := whoami(); !strings.Contains(got, `"email":"ana.file@example.com"`) {
		t.Errorf("ana is %s", got)
	}
	write(shared.token(t, "ben.file@example.com"))
	if got := whoami(); !strings.Contains(got, `"email":"ben.file@example.com"`) {
		t.Errorf("ben is %s", got)
	}
	write(expired(t, shared.project))
	refused("expired")
	write("not a token")
	refused("RUN402_USER_TOKEN_FILE")
	write("")
	refused("empty")
	write(shared.token(t, "ana.file@example.com"))
	if got := whoami(); !strings.Contains(got, `"email":"ana.file@example.com"`) {
		t.Errorf("ana, back again, is %s", got)
	}
}

// A token that has expired is an error that says so. It never makes its bearer anonymous, who may see more than they.
func TestExpiredTokenIsNeverAnonymous(t *testing.T) {
	t.Parallel()
	a := shared.agent(t, "RUN402_USER_TOKEN="+expired(t, shared.project))
	for tool, arguments := range map[string]args{
		"whoami": {}, "describe_tables": {}, "query_table": {"table": "notes"},
		"insert_rows": {"table": "notes", "rows": []args{{"text": marker}}},
		"update_rows": {"table": "notes", "set": args{"text": "x"}, "filters": []args{{"column": "id", "value": "1"}}},
		"delete_rows": {"table": "notes", "filters": []args{{"column": "id", "value": "1"}}},
	} {
		out := a.refused(t, tool, arguments, "INVALID_TOKEN")
		if !strings.Contains(out.Error.Message, "expired") || out.Error.NextStep == "" {
			t.Errorf("%s does not say that the token has expired and what to do: %s", tool, out.Text)
		}
	}
}

// A token of another project, or one signed with another secret, is refused too.
func TestForeignTokenIsRefused(t *testing.T) {
	t.Parallel()
	good := auth.Claims{
		Subject: "11111111-2222-4333-8444-555555555555", Role: "authenticated", Email: "eve@example.com",
		ProjectID: shared.keys["RUN402_PROJECT_ID"], Expires: time.Now().Add(time.Hour),
	}
	foreign, service := good, good
	foreign.ProjectID, service.Role = "prj_0000000000000000", "service_role"
	for name, token := range map[string]string{
		"forged":             sign(t, "another secret", good),
		"of another project": sign(t, shared.keys["RUN402_JWT_SECRET"], foreign),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := shared.agent(t, "RUN402_USER_TOKEN="+token)
			a.refused(t, "query_table", args{"table": "notes"}, "INVALID_TOKEN")
		})
	}
	t.Run("of the service role", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(sign(t, shared.keys["RUN402_JWT_SECRET"], service)), 0o600); err != nil {
			t.Fatal(err)
		}
		a := shared.agent(t, "RUN402_USER_TOKEN_FILE="+path)
		a.refused(t, "query_table", args{"table": "notes"}, "INVALID_TOKEN")
	})
}

func expired(t *testing.T, p *project) string {
	t.Helper()
	return sign(t, p.keys["RUN402_JWT_SECRET"], auth.Claims{
		Subject: "11111111-2222-4333-8444-555555555555", Role: "authenticated", Email: "late@example.com",
		ProjectID: p.keys["RUN402_PROJECT_ID"], Expires: time.Now().Add(-time.Hour),
	})
}

func sign(t *testing.T, secret string, c auth.Claims) string {
	t.Helper()
	token, err := auth.Sign([]byte(secret), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
