// Package hostedtest is a fake of the hosted Run402 gateway, made from the wire contract, for tests of its clients. It
// checks credentials as the real ones do, answers from a script or from tables in memory, and records every request.
// It runs no SQL and no filters. Where hosted Run402 and Run402 Core differ, its Flavor decides.
package hostedtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Flavor says which backend a Gateway answers as.
type Flavor int

// The flavors.
const (
	Hosted Flavor = iota // the hosted gateway: envelopes in full, row_count, newest PostgREST
	Core                 // a self-hosted Run402 Core: {error, message}, rowCount, PostgREST 12.2
)

func (f Flavor) String() string { return [...]string{"hosted", "core"}[f] }

// ProjectID is the id of the one project that a Gateway has.
const ProjectID = "prj_0123456789abcdef"

// Gateway is the fake; it is an http.Handler and safe for concurrent use.
type Gateway struct {
	flavor Flavor

	mu       sync.Mutex
	script   map[string][]Answer
	tables   map[string][]json.RawMessage
	handlers map[string]http.Handler
	requests []Request
}

// Request is a request as the gateway saw it. Path is escaped, Query is raw.
type Request struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// Answer is one scripted answer; Status 0 means 200.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

// New returns a gateway without tables and without a script.
func New(flavor Flavor) *Gateway {
	return &Gateway{
		flavor: flavor, script: map[string][]Answer{}, tables: map[string][]json.RawMessage{},
		handlers: map[string]http.Handler{},
	}
}

// AnonKey returns the project's anon key: a JWT when hosted, opaque in Core.
func (g *Gateway) AnonKey() string {
	if g.flavor == Core {
		return "r402_anon_" + strings.Repeat("a1", 24)
	}
	return "header.anon.signature"
}

// ServiceKey returns the project's service key.
func (g *Gateway) ServiceKey() string {
	if g.flavor == Core {
		return "r402_service_" + strings.Repeat("5e", 24)
	}
	return "header.service.signature"
}

// Token returns a user's access token of a role; any other bearer is a forged one.
func (g *Gateway) Token(role string) string { return "header.user-" + role + ".signature" }

// ForeignToken is the access token of another project's user.
const ForeignToken = "header.foreign.signature"

// Table creates a table with rows of JSON. GET answers them all, or as many as limit says; writes do not change them.
func (g *Gateway) Table(name string, rows ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tables[name] = []json.RawMessage{}
	for _, row := range rows {
		g.tables[name] = append(g.tables[name], json.RawMessage(row))
	}
}

// Script answers requests to a method and a path in turn, once their credentials passed; the last answer stays.
func (g *Gateway) Script(method, path string, answers ...Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.script[method+" "+path] = answers
}

// Requests returns what was asked so far, refused requests too.
func (g *Gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Request(nil), g.requests...)
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	g.requests = append(g.requests, Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: string(body), Header: r.Header.Clone(),
	})
	g.mu.Unlock()
	if a, refused := g.authorize(r); refused {
		a.write(w)
		return
	}
	if a, found := g.scripted(r); found {
		a.write(w)
		return
	}
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/rest/v1/"), strings.HasPrefix(path, "/admin/v1/rest/"):
		g.rest(r, path[strings.LastIndexByte(path, '/')+1:], body).write(w)
	case strings.HasSuffix(path, "/sql"):
		g.sql(r, string(body)).write(w)
	case strings.HasSuffix(path, "/schema"):
		Answer{Body: `{"schema":"p0001","tables":[]}`}.write(w)
	case strings.HasPrefix(path, "/functions/v1/"):
		g.function(w, r, strings.TrimPrefix(path, "/functions/v1/"), body)
	default:
		g.failure(http.StatusNotFound, "NOT_FOUND", "No such route.").write(w)
	}
}

func (g *Gateway) scripted(r *http.Request) (Answer, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := r.Method + " " + r.URL.Path
	answers := g.script[key]
	if len(answers) == 0 {
		return Answer{}, false
	}
	if len(answers) > 1 {
		g.script[key] = answers[1:]
	}
	return answers[0], true
}

func (a Answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// rest answers the table routes, sections 2 and 3.
func (g *Gateway) rest(r *http.Request, table string, body []byte) Answer {
	g.mu.Lock()
	rows, found := g.tables[table]
	g.mu.Unlock()
	if !found {
		return g.unknownTable(table)
	}
	switch r.Method {
	case http.MethodPost:
		return Answer{Status: http.StatusCreated, Body: string(body)}
	case http.MethodPatch, http.MethodDelete:
		// The filters are not read: the write touches every row.
		if n, bounded := maxAffected(r); bounded && len(rows) > n && g.flavor == Hosted {
			return Answer{Status: http.StatusBadRequest, Body: fmt.Sprintf(`{"code":"PGRST124","message":"Query result exceeds `+
				`max-affected preference constraint","details":"The query affects %d rows","hint":null}`, len(rows))}
		}
	}
	total := len(rows)
	if limit := r.URL.Query().Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil {
			return Answer{Status: http.StatusBadRequest,
				Body: `{"code":"PGRST100","message":"limit","details":null,"hint":null}`}
		}
		rows = rows[:min(n, total)]
	}
	a := Answer{Body: mustJSON(rows), Header: map[string]string{"Content-Range": "*/*"}}
	if strings.Contains(r.Header.Get("Prefer"), "count=exact") {
		a.Header["Content-Range"] = fmt.Sprintf("*/%d", total)
		if len(rows) > 0 {
			a.Header["Content-Range"] = fmt.Sprintf("0-%d/%d", len(rows)-1, total)
		}
	}
	return a
}

func (g *Gateway) unknownTable(table string) Answer {
	body := map[string]any{"code": "PGRST205", "details": nil, "hint": nil,
		"message": "Could not find the table 'p0001." + table + "' in the schema cache"}
	if g.flavor == Core { // PostgREST 12.2
		maps.Copy(body, map[string]any{"code": "42P01", "message": `relation "p0001.` + table + `" does not exist`})
	}
	return Answer{Status: http.StatusNotFound, Body: mustJSON(body)}
}

// maxAffected reads Prefer: max-affected, which counts only with handling=strict.
func maxAffected(r *http.Request) (int, bool) {
	if !strings.Contains(r.Header.Get("Prefer"), "handling=strict") {
		return 0, false
	}
	for p := range strings.SplitSeq(r.Header.Get("Prefer"), ",") {
		if value, found := strings.CutPrefix(strings.TrimSpace(p), "max-affected="); found {
			n, err := strconv.Atoi(value)
			return n, err == nil
		}
	}
	return 0, false
}

// sql answers raw admin SQL, section 4: one row for a SELECT, one affected row for another statement, none for DDL.
func (g *Gateway) sql(r *http.Request, text string) Answer {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var req struct {
			SQL    string `json:"sql"`
			Params []any  `json:"params"`
		}
		if err := json.Unmarshal([]byte(text), &req); err != nil || strings.TrimSpace(req.SQL) == "" {
			return g.failure(http.StatusBadRequest, "INVALID_REQUEST", "A JSON body needs sql and an array of params.")
		}
		text = req.SQL
	}
	body := map[string]any{"status": "ok", "schema": "p0001", "rows": []any{}}
	if g.flavor == Core {
		body["fields"] = []any{}
	}
	var count any
	verb, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(text)), " ")
	switch verb {
	case "create", "alter", "drop":
		if g.flavor == Core {
			count = 0
		}
	case "select", "with", "values":
		body["rows"] = []any{map[string]any{"n": 42}}
		body["fields"] = []any{map[string]any{"name": "n", "type": "int4"}}
		count = 1
	default:
		count = 1
	}
	if g.flavor == Core {
		body["rowCount"] = count
	} else {
		body["row_count"] = count
	}
	return Answer{Body: mustJSON(body)}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values above always encode
	}
	return string(b)
}
