package tools

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/hostedtest"
)

func gates(t testing.TB, text string) *auth.Gates {
	t.Helper()
	g, err := auth.ParseGates("gates.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const (
	leads = `{"requireRole":{"table":"members","idColumn":"id","roleColumn":"role","allowed":["lead"],"cacheTtl":0}}`
	users = `{"requireAuth":true}`
)

// roles is a table of application roles by user.
type roles struct {
	mu  sync.Mutex
	of  map[string]string
	err error
}

func (r *roles) lookup(_ context.Context, _ auth.RoleSource, id string) (string, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	role, ok := r.of[id]
	return role, ok, r.err
}

type callerKey struct{}

// gated is a set behind gates, whose caller is named by the context: "" is nobody.
func gated(text string, shared bool, r *roles, ledger Audit) func(*testing.T, *hostedtest.Gateway) *Set {
	return func(t *testing.T, g *hostedtest.Gateway) *Set {
		t.Helper()
		return newSet(t, g, func(o *Options) {
			o.Gates, o.Shared, o.Audit, o.Gatekeeper = gates(t, text), shared, ledger, auth.NewGatekeeper(r.lookup)
			token := g.Token("authenticated")
			o.Callers = func(ctx context.Context) (auth.Caller, error) {
				id, _ := ctx.Value(callerKey{}).(string)
				if id == "" {
					return auth.AnonymousCaller(ctx)
				}
				return auth.Caller{
					Token: token, ID: id, Role: "authenticated", ProjectID: hostedtest.ProjectID, Verified: id != "unverified",
				}, nil
			}
		})
	}
}

// called by one caller: everything after the transport.
func (s *Set) calledBy(t *testing.T, id, tool, args string) answered {
	t.Helper()
	as := *s
	callers := s.o.Callers
	as.o.Callers = func(ctx context.Context) (auth.Caller, error) {
		return callers(context.WithValue(ctx, callerKey{}, id))
	}
	return call(t, &as, tool, args)
}

func (s *Set) listedBy(t *testing.T, id string) []string {
	t.Helper()
	as := *s
	callers := s.o.Callers
	as.o.Callers = func(ctx context.Context) (auth.Caller, error) {
		return callers(context.WithValue(ctx, callerKey{}, id))
	}
	list, _ := listTools(t, newServer(&as))
	var names []string
	for _, tool := range list {
		names = append(names, tool.Name)
	}
	return names
}

func dataNames() []string {
	return []string{"delete_rows", "describe_tables", "insert_rows", "query_table", "update_rows", "whoami"}
}

func TestOverHTTPOnlyWhatAGateNamesIsOpenedBesideData(t *testing.T) {
	for name, test := range map[string]struct {
		gates    string
		toolsets []string
		more     []string // beside the toolset data
	}{
		"everyone's gate opens nothing": {`{"tools":{"*":` + leads + `}}`, nil, nil},
		"one tool":                      {`{"tools":{"admin_sql":` + leads + `}}`, nil, []string{"admin_sql"}},
		"a toolset": {
			`{"tools":{"admin":` + leads + `}}`, nil,
			[]string{"admin_delete_rows", "admin_describe_tables", "admin_insert_rows", "admin_query_table", "admin_sql", "admin_update_rows"},
		},
		"a toolset that is left out":   {`{"tools":{"admin":` + leads + `}}`, []string{"data"}, nil},
		"a toolset asked for by name":  {`{"tools":{"admin_sql":` + leads + `}}`, []string{"data", "admin"}, []string{"admin_sql"}},
		"a gate of data opens no more": {`{"tools":{"data":` + users + `,"query_table":` + leads + `}}`, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := newBackend(hostedtest.Hosted)
			s := newSet(t, g, func(o *Options) {
				o.Gates, o.Shared, o.Toolsets = gates(t, test.gates), true, test.toolsets
				o.Gatekeeper = auth.NewGatekeeper((&roles{}).lookup)
			})
			want := slices.Sorted(slices.Values(append(dataNames(), test.more...)))
			if diff := cmp.Diff(want, s.Names()); diff != "" {
				t.Errorf("tools (-want +got):\n%s", diff)
			}
		})
	}
	if s := newSet(t, newBackend(hostedtest.Hosted), func(o *Options) { o.Shared = true }); !slices.Equal(s.Names(), dataNames()) {
		t.Errorf("without gates: %v", s.Names())
	}
}

func TestGatesThatCannotBeMeant(t *testing.T) {
	for name, test := range map[string]struct {
		gates    string
		shared   bool
		toolsets []string
		want     []string
	}{
		"a name that does not exist": {
			"{\"tools\":{\n\"admin_sqll\":" + users + "}}", false, nil,
			[]string{"INVALID_SPEC", "gates.json line 2", "tools.admin_sqll", "choose from *, data, admin", "admin_sql"},
		},
		"admin for whoever signs in": {
			"{\"tools\":{\n\"admin\":" + users + "}}", true, nil, []string{"line 2", "tools.admin", "requireRole"},
		},
		"one admin tool for everyone": {
			"{\"tools\":{\"admin\":" + leads + ",\n\"admin_query_table\":{\"requireAuth\":false}}}", true, nil,
			[]string{"line 2", "tools.admin_query_table", "requireRole"},
		},
		"reading mail for whoever signs in": {
			"{\"tools\":{\n\"get_email\":" + users + "}}", true, nil, []string{"line 2", "tools.get_email", "requireRole"},
		},
		"all of mail for whoever signs in": {
			"{\"tools\":{\n\"email\":" + users + "}}", true, nil, []string{"line 2", "tools.email", "list_emails", "requireRole"},
		},
		"a toolset that no gate opens": {
			`{"tools":{"*":` + leads + `}}`, true, []string{"data", "admin"}, []string{"toolset admin", "gates file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{
				Client: newClient(t, newBackend(hostedtest.Hosted)), Callers: auth.AnonymousCaller, CallerPlane: true, AdminPlane: true,
				Gates: gates(t, test.gates), Gatekeeper: auth.NewGatekeeper(nil), Shared: test.shared, Toolsets: test.toolsets,
			})
			if err == nil {
				t.Fatal("made")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
	_, err := New(Options{
		Client: newClient(t, newBackend(hostedtest.Hosted)), Callers: auth.AnonymousCaller,
		Gates: gates(t, `{"tools":{"*":`+leads+`}}`),
	})
	if err == nil {
		t.Error("made without a gatekeeper")
	}
}

// ledger keeps events.
type ledger struct {
	mu     sync.Mutex
	events []Event
}

func (l *ledger) Record(_ context.Context, e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func TestAToolIsHeldToItsGateBeforeItsArguments(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	r, l := &roles{of: map[string]string{"ana": "lead", "ben": "member"}}, &ledger{}
	s := gated(`{"tools":{"query_table":`+users+`,"admin":`+leads+`}}`, true, r, l)(t, g)
	for _, test := range []struct{ who, tool, code string }{
		{"", "query_table", "AUTHENTICATION_REQUIRED"},
		{"ana", "query_table", ""},
		{"ben", "query_table", ""},
		{"unverified", "query_table", "GATE_UNAVAILABLE"},
		{"", "admin_query_table", "AUTHENTICATION_REQUIRED"},
		{"ana", "admin_query_table", ""},
		{"ben", "admin_query_table", "ROLE_FORBIDDEN"},
		{"zoe", "admin_query_table", "ROLE_FORBIDDEN"},
		{"unverified", "admin_query_table", "GATE_UNAVAILABLE"},
		{"", "whoami", ""},
	} {
		before, args := len(g.Requests()), `{"table":"items"}`
		if test.tool == "whoami" {
			args = `{}`
		}
		got := s.calledBy(t, test.who, test.tool, args)
		if got.isError != (test.code != "") || got.body.Error.Code != test.code {
			t.Errorf("%q calls %s: %s", test.who, test.tool, got.text)
		}
		if want := test.code == "ROLE_FORBIDDEN"; want != slices.Equal(got.body.Error.AllowedRoles, []string{"lead"}) {
			t.Errorf("%q calls %s: allowed roles %v", test.who, test.tool, got.body.Error.AllowedRoles)
		}
		outcome := l.events[len(l.events)-1]
		if want := test.code; outcome.Outcome != want && want != "" || outcome.Tool != test.tool || want == "" && outcome.Outcome != "ok" {
			t.Errorf("audit %+v", outcome)
		}
		if test.code != "" && len(g.Requests()) != before {
			t.Errorf("%q calls %s: requests were sent", test.who, test.tool)
		}
		if strings.Contains(got.text, "key was refused") {
			t.Errorf("%q calls %s: the gate is taken for the backend: %s", test.who, test.tool, got.text)
		}
		if test.code != "" { // and learns nothing of what is behind
			if again := s.calledBy(t, test.who, test.tool, `{"tabel":1}`); again.body.Error.Code != test.code {
				t.Errorf("%q calls %s badly: %s", test.who, test.tool, again.text)
			}
		}
	}
	r.err = errors.New("down")
	if got := s.calledBy(t, "ana", "admin_query_table", `{"table":"items"}`); got.body.Error.Code != "GATE_UNAVAILABLE" || !got.body.Error.Retryable {
		t.Errorf("a lookup that fails: %s", got.text)
	}
}

func TestWhoMayNeverUseAToolIsNotShownIt(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	r := &roles{of: map[string]string{"ana": "lead", "ben": "member"}}
	s := gated(`{"tools":{"*":`+users+`,"admin_sql":`+leads+`}}`, true, r, nil)(t, g)
	all := slices.Sorted(slices.Values(append(dataNames(), "admin_sql")))
	for who, want := range map[string][]string{"": all, "ana": all, "ben": dataNames(), "zoe": dataNames(), "unverified": all} {
		if diff := cmp.Diff(want, s.listedBy(t, who)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", who, diff)
		}
	}
	r.err = errors.New("down")
	if got := s.listedBy(t, "ben"); !slices.Equal(got, all) {
		t.Errorf("while roles cannot be read: %v", got)
	}
	r.err = nil
	r.of["ben"] = "lead"
	if got := s.listedBy(t, "ben"); !slices.Equal(got, all) {
		t.Errorf("once he is a lead: %v", got)
	}
}

func TestOnStdioGatesNarrow(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	g.Table("items", `{"id":1}`)
	s := gated(`{"tools":{"admin":`+users+`,"admin_sql":`+leads+`}}`, false, &roles{of: map[string]string{"ben": "member"}}, nil)(t, g)
	if without := newSet(t, g, nil); !slices.Equal(s.Names(), without.Names()) {
		t.Errorf("tools %v", s.Names())
	}
	for _, test := range []struct{ who, tool, code string }{
		{"", "query_table", ""}, {"", "admin_query_table", "AUTHENTICATION_REQUIRED"}, {"ben", "admin_query_table", ""},
	} {
		if got := s.calledBy(t, test.who, test.tool, `{"table":"items"}`); got.body.Error.Code != test.code {
			t.Errorf("%q calls %s: %s", test.who, test.tool, got.text)
		}
	}
	if got := s.calledBy(t, "ben", "admin_sql", `{"sql":"select 1"}`); got.body.Error.Code != "ROLE_FORBIDDEN" {
		t.Errorf("%s", got.text)
	}
}

func TestWhoamiKeepsTheApplicationsRoleApart(t *testing.T) {
	g := newBackend(hostedtest.Hosted)
	s := gated(`{"tools":{"admin_sql":`+leads+`}}`, true, &roles{of: map[string]string{"ana": "lead", "ben": "member"}}, nil)(t, g)
	for who, want := range map[string]string{
		"ana": `"system_role":"authenticated","app_role":"lead","verified":true,"verified_by":"server","project_id":"` + hostedtest.ProjectID +
			`","backend":"a test","planes":["caller","admin"],"toolsets":["data","admin"]`,
		"ben": `"system_role":"authenticated","app_role":"member","verified":true,"verified_by":"server","project_id":"` + hostedtest.ProjectID +
			`","backend":"a test","planes":["caller"],"toolsets":["data"]`,
		"":    `{"user":null,"system_role":"anon","verified":false`,
		"zoe": `{"user":{"id":"zoe","role":"authenticated","email":""},"system_role":"authenticated","verified":true`,
	} {
		if got := s.calledBy(t, who, "whoami", `{}`); !strings.Contains(got.text, want) {
			t.Errorf("%q: %s\nwant %s", who, got.text, want)
		}
	}
}

func TestAWhoamiGateOfItsOwnHolds(t *testing.T) {
	s := gated(`{"tools":{"whoami":`+users+`}}`, true, &roles{}, nil)(t, newBackend(hostedtest.Hosted))
	if got := s.calledBy(t, "", "whoami", `{}`); got.body.Error.Code != "AUTHENTICATION_REQUIRED" {
		t.Errorf("%s", got.text)
	}
}

func BenchmarkGatedCall(b *testing.B) {
	for name, text := range map[string]string{"no gate": `{"tools":{"admin":` + leads + `}}`, "role": `{"tools":{"*":` + leads + `}}`} {
		b.Run(name, func(b *testing.B) {
			g := newBackend(hostedtest.Hosted)
			g.Table("items", `{"id":1}`)
			s := newSet(b, g, func(o *Options) {
				asUser(g)(o)
				o.Gates, o.Gatekeeper = gates(b, text), auth.NewGatekeeper((&roles{of: map[string]string{"user-1": "lead"}}).lookup)
			})
			m := newServer(s)
			params := map[string]any{"name": "query_table", "arguments": map[string]string{"table": "items"}}
			for b.Loop() {
				if got := rpc(b, m, "tools/call", params); !strings.Contains(string(got), `"rows"`) {
					b.Fatal(string(got))
				}
			}
		})
	}
}
