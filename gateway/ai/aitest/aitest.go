// Package aitest is a server that speaks OpenAI's API, for tests. It holds every request, and every answer that is meant
// to be right, to the schemas of that API's public OpenAPI document, a part of which is in testdata. It has no model:
// it answers translations with the text and its language, and finds harm where a text says "kill".
package aitest

import (
	"bytes"
	_ "embed" // for the document
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed testdata/openai.json
var document []byte

// Key is the one that the server takes.
const Key = "sk-aitest-0123456789"

// Models that the server has.
const (
	ChatModel       = "gpt-test"
	ModerationModel = "omni-moderation-latest"
	ImageModel      = "gpt-image-2"
)

// Fault answers a request in place of the server.
type Fault func(w http.ResponseWriter, r *http.Request)

// refusal is in texts that are to be refused, for clients in other processes.
var refusal = regexp.MustCompile(`\(refuse ([45]\d\d) (\w+)\)`)

// Server is the server. BaseURL is what clients are given.
type Server struct {
	BaseURL string

	t        testing.TB
	compiler *jsonschema.Compiler

	mu       sync.Mutex
	faults   []Fault
	requests []string // paths
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, compiler: jsonschema.NewCompiler()}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := s.compiler.AddResource("openai.json", doc); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.BaseURL = server.URL + "/v1"
	return s
}

// Next has the next requests answered by faults, one each, before the server answers again by itself.
func (s *Server) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// Requests returns the paths that were asked for since the last call.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("aitest: read a request: %v", err)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1")
	s.mu.Lock()
	s.requests = append(s.requests, path)
	var fault Fault
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	answers := map[string]func([]byte) any{
		"POST /chat/completions": s.complete, "POST /moderations": s.moderate, "POST /images/generations": s.paint,
		"GET /models": s.models,
	}
	answer, known := answers[r.Method+" "+path]
	if !ok || !known {
		s.t.Errorf("aitest: a request that the document does not have: %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
		return
	}
	operation := "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(r.Method)
	if r.Method == http.MethodPost {
		if kind := r.Header.Get("Content-Type"); kind != "application/json" {
			s.t.Errorf("aitest: %s: a body of type %q", path, kind)
		}
		s.hold(operation+"/requestBody/content/application~1json/schema", body)
	}
	if asked := refusal.FindSubmatch(body); fault == nil && asked != nil {
		status, _ := strconv.Atoi(string(asked[1])) // three digits are a number
		fault = Status(status, string(asked[2]))
	}
	if fault != nil {
		fault(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+Key {
		Status(http.StatusUnauthorized, "invalid_api_key")(w, r)
		return
	}
	out, err := json.Marshal(answer(body))
	if err != nil {
		s.t.Errorf("aitest: %v", err)
		return
	}
	s.hold(operation+"/responses/200/content/application~1json/schema", out)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out) // the client may be gone
}

// hold holds a body to a schema of the document.
func (s *Server) hold(pointer string, body []byte) {
	s.mu.Lock()
	schema, err := s.compiler.Compile("openai.json#" + pointer)
	s.mu.Unlock()
	if err != nil {
		s.t.Errorf("aitest: %s: %v", pointer, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		s.t.Errorf("aitest: not as the document wants it: %s: %v\n%s", pointer, err, body)
	}
}

type chatRequest struct {
	Model    string
	Messages []struct{ Role, Content string }
	Format   struct {
		Schema struct {
			Name   string
			Strict bool
			Schema any
		} `json:"json_schema"`
	} `json:"response_format"`
}

func (s *Server) complete(body []byte) any {
	var in chatRequest
	var about struct{ Text, To string }
	if err := json.Unmarshal(body, &in); err != nil || len(in.Messages) != 2 || !in.Format.Schema.Strict ||
		json.Unmarshal([]byte(in.Messages[1].Content), &about) != nil {
		s.t.Errorf("aitest: a chat that no helper has: %s", body)
	}
	var answer any = map[string]any{"from": "en", "text": "[" + about.To + "] " + about.Text}
	if in.Format.Schema.Name == "moderation" {
		scores := map[string]float64{}
		for _, name := range []string{"harassment", "hate", "illicit", "self-harm", "sexual", "sexual/minors", "violence"} {
			scores[name] = 0.01
		}
		if strings.Contains(about.Text, "kill") {
			scores["violence"] = 0.9
		}
		answer = scores
	}
	content, err := json.Marshal(answer)
	if err != nil {
		s.t.Errorf("aitest: %v", err)
	}
	s.holdStrict(in.Format.Schema.Schema, content)
	return completion(in.Model, string(content), "stop")
}

// holdStrict holds the content of an answer to the schema that it was asked for.
func (s *Server) holdStrict(schema any, content []byte) {
	c := jsonschema.NewCompiler()
	if err := c.AddResource("strict.json", schema); err != nil {
		s.t.Errorf("aitest: %v", err)
		return
	}
	compiled, err := c.Compile("strict.json")
	if err != nil {
		s.t.Errorf("aitest: %v", err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err == nil {
		err = compiled.Validate(value)
	}
	if err != nil {
		s.t.Errorf("aitest: the schema that was asked for does not take the answer: %v", err)
	}
}

func completion(model, content, finish string) any {
	return map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finish, "logprobs": nil,
			"message": map[string]any{"role": "assistant", "content": content, "refusal": nil},
		}},
	}
}

// categories are those of the document.
var categories = strings.Fields(`hate hate/threatening harassment harassment/threatening illicit illicit/violent self-harm
	self-harm/intent self-harm/instructions sexual sexual/minors violence violence/graphic`)

func (s *Server) moderate(body []byte) any {
	var in struct{ Input, Model string }
	if err := json.Unmarshal(body, &in); err != nil {
		s.t.Errorf("aitest: %v", err)
	}
	harm := strings.Contains(in.Input, "kill")
	flags, scores, kinds := map[string]any{}, map[string]any{}, map[string]any{}
	for _, name := range categories {
		flags[name], scores[name], kinds[name] = harm && name == "violence", 0.001, []string{"text"}
	}
	if harm {
		scores["violence"] = 0.97
	}
	return map[string]any{"id": "modr-1", "model": ModerationModel, "results": []any{map[string]any{
		"flagged": harm, "categories": flags, "category_scores": scores, "category_applied_input_types": kinds,
	}}}
}

func (s *Server) paint(body []byte) any {
	var in struct{ Size string }
	if err := json.Unmarshal(body, &in); err != nil {
		s.t.Errorf("aitest: %v", err)
	}
	var wide, high int
	if _, err := fmt.Sscanf(in.Size, "%dx%d", &wide, &high); err != nil {
		s.t.Errorf("aitest: the size %q: %v", in.Size, err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, wide, high))); err != nil {
		s.t.Errorf("aitest: %v", err)
	}
	return map[string]any{
		"created": 1, "data": []any{map[string]any{"b64_json": base64.StdEncoding.EncodeToString(out.Bytes())}},
	}
}

func (s *Server) models([]byte) any {
	var list []any
	for _, name := range []string{ChatModel, ModerationModel, ImageModel} {
		list = append(list, map[string]any{"id": name, "object": "model", "created": 1, "owned_by": "aitest"})
	}
	return map[string]any{"object": "list", "data": list}
}
