package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// model stands in for an agent's model. It keeps no state of a conversation: how many results are in a request says
// what comes next in its script.
type model struct {
	server *httptest.Server
	script []call
	mu     sync.Mutex
	shown  []string // the results in the longest conversation
	failed error
}

// call is of a tool.
type call struct {
	tool string // as our server names it
	args string // JSON
}

// dialect is an API that models are reached by.
type dialect interface {
	// results are those that a request tells the model of, in order; ok is whether it offers the model tools at all.
	results(body []byte) (shown []string, ok bool, err error)
	// say and call write a whole answer: a text, or a call of a tool, with an id that n makes unique.
	say(w io.Writer, text string) error
	call(w io.Writer, n int, c call) error
}

// newModel starts a model that reads the tickets, adds one, and says that it is done.
func (s *seat) newModel() *model {
	m := &model{script: []call{{"query_table", s.queryArgs()}, {"insert_rows", s.insertArgs()}}}
	mux := http.NewServeMux()
	for path, d := range map[string]dialect{
		"/v1/messages": messages{}, "/v1/responses": responses{}, "/v1/chat/completions": completions{},
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { m.answer(w, r, d) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { // lists of models, counts of tokens
		_, _ = io.WriteString(w, "{}")
	})
	m.server = httptest.NewServer(mux)
	return m
}

func (m *model) answer(w http.ResponseWriter, r *http.Request, d dialect) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var shown []string
	tools := false
	if err == nil {
		shown, tools, err = d.results(body)
	}
	if err != nil {
		m.failed = fmt.Errorf("%s: %w", r.URL.Path, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if !tools { // it asks for a title, or the like
		_ = d.say(w, "tickets") // a client that has gone needs no answer
		return
	}
	if len(shown) > len(m.shown) {
		m.shown = shown
	}
	if n := len(shown); n < len(m.script) {
		_ = d.call(w, n, m.script[n])
		return
	}
	_ = d.say(w, "done")
}

// end stops the model and returns what it was shown.
func (m *model) end() ([]string, error) {
	m.server.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown, m.failed
}

// object is JSON to be written.
type object map[string]any

// events writes server-sent events, each named as its type says.
func events(w io.Writer, list ...object) error {
	for _, data := range list {
		text, err := json.Marshal(data)
		if err != nil {
			return err
		}
		name := ""
		if kind, ok := data["type"].(string); ok {
			name = "event: " + kind + "\n"
		}
		if _, err := fmt.Fprintf(w, "%sdata: %s\n\n", name, text); err != nil {
			return err
		}
	}
	return nil
}

// content is a text, or a list of parts that may be texts.
type content string

// UnmarshalJSON joins the texts.
func (c *content) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c = content(text)
		return nil
	}
	var parts []struct{ Text string }
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	var texts []string
	for _, part := range parts {
		texts = append(texts, part.Text)
	}
	*c = content(strings.Join(texts, "\n"))
	return nil
}
