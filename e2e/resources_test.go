package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

// read returns the text of a resource.
func (a *agent) read(t *testing.T, uri string) (string, error) {
	t.Helper()
	request := mcp.ReadResourceRequest{}
	request.Params.URI = uri
	result, err := a.ReadResource(t.Context(), request)
	if err != nil {
		return "", err
	}
	if len(result.Contents) != 1 {
		t.Fatalf("%s has %d contents", uri, len(result.Contents))
	}
	text, ok := result.Contents[0].(mcp.TextResourceContents)
	if !ok || text.URI != uri || text.MIMEType != "application/json" {
		t.Fatalf("%s is %+v", uri, result.Contents[0])
	}
	return text.Text, nil
}

// complete returns what a table's name may go on with.
func (a *agent) complete(t *testing.T, begins string) []string {
	t.Helper()
	request := mcp.CompleteRequest{}
	request.Params.Ref = mcp.ResourceReference{Type: "ref/resource", URI: "run402://tables/{table}"}
	request.Params.Argument = mcp.CompleteArgument{Name: "table", Value: begins}
	result, err := a.Complete(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return result.Completion.Values
}

// The resources show what the tools show: what this caller may see.
func TestResourcesAreTheCallers(t *testing.T) {
	t.Parallel()
	guarded, open := table(t, "id int primary key, words text"), table(t, "id int primary key")
	fill(t, "alter table "+guarded+" enable row level security; "+
		"create policy p on "+guarded+" to authenticated using (true); revoke all on "+guarded+" from anon; "+
		"comment on table "+guarded+" is 'only for those who are signed in'")
	nobody, ana := shared.agent(t), shared.agent(t, shared.as(t, "ana.reads@example.com"))

	t.Run("are listed", func(t *testing.T) {
		t.Parallel()
		list, err := ana.ListResources(t.Context(), mcp.ListResourcesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var uris []string
		for _, r := range list.Resources {
			uris = append(uris, r.URI)
		}
		if diff := cmp.Diff([]string{"run402://project", "run402://tables"}, uris); diff != "" {
			t.Error(diff)
		}
		templates, err := ana.ListResourceTemplates(t.Context(), mcp.ListResourceTemplatesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		got := templates.ResourceTemplates
		if len(got) != 1 || got[0].URITemplate.Raw() != "run402://tables/{table}" {
			t.Errorf("the templates are %+v", got)
		}
	})
	t.Run("project", func(t *testing.T) {
		t.Parallel()
		for want, a := range map[string]*agent{`"signed_in":false`: nobody, `"email":"ana.reads@example.com"`: ana} {
			got, err := a.read(t, "run402://project")
			if err != nil || !strings.Contains(got, want) || !strings.Contains(got, shared.keys["RUN402_PROJECT_ID"]) {
				t.Errorf("want %s, got %s %v", want, got, err)
			}
		}
	})
	t.Run("tables", func(t *testing.T) {
		t.Parallel()
		for who, a := range map[string]*agent{"nobody": nobody, "ana": ana} {
			text, err := a.read(t, "run402://tables")
			if err != nil {
				t.Fatal(err)
			}
			var list []struct{ Name, URI string }
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range list {
				names = append(names, e.Name)
				if e.URI != "run402://tables/"+e.Name {
					t.Errorf("%s is at %s", e.Name, e.URI)
				}
			}
			if sees := slices.Contains(names, guarded); sees != (who == "ana") {
				t.Errorf("%s sees %v", who, names)
			}
			if slices.Contains(names, open) {
				t.Errorf("%s sees a table without row level security", who)
			}
			completions := a.complete(t, guarded[:len(guarded)-1])
			if slices.Contains(completions, guarded) != (who == "ana") {
				t.Errorf("%s gets the completions %v", who, completions)
			}
		}
	})
	t.Run("a table", func(t *testing.T) {
		t.Parallel()
		got, err := ana.read(t, "run402://tables/"+guarded)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"words"`, "only for those who are signed in", `"rls_enabled":true`, `"using_expression"`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("it does not say %s: %s", want, got)
			}
		}
	})
	t.Run("what is not there or not theirs is not found", func(t *testing.T) {
		t.Parallel()
		for uri, a := range map[string]*agent{
			"run402://tables/nowhere": ana, "run402://tables/" + guarded: nobody, "run402://tables/" + open: ana,
			"run402://tables/..%2fproject": ana, "run402://tables/%27%3b": ana, "run402://secrets": ana,
		} {
			text, err := a.read(t, uri)
			if err == nil || !strings.Contains(err.Error(), "not found") || strings.Contains(err.Error(), "words") {
				t.Errorf("%s: %s %v", uri, text, err)
			}
		}
	})
}
