package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// prefer is what the Prefer headers ask for. Of a preference that comes twice the first counts (RFC 7240).
type prefer struct {
	ret         string // representation, minimal or headers-only
	count       string // exact, planned or estimated
	resolution  string // merge-duplicates or ignore-duplicates
	missing     string // default or null
	handling    string // strict or lenient
	tx          string // commit or rollback
	timezone    string // for the transaction, as PostgreSQL takes it
	maxAffected *int64 // how many rows a write may touch; only with handling=strict

	applied []string // for Preference-Applied
}

// parsePrefer reads the Prefer headers. Without any, writes answer their rows (section 2.1) unless minimal says that
// they answer none, as with PostgREST. A preference that is not known, or whose value is not, is an error only under
// handling=strict.
func parsePrefer(headers []string, minimal bool) (*prefer, error) {
	p := &prefer{}
	if len(headers) == 0 {
		if !minimal {
			p.ret = "representation"
			p.applied = append(p.applied, "return=representation")
		}
		return p, nil
	}
	var invalid []string
	for _, text := range strings.Split(strings.Join(headers, ","), ",") {
		if text = strings.TrimSpace(text); text != "" && !p.set(text) {
			invalid = append(invalid, text)
		}
	}
	if p.handling == "strict" && len(invalid) > 0 {
		return nil, &Error{Status: http.StatusBadRequest, Code: "PGRST122",
			Message: "Invalid preferences given with handling=strict",
			Details: "Invalid preferences: " + clip(strings.Join(invalid, ", "))}
	}
	if p.handling != "strict" {
		p.maxAffected = nil
	}
	p.applied = p.list()
	return p, nil
}

// set takes one preference and reports whether it is one that is known.
func (p *prefer) set(text string) bool {
	key, value, _ := strings.Cut(text, "=")
	key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`)
	switch key {
	case "return":
		return choose(&p.ret, value, "representation", "minimal", "headers-only")
	case "count":
		return choose(&p.count, value, "exact", "planned", "estimated")
	case "resolution":
		return choose(&p.resolution, value, "merge-duplicates", "ignore-duplicates")
	case "missing":
		return choose(&p.missing, value, "default", "null")
	case "handling":
		return choose(&p.handling, value, "strict", "lenient")
	case "tx":
		return choose(&p.tx, value, "commit", "rollback")
	case "timezone":
		return choose(&p.timezone, value, value)
	case "max-affected":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && p.maxAffected == nil {
			p.maxAffected = &n
		}
		return true
	}
	return false
}

func choose(field *string, value string, known ...string) bool {
	if !slices.Contains(known, value) {
		return false
	}
	if *field == "" {
		*field = value
	}
	return true
}

// list names the preferences that will be kept, in the order PostgREST uses.
func (p *prefer) list() []string {
	var out []string
	add := func(key, value string) {
		if value != "" {
			out = append(out, key+"="+value)
		}
	}
	add("resolution", p.resolution)
	add("missing", p.missing)
	add("return", p.ret)
	add("count", p.count)
	add("handling", p.handling)
	add("timezone", p.timezone)
	if p.maxAffected != nil {
		add("max-affected", strconv.FormatInt(*p.maxAffected, 10))
	}
	return out
}

// drop takes preferences out of the applied ones, since they mean nothing to this kind of request.
func (p *prefer) drop(keys ...string) {
	kept := p.applied[:0]
	for _, a := range p.applied {
		meant := true
		for _, key := range keys {
			if strings.HasPrefix(a, key+"=") {
				meant = false
			}
		}
		if meant {
			kept = append(kept, a)
		}
	}
	p.applied = kept
}
