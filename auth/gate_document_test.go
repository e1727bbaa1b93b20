package auth

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write docs/gates.schema.json anew")

const schemaFile = "../docs/gates.schema.json"

// What a gates file looks like to an editor. ParseGates is the judge; the two are held together below.
type (
	documentedFile struct {
		Schema string                    `json:"$schema,omitempty"`
		Tools  map[string]documentedGate `json:"tools" jsonschema:"description=Gates by the name of a tool or of a toolset; * is for all that have none. A tool's own gate comes before its toolset's and that before *; they are not merged."`
	}
	documentedGate struct {
		RequireAuth      bool            `json:"requireAuth,omitempty" jsonschema:"description=Somebody must have signed in. false alone lets everyone pass."`
		RequireAuthSnake bool            `json:"require_auth,omitempty" jsonschema:"description=Another spelling of requireAuth."`
		RequireRole      *documentedRule `json:"requireRole,omitempty" jsonschema:"description=Somebody must have signed in who has one of these roles in the application."`
		RequireRoleSnake *documentedRule `json:"require_role,omitempty" jsonschema:"description=Another spelling of requireRole."`
	}
	documentedRule struct {
		Table           string   `json:"table" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,description=The table that holds the roles; the same for all gates."`
		IDColumn        string   `json:"idColumn,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,description=Its column with the user's id."`
		IDColumnSnake   string   `json:"id_column,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,description=Another spelling of idColumn."`
		RoleColumn      string   `json:"roleColumn,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,description=Its column with the role."`
		RoleColumnSnake string   `json:"role_column,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,description=Another spelling of roleColumn."`
		Allowed         []string `json:"allowed" jsonschema:"minItems=1,minLength=1,description=The roles that may pass."`
		CacheTTL        int      `json:"cacheTtl,omitempty" jsonschema:"minimum=0,maximum=600,default=60,description=For how many seconds a role is remembered; 0 looks each time."`
		CacheTTLSnake   int      `json:"cache_ttl,omitempty" jsonschema:"minimum=0,maximum=600,description=Another spelling of cacheTtl."`
	}
)

func reflectDocument(t *testing.T) []byte {
	t.Helper()
	r := jsonschema.Reflector{DoNotReference: true, ExpandedStruct: true}
	s := r.Reflect(&documentedFile{})
	s.ID = ""
	one := uint64(1)
	tools, _ := s.Properties.Get("tools") // the tags cannot say it of a map
	tools.MinProperties, tools.AdditionalProperties.MinProperties = &one, &one
	s.Title = "Gates of functions-mcp: who may call which tool"
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestTheSchemaInTheDocsIsCurrent(t *testing.T) {
	want := reflectDocument(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("docs/gates.schema.json (go test ./auth -update writes it; -want +have):\n%s", diff)
	}
}

func TestTheSchemaAndTheParserAgree(t *testing.T) {
	document, err := validator.UnmarshalJSON(bytes.NewReader(reflectDocument(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("gates.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gates.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		gatesWith(`{"requireAuth":true}`):          true,
		gatesWith(`{"require_auth":false}`):        true,
		gatesWith(`{"requireRole":` + rule + `}`):  true,
		gatesWith(`{"require_role":` + rule + `}`): true,
		ruleWith(`{`, `{"cacheTtl":0,`):            true,
		ruleWith(`{`, `{"cache_ttl":600,`):         true,
		ruleWith(`idColumn`, `id_column`):          true,
		strings.Replace(gatesWith(`{"requireAuth":true}`), `{`, `{"$schema":"gates.schema.json",`, 1): true,
		`{}`:                                      false,
		`{"tools":{}}`:                            false,
		`{"tools":[]}`:                            false,
		gatesWith(`{}`):                           false,
		gatesWith(`null`):                         false,
		gatesWith(`{"requireAuth":1}`):            false,
		gatesWith(`{"requireAuht":true}`):         false,
		ruleWith(`{`, `{"cacheTtl":601,`):         false,
		ruleWith(`{`, `{"cacheTtl":1.5,`):         false,
		ruleWith(`{`, `{"onDeny":"x",`):           false,
		ruleWith(`"members"`, `"public.members"`): false,
		ruleWith(`"role"`, `""`):                  false,
		ruleWith(`["admin"]`, `[]`):               false,
		ruleWith(`["admin"]`, `[""]`):             false,
		ruleWith(`"table":"members",`, ``):        false,
	} {
		value, err := validator.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		bySchema := schema.Validate(value)
		_, byParser := ParseGates("f", []byte(text))
		if (bySchema == nil) != valid || (byParser == nil) != valid {
			t.Errorf("%s\nschema: %v\nparser: %v\nwant valid: %v", text, bySchema, byParser, valid)
		}
	}
}
