package rest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Every batch begins with two statements of ours. The first undoes what an earlier request may have left in the
// session: any function that a view, a policy or a trigger calls can set a parameter for good. The second holds the
// session's settings, for this transaction alone. A transaction that is read-only from its first query on stays so:
// PostgreSQL refuses both "set transaction read write" and set_config in it, so nothing that a GET calls can write.
const (
	resetSettings = `reset all`
	setSettings   = `select pg_advisory_unlock_all(), set_config('role', $8, true),` +
		` set_config('search_path', $1, true),` +
		` set_config('request.jwt.claims', $2::text, true),` +
		` set_config('request.jwt.claim.sub', coalesce($2::text::jsonb ->> 'sub', ''), true),` +
		` set_config('request.method', $3, true), set_config('request.path', $4, true),` +
		` set_config('request.headers', $9, true), set_config('request.cookies', $10, true),` +
		` set_config('statement_timeout', $5, true), set_config('lock_timeout', $6, true),` +
		` set_config('transaction_read_only', $7, true)`
	setTimezone = `select set_config('timezone', $1, true)`
	// What a role has of its own is set before the role is: then it is the login that has to be allowed to.
	setOwn = `select set_config(key, value, true) from jsonb_each_text($1::jsonb)`
)

// preamble is what comes before the statements of a request, in its transaction.
func (h *Handler) preamble(r *http.Request, s Session, readOnly bool) []statement {
	all := make([]statement, 0, 8)
	all = append(all, statement{sql: resetSettings})
	if s.Isolation != "" { // before the first query of the transaction
		all = append(all, statement{sql: "set transaction isolation level " + s.Isolation})
	}
	if s.Settings != "" {
		all = append(all, statement{setOwn, [][]byte{[]byte(s.Settings)}})
	}
	if s.timezone != "" {
		all = append(all, statement{setTimezone, [][]byte{[]byte(s.timezone)}})
	}
	all = append(all, h.settings(r, s, readOnly))
	if s.PreRequest != "" {
		var b builder
		b.add("select ")
		if schema, name, qualified := strings.Cut(s.PreRequest, "."); qualified {
			b.ident(schema)
			b.add(".")
			b.ident(name)
		} else {
			b.ident(s.PreRequest)
		}
		b.add("()")
		all = append(all, statement{sql: string(b.sql)})
	}
	return all
}

func (h *Handler) settings(r *http.Request, s Session, readOnly bool) statement {
	access := "off"
	if readOnly {
		access = "on"
	}
	claims := s.Claims
	if claims == "" {
		claims = "{}"
	}
	return statement{setSettings, [][]byte{
		h.searchPaths[s.schema], []byte(claims), []byte(r.Method), []byte(r.URL.Path),
		millis(s.StatementTimeout), millis(s.LockTimeout), []byte(access),
		[]byte(cmp.Or(s.Become, "none")), headers(r, s.Credentials), cookies(r, s.Credentials),
	}}
}

// headers is the JSON object behind request.headers: their names in lower case.
func headers(r *http.Request, credentials bool) []byte {
	object := make(jsonObject, 0, 512)
	object.add("host", r.Host)
	for name, values := range r.Header {
		switch name {
		case "Authorization", "Apikey", "Cookie":
			if !credentials {
				continue
			}
		}
		object.add(strings.ToLower(name), strings.Join(values, ", "))
	}
	return object.end()
}

// cookies is the JSON object behind request.cookies.
func cookies(r *http.Request, credentials bool) []byte {
	var object jsonObject
	if credentials && r.Header.Get("Cookie") != "" {
		for _, c := range r.Cookies() {
			object.add(c.Name, c.Value)
		}
	}
	return object.end()
}

// jsonObject is a JSON object of texts that is being written. Every request writes one, and encoding/json takes several
// times as long. Of a name that comes twice PostgreSQL takes the last.
type jsonObject []byte

func (o *jsonObject) add(name, value string) {
	separator := byte(',')
	if len(*o) == 0 {
		separator = '{'
	}
	*o = append(*o, separator)
	o.text(name)
	*o = append(*o, ':')
	o.text(value)
}

func (o *jsonObject) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a text always marshals
			*o = append(*o, text...)
			return
		}
	}
	*o = append(append(append(*o, '"'), s...), '"')
}

func (o *jsonObject) end() []byte {
	if len(*o) == 0 {
		return []byte("{}")
	}
	return append(*o, '}')
}

// millis writes a duration as PostgreSQL takes timeouts; 0 means none.
func millis(d time.Duration) []byte {
	if d > 0 && d < time.Millisecond {
		d = time.Millisecond
	}
	return strconv.AppendInt(nil, d.Milliseconds(), 10)
}
