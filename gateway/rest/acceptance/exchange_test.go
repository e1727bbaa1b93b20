package acceptance

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// exchange is a request and what its answer has to be.
type exchange struct {
	name   string
	at     string // the URL of another gateway than the library's
	who    string // "" is nobody, "admin" the service
	method string // GET when empty
	path   string // below the plane's mount point: "books?select=id"; blanks need no escape
	header string // "Prefer: return=minimal | Accept: text/csv"
	body   string

	status  int
	want    string // the whole body, or, each after a "…", what it has to contain
	headers string // as header; a value of "-" means absent, one that begins with "…" is contained
}

// answer is what a request got back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (x exchange) send(t testing.TB) answer {
	t.Helper()
	base := x.at
	if base == "" {
		base = library.server.URL
	}
	header := http.Header{}
	mount := library.sign(header, x.who)
	path := strings.NewReplacer(" ", "%20", `"`, "%22", "|", "%7C", "<", "%3C", ">", "%3E").Replace(x.path)
	r, err := http.NewRequestWithContext(t.Context(), x.verb(), base+mount+path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	if x.body != "" {
		header.Set("Content-Type", "application/json")
	}
	for _, h := range pairs(x.header) {
		if h[0] == "Content-Type" {
			header.Del(h[0])
		}
		header.Add(h[0], h[1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, plain.Replace(string(body))}
}

// plain undoes escapes that JSON allows and does not need.
var plain = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

func (x exchange) verb() string {
	if x.method == "" {
		return http.MethodGet
	}
	return x.method
}

func (x exchange) check(t *testing.T) {
	t.Helper()
	a := x.send(t)
	if a.status != x.status {
		t.Fatalf("%s %s: status %d, want %d: %s", x.verb(), x.path, a.status, x.status, a.body)
	}
	if !matches(a.body, x.want) {
		t.Errorf("%s %s: body\n%s\nwant\n%s", x.verb(), x.path, a.body, x.want)
	}
	for _, h := range pairs(x.headers) {
		want := h[1]
		if want == "-" {
			want = ""
		}
		if got := strings.Join(a.header.Values(h[0]), ", "); !matches(got, want) {
			t.Errorf("%s %s: %s is %q, want %q", x.verb(), x.path, h[0], got, want)
		}
	}
	if a.status >= 300 && x.method != http.MethodHead {
		var e map[string]any
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || len(e) != 4 || e["code"] == "" || e["message"] == "" {
			t.Errorf("%s %s: an error has four keys, not %s", x.verb(), x.path, a.body)
		}
	}
}

// matches compares a text with what it has to be, or with the parts that it has to contain.
func matches(got, want string) bool {
	if !strings.HasPrefix(want, "…") {
		return got == want
	}
	for _, part := range strings.Split(want, "…") {
		if !strings.Contains(got, part) {
			return false
		}
	}
	return true
}

func pairs(headers string) (out [][2]string) {
	for _, h := range strings.Split(headers, " | ") {
		if name, value, ok := strings.Cut(h, ": "); ok {
			out = append(out, [2]string{name, value})
		}
	}
	return out
}

func run(t *testing.T, exchanges []exchange) {
	t.Helper()
	for _, x := range exchanges {
		t.Run(x.name, x.check)
	}
}

// runFresh is run for exchanges that write: each begins with the rows put back.
func runFresh(t *testing.T, exchanges []exchange) {
	t.Helper()
	for _, x := range exchanges {
		t.Run(x.name, func(t *testing.T) {
			restock(t)
			x.check(t)
		})
	}
	restock(t)
}
