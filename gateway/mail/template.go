package mail

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/run402/functions-mcp/gateway/route"
)

//go:embed templates
var templateFiles embed.FS

// kind is one of the letters of contract section 7.2. The words are ours.
type kind struct {
	name    string
	subject string // a text template
	needs   []string
	takes   []string // besides those that it needs
	one     []string // of these at least one
	longest map[string]int
}

const (
	longestVariable = 200
	longestURL      = 2000
	longestMessage  = 500 // section 7.2
)

func kinds() []kind {
	return []kind{
		{
			name: "project_invite", subject: "You are invited to {{.project_name}}",
			needs: []string{"project_name", "invite_url"},
		},
		{
			name: "magic_link", subject: "Sign in to {{.project_name}}", needs: []string{"project_name"},
			one: []string{"link_url", "code"}, takes: []string{"expires_in"},
		},
		{
			name: "notification", subject: "A message from {{.project_name}}", needs: []string{"project_name", "message"},
			longest: map[string]int{"message": longestMessage},
		},
	}
}

// letter writes a template's subject, HTML and text. Variables that it does not know do not matter.
func letter(name string, variables map[string]any) (subject, html, text string, err error) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if i < 0 {
		names := make([]string, len(all))
		for j, k := range all {
			names[j] = k.name
		}
		return "", "", "", route.Invalid("template", "there is no such template: choose from "+strings.Join(names, ", "))
	}
	values, err := all[i].read(variables)
	if err != nil {
		return "", "", "", err
	}
	if subject, err = fillText(template.New("").Parse(all[i].subject))(values); err != nil {
		return "", "", "", err
	}
	if text, err = fillText(template.ParseFS(templateFiles, "templates/"+name+".txt"))(values); err != nil {
		return "", "", "", err
	}
	pages, err := htmltemplate.New("").Funcs(htmltemplate.FuncMap{
		"lines": func(text string) []string { return strings.Split(text, "\n") },
	}).ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
	if err != nil {
		return "", "", "", fmt.Errorf("read template %s: %w", name, err)
	}
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, "layout.html", values); err != nil {
		return "", "", "", fmt.Errorf("fill template %s: %w", name, err)
	}
	return subject, page.String(), text, nil
}

func fillText(t *template.Template, err error) func(any) (string, error) {
	return func(values any) (string, error) {
		if err != nil {
			return "", fmt.Errorf("read template: %w", err)
		}
		var b strings.Builder
		if err := t.Execute(&b, values); err != nil {
			return "", fmt.Errorf("fill template: %w", err)
		}
		return b.String(), nil
	}
}

// read takes the variables that a letter has use for.
func (k kind) read(variables map[string]any) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range slices.Concat(k.needs, k.one, k.takes) {
		value, err := k.value(name, variables[name])
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	for _, name := range k.needs {
		if values[name] == "" {
			return nil, route.Invalid("variables."+name, "the template "+k.name+" needs the variable "+name)
		}
	}
	if len(k.one) > 0 && !slices.ContainsFunc(k.one, func(name string) bool { return values[name] != "" }) {
		return nil, route.Invalid("variables."+k.one[0], "the template "+k.name+" needs "+strings.Join(k.one, " or "))
	}
	return values, nil
}

func (k kind) value(name string, given any) (string, error) {
	field := "variables." + name
	text := ""
	switch v := given.(type) {
	case nil:
		return "", nil
	case string:
		text = strings.TrimSpace(v)
	case float64, bool, json.Number:
		text = fmt.Sprint(v)
	default:
		return "", route.Invalid(field, name+" must be text")
	}
	isURL := strings.HasSuffix(name, "_url")
	longest := longestVariable
	if isURL {
		longest = longestURL
	}
	if n, ok := k.longest[name]; ok {
		longest = n
	}
	control := func(r rune) bool {
		return unicode.IsControl(r) && (name != "message" || r != '\n' && r != '\r' && r != '\t')
	}
	switch {
	case utf8.RuneCountInString(text) > longest:
		return "", route.Invalid(field, fmt.Sprintf("%s has more than %d characters", name, longest))
	case strings.ContainsFunc(text, control):
		return "", route.Invalid(field, name+" holds control characters")
	case isURL && text != "" && !isWebURL(text):
		return "", route.Invalid(field, name+" must be a whole URL that begins with https:// or http://")
	}
	return text, nil
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(text, " <>\"")
}
