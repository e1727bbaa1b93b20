package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ClaimPath says where in a token's claims a value is: member names and list indexes from the outside in. The zero
// value is no path.
type ClaimPath struct{ steps []any } // of string, int and claimFilter

// claimFilter takes the first text of a list that it fits.
type claimFilter func(text string) bool

// ParseClaimPath reads a path such as "role", "$.realm.roles[0]" or `."https://example.com/role"`: names separated by
// dots or in brackets, quoted where they hold anything but letters, digits, "_" and "-", and indexes in brackets. In
// place of an index, [?(@ == "a")], [?(@ != "a")] and [?search(@, "^a")] find the first text of a list that fits.
func ParseClaimPath(text string) (ClaimPath, error) {
	var p ClaimPath
	rest := strings.TrimPrefix(text, "$")
	for rest != "" {
		var err error
		switch {
		case strings.HasPrefix(rest, "[?"):
			filter, after, ok := parseFilter(rest)
			if !ok {
				return ClaimPath{}, fmt.Errorf(`%q has a filter that is not of the form [?(@ == "a")] or [?search(@, "^a")]`, text)
			}
			p.steps, rest = append(p.steps, filter), after
			continue
		case rest[0] == '[' && len(rest) > 1 && (rest[1] == '"' || rest[1] == '\''):
			name, after, ended := strings.Cut(rest[2:], rest[1:2]+"]")
			if !ended || name == "" {
				return ClaimPath{}, fmt.Errorf("%q has a quoted name in brackets that does not end", text)
			}
			p.steps, rest = append(p.steps, name), after
			continue
		case rest[0] == '[':
			inside, after, closed := strings.Cut(rest[1:], "]")
			n, numErr := strconv.Atoi(inside)
			if !closed || numErr != nil || n < 0 {
				return ClaimPath{}, fmt.Errorf("%q has brackets without a number such as [0]", text)
			}
			p.steps, rest = append(p.steps, n), after
			continue
		case rest[0] == '.':
			rest = rest[1:]
		case len(p.steps) > 0:
			return ClaimPath{}, fmt.Errorf("%q has %q where a dot or a bracket belongs", text, rest)
		}
		var name string
		if name, rest, err = claimName(rest); err != nil {
			return ClaimPath{}, fmt.Errorf("%q %w", text, err)
		}
		p.steps = append(p.steps, name)
	}
	if len(p.steps) == 0 {
		return ClaimPath{}, errors.New("a path of claims names at least one, such as role")
	}
	return p, nil
}

var filterText = regexp.MustCompile(
	`^\[\?\s*\(?\s*(?:@\s*(==|!=)\s*("[^"]*"|'[^']*')|(search|match)\(\s*@\s*,\s*("[^"]*"|'[^']*')\s*\))\s*\)?\s*\]`)

func parseFilter(text string) (_ claimFilter, rest string, ok bool) {
	m := filterText.FindStringSubmatch(text)
	if m == nil {
		return nil, "", false
	}
	rest = text[len(m[0]):]
	if m[1] != "" {
		want, equal := m[2][1:len(m[2])-1], m[1] == "=="
		return func(text string) bool { return (text == want) == equal }, rest, true
	}
	pattern := m[4][1 : len(m[4])-1]
	if m[3] == "match" {
		pattern = "^(?:" + pattern + ")$"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, "", false
	}
	return re.MatchString, rest, true
}

func claimName(text string) (name, rest string, err error) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		name, rest, ok = strings.Cut(quoted, `"`)
		if !ok || name == "" {
			return "", "", errors.New("has a quote that does not end, or nothing in quotes")
		}
		return name, rest, nil
	}
	end := strings.IndexFunc(text, func(c rune) bool {
		return c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return "", "", errors.New("has no name after a dot: quote names with other characters")
	}
	return text[:end], text[end:], nil
}

// find returns the value at the path as a text: a JSON string's own, or the JSON of what is none. It is "" when there
// is no value.
func (p ClaimPath) find(claims []byte) string {
	value := json.RawMessage(claims)
	for _, step := range p.steps {
		switch step := step.(type) {
		case string:
			var members map[string]json.RawMessage
			if json.Unmarshal(value, &members) != nil {
				return ""
			}
			value = members[step]
		case claimFilter:
			var items []json.RawMessage
			_ = json.Unmarshal(value, &items) // what is no list has nothing
			value = nil
			for _, item := range items {
				var text string
				if json.Unmarshal(item, &text) == nil && string(item) != "null" && step(text) {
					value = item
					break
				}
			}
		case int:
			var items []json.RawMessage
			if json.Unmarshal(value, &items) != nil || step >= len(items) {
				return ""
			}
			value = items[step]
		}
		if value == nil {
			return ""
		}
	}
	var text string
	if json.Unmarshal(value, &text) == nil { // null is ""
		return text
	}
	return string(value)
}
