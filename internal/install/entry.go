package install

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/config"
)

// serverEntry is one server in a client's configuration: a command, or a URL.
type serverEntry struct {
	Type    string            `json:"type,omitempty"`
	Command string            `json:"command,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// input is a secret that VS Code asks for, once, and keeps.
type input struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Description string `json:"description"`
	Password    bool   `json:"password"`
}

// fillIn stands for a secret that a person has to write. No key and no token has spaces, so it is refused as one.
const fillIn = "fill in here"

// secretNames are the variables whose values are written into no configuration.
func secretNames() []string {
	return []string{"RUN402_ANON_KEY", "RUN402_SERVICE_KEY", "RUN402_JWT_SECRET", "RUN402_USER_TOKEN",
		"RUN402_DATABASE_URL", "RUN402_ADMIN_DATABASE_URL", "RUN402_GATEWAY_DATABASE_URL",
		"RUN402_SMTP_URL", "RUN402_AI_API_KEY"}
}

// carried are the variables, beside those of flags, whose values are written as they are. A variable that may hold a
// secret must not come to be here.
func carried() []string {
	return []string{"RUN402_API_BASE", "RUN402_PROJECT_ID", "RUN402_PG_BIN", "RUN402_USER_TOKEN_FILE",
		"RUN402_JWKS", "RUN402_JWT_SECRET_BASE64", "RUN402_JWT_AUD", "RUN402_REQUIRE_AUTH", "RUN402_LOG", "RUN402_LOG_FORMAT",
		"RUN402_EMAIL_FROM_DOMAIN", "RUN402_ASSETS_URL", "RUN402_ASSETS_QUOTA_MB",
		"RUN402_AI_BASE_URL", "RUN402_AI_TRANSLATE_MODEL", "RUN402_AI_MODERATE_MODEL", "RUN402_AI_IMAGE_MODEL",
		"RUN402_AI_MODERATE", "RUN402_AI_IMAGE", "RUN402_AI_WORDS_PER_MONTH", "RUN402_AI_IMAGES_PER_MONTH"}
}

// stdioEntry is an entry that starts exe with the given settings, and the secrets that it needs.
func (c mcpClient) stdioEntry(name, exe string, settings map[string]string, secrets []string) serverEntry {
	env := maps.Clone(settings)
	for _, variable := range secrets {
		env[variable] = c.standIn(name, variable)
	}
	return serverEntry{Type: c.stdio, Command: exe, Env: env}
}

// httpEntry is an entry that connects to a listener, as the user whose token is in RUN402_USER_TOKEN if secrets has it.
func (c mcpClient) httpEntry(name, address string, secrets []string) serverEntry {
	e := serverEntry{Type: c.http, URL: address}
	for _, variable := range secrets {
		e.Headers = map[string]string{"Authorization": "Bearer " + c.standIn(name, variable)}
	}
	return e
}

func (c mcpClient) standIn(name, variable string) string {
	if c.secret == nil {
		return fillIn
	}
	return c.secret(name, variable)
}

// secretInputs are what VS Code has to ask for.
func (c mcpClient) secretInputs(name string, secrets []string) []input {
	if !c.inputs {
		return nil
	}
	var list []input
	for _, variable := range secrets {
		list = append(list, input{
			Type: "promptString", ID: inputID(name, variable), Description: variable + " of " + name, Password: true,
		})
	}
	return list
}

func inputID(name, variable string) string {
	variable = strings.ToLower(strings.TrimPrefix(variable, "RUN402_"))
	return name + "-" + strings.ReplaceAll(variable, "_", "-")
}

// settingsFor returns the variables that a server needs to start elsewhere with the settings that were given here:
// graphical clients have next to no environment. Paths are absolute, and secrets are only named.
func settingsFor(flags config.Config, s config.Settings, lookup config.Lookup) (
	settings map[string]string, secrets []string, err error,
) {
	get := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	settings = givenFlags(reflect.ValueOf(flags))
	for _, name := range carried() {
		settings[name] = get(name)
	}
	switch backend := s.Backend.(type) {
	case config.Remote, config.Database:
		delete(settings, "RUN402_LOCAL_PROJECT")
		delete(settings, "RUN402_DATA_DIR")
	case config.Local:
		if flags.DataDir != "" || get("XDG_DATA_HOME") != "" { // else the server finds it as we did
			settings["RUN402_DATA_DIR"] = filepath.Dir(backend.Dir)
		}
	}
	for _, name := range []string{"RUN402_PG_BIN", "RUN402_USER_TOKEN_FILE", "RUN402_GATES", "RUN402_JWKS"} {
		if path := settings[name]; path != "" && !strings.Contains(path, "://") {
			if settings[name], err = filepath.Abs(path); err != nil {
				return nil, nil, err
			}
		}
	}
	maps.DeleteFunc(settings, func(_, value string) bool { return value == "" })
	for _, name := range secretNames() {
		if get(name) != "" {
			secrets = append(secrets, name)
		}
	}
	return settings, secrets, nil
}

// givenFlags returns the flags that are not as they would be by default, under the names of their variables.
func givenFlags(flags reflect.Value) map[string]string {
	given := make(map[string]string)
	for field, value := range flags.Fields() {
		name := field.Tag.Get("var")
		var text string
		switch v := value.Interface().(type) {
		case string:
			text = v
		case []string:
			text = strings.Join(v, ",")
		case int64:
			if v != 0 {
				text = strconv.FormatInt(v, 10)
			}
		case bool:
			text = map[bool]string{true: "true"}[v]
		default:
			maps.Copy(given, givenFlags(value)) // a group of flags
		}
		if name != "" && text != "" && text != field.Tag.Get("default") {
			given[name] = text
		}
	}
	return given
}

// ours are the fields of an entry that install decides on. The rest, such as a list of approved tools, is the user's.
func ours() []string {
	return []string{"type", "command", "args", "env", "envFile", "cwd", "url", "headers", "transport"}
}

// mergeEntry returns the entry to write in the place of one that is there: want, with the secrets that a person filled
// in and the user's own fields. It also says whether the entry that is there means the same.
func mergeEntry(f *jsonFile, at span, want serverEntry) (merged json.RawMessage, same bool, err error) {
	fields, err := f.children(at, '{')
	if err != nil { // not an object, so nothing of it can be kept
		merged, err = encodeJSON(want)
		return merged, false, err
	}
	var have struct {
		Env     map[string]any `json:"env"`
		Headers map[string]any `json:"headers"`
	}
	_ = json.Unmarshal(f.raw(at), &have) // what is of another type is not kept
	want.Env, want.Headers = keepFilledIn(want.Env, have.Env), keepFilledIn(want.Headers, have.Headers)

	merged, err = encodeJSON(want)
	if err != nil {
		return nil, false, err
	}
	theirs := make(map[string]json.RawMessage)
	for _, field := range fields {
		if slices.Contains(ours(), field.name) {
			theirs[field.name] = f.raw(field.span)
			continue
		}
		name, err := encodeJSON(field.name)
		if err != nil {
			return nil, false, err
		}
		merged = slices.Concat(merged[:len(merged)-1], []byte(","), name, []byte(":"), f.raw(field.span), []byte("}"))
	}
	old, err := encodeJSON(theirs)
	if err != nil {
		return nil, false, err
	}
	wanted, err := encodeJSON(want)
	return merged, reflect.DeepEqual(meaning(old), meaning(wanted)), err
}

// keepFilledIn puts what somebody filled in into the place of what says to do so.
func keepFilledIn(want map[string]string, have map[string]any) map[string]string {
	want = maps.Clone(want)
	for name, value := range want {
		if old, ok := have[name].(string); ok && old != "" && strings.Contains(value, fillIn) {
			want[name] = old
		}
	}
	return want
}

// meaning is an entry without what makes no difference to any client.
func meaning(entry []byte) map[string]any {
	var m map[string]any
	_ = json.Unmarshal(entry, &m) // was encoded by us
	maps.DeleteFunc(m, func(_ string, value any) bool {
		v := reflect.ValueOf(value)
		return value == nil || (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0
	})
	if m["command"] != nil && m["type"] == nil {
		m["type"] = "stdio"
	}
	return m
}

// cursorLink is a web page that has Cursor install the entry.
func cursorLink(name string, s serverEntry, _ []input) (string, error) {
	text, err := encodeJSON(s)
	query := url.Values{"name": {name}, "config": {base64.StdEncoding.EncodeToString(text)}}
	return "https://cursor.com/en/install-mcp?" + query.Encode(), err
}

// vscodeLink is a web page that has VS Code install the entry.
func vscodeLink(name string, s serverEntry, inputs []input) (string, error) {
	text, err := encodeJSON(s)
	if err != nil {
		return "", err
	}
	query := "name=" + url.QueryEscape(name) + "&config=" + percentEncode(text)
	if len(inputs) > 0 {
		list, err := encodeJSON(inputs)
		if err != nil {
			return "", err
		}
		query += "&inputs=" + percentEncode(list)
	}
	return "https://vscode.dev/redirect/mcp/install?" + query, nil
}

// percentEncode is JavaScript's encodeURIComponent, near enough: a blank is not a plus.
func percentEncode(text []byte) string {
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20")
}
