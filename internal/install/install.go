// Package install knows what the configurations of MCP clients are, and merges a server into one, so that the client
// starts this program or connects to it. What else a file holds stays as it is, to the byte.
package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/config"
)

// Request is what the user asks for.
type Request struct {
	config.ProjectFlags
	config.ToolFlags
	Client        string // one of Clients
	Print         bool   // instead of writing
	Scope         string // "user" for everywhere, or "project" for the current directory
	Name          string // what the client calls the server
	URL           string // of a server that listens there; empty when the client is to start this program
	UserTokenFile string // empty for RUN402_USER_TOKEN or nobody
	Force         bool   // replace another server of that name
}

// Machine is where the client and this program are.
type Machine struct {
	GOOS    string // as in runtime.GOOS
	Lookup  config.Lookup
	Exe     string // this program
	MCPPath string // where listeners serve MCP
	Now     time.Time
	Out     io.Writer // what can be pasted
	Remarks io.Writer // all that is said beside it
}

// UsageError is a request that cannot be meant, or an environment that contradicts it.
type UsageError struct{ err error }

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

// Run writes or prints the client's configuration. A file that cannot be edited stays as it was, and the error comes
// with what could be pasted on m.Out. No key and no token is ever written. The error may be a *UsageError.
func Run(r Request, m Machine) error { return installer{r, m}.run() }

// installer is a request on a machine.
type installer struct {
	Request
	Machine
}

var serverName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (in installer) run() error {
	if len(in.Name) > 40 || !serverName.MatchString(in.Name) {
		return &UsageError{fmt.Errorf("--name %q: a name has 1 to 40 letters, digits, - and _", in.Name)}
	}
	client, err := clientNamed(in.Client)
	if err != nil {
		return &UsageError{err}
	}
	path, err := client.path(in.Machine, in.Scope)
	if err != nil {
		return err
	}
	entry, secrets, err := in.entry(client)
	if err != nil {
		return err
	}
	inputs := client.secretInputs(in.Name, secrets)
	if in.Print {
		return in.print(client, path, entry, inputs, secrets)
	}
	if err := in.write(client, path, entry, inputs); err != nil {
		in.say("To write %s by hand: a file with nothing else in it would be this.", path)
		return errors.Join(err, in.paste(client, entry, inputs))
	}
	in.say("%s", client.next[in.Scope])
	in.sayAbout(client, path, secrets)
	return nil
}

// entry is what the client is to be told, and the secrets that it needs for that.
func (in installer) entry(client mcpClient) (serverEntry, []string, error) {
	if in.URL != "" {
		return in.urlEntry(client)
	}
	if err := Lasting(in.Exe); err != nil {
		return serverEntry{}, nil, err
	}
	lookup := func(name string) (string, bool) {
		if name == "RUN402_USER_TOKEN_FILE" {
			return in.UserTokenFile, in.UserTokenFile != ""
		}
		return in.Lookup(name)
	}
	flags := config.Config{ProjectFlags: in.ProjectFlags, ToolFlags: in.ToolFlags}
	chosen, err := flags.Settings(lookup)
	if err != nil {
		return serverEntry{}, nil, &UsageError{err}
	}
	settings, secrets, err := settingsFor(flags, chosen, lookup)
	if err != nil {
		return serverEntry{}, nil, err
	}
	return client.stdioEntry(in.Name, in.Exe, settings, secrets), secrets, nil
}

func (in installer) urlEntry(client mcpClient) (serverEntry, []string, error) {
	if client.noHTTP != nil {
		return serverEntry{}, nil, &UsageError{client.noHTTP}
	}
	address, err := mcpAddress(in.URL, in.MCPPath)
	if err != nil {
		return serverEntry{}, nil, &UsageError{err}
	}
	if in.UserTokenFile != "" {
		return serverEntry{}, nil, &UsageError{errors.New("a token file is set together with --url, and a client that " +
			"connects by itself cannot read one: leave it out, and set RUN402_USER_TOKEN if the client is to sign in")}
	}
	var secrets []string
	if in.env("RUN402_USER_TOKEN") != "" {
		secrets = []string{"RUN402_USER_TOKEN"}
	}
	return client.httpEntry(in.Name, address, secrets), secrets, nil
}

// mcpAddress is the endpoint of a listener, at path unless the address has one. It never repeats the URL in an error:
// it may hold a password.
func mcpAddress(address, path string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "", errors.New("--url is not a URL: want one such as http://127.0.0.1:8402/mcp")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("--url may have a host and a path only: leave out user, query and fragment")
	case u.Scheme == "http" && !auth.IsLoopback(u.Hostname()):
		return "", errors.New("--url is http:// to another machine, which would send tokens in clear: use https://, " +
			"or a tunnel to a loopback address")
	case u.Path == "" || u.Path == "/":
		u.Path = path
	}
	return u.String(), nil
}

// Lasting refuses a program that will be gone when a client wants to start it, with an error that says what to do.
func Lasting(exe string) error {
	temporary := strings.Contains(exe, string(filepath.Separator)+"go-build") // of go run and go test
	if _, err := os.Stat(exe); err != nil || temporary {
		return fmt.Errorf("this program is %s, which will not be there when a client starts it: run make build, "+
			"and install with bin/functions-mcp", exe)
	}
	return nil
}

// write puts the entry into the client's file, and says what became of it.
func (in installer) write(client mcpClient, path string, entry serverEntry, inputs []input) error {
	file, err := readConfigFile(path)
	if err != nil {
		return err
	}
	bom := []byte("\ufeff") // of some Windows editors
	text := bytes.TrimPrefix(file.text, bom)
	doc, err := parseJSON(text)
	if err == nil {
		err = in.edit(doc, client, entry, inputs)
	}
	switch {
	case errors.Is(err, errUnchanged):
		in.say("%s has %s already, in %s.", client.title, in.Name, path)
		return nil
	case err != nil:
		return fmt.Errorf("%s is left as it was: %w", path, err)
	}
	if bytes.HasPrefix(file.text, bom) {
		doc.text = append(bom, doc.text...)
	}
	backup, err := file.write(doc.text, in.perm(), in.Now)
	if err != nil {
		return err
	}
	in.say("%s has %s now, in %s.", client.title, in.Name, path)
	if backup != "" {
		in.say("The file as it was is %s.", backup)
	}
	return nil
}

// perm is for a new file: a user's own may come to hold secrets, a project's is shared.
func (in installer) perm() fs.FileMode {
	if in.Scope == scopeProject {
		return 0o644
	}
	return 0o600
}

var errUnchanged = errors.New("nothing to change")

// edit puts entry and inputs into doc, and nothing else; it returns errUnchanged when they are there.
func (in installer) edit(doc *jsonFile, client mcpClient, entry serverEntry, inputs []input) error {
	changed, err := in.editServers(doc, client, entry)
	if err != nil {
		return err
	}
	for _, input := range inputs {
		added, err := addInput(doc, input)
		if err != nil {
			return err
		}
		changed = changed || added
	}
	if !changed {
		return errUnchanged
	}
	if !json.Valid(doc.text) { // a bug of ours must not cost anybody a configuration
		return errors.New("the edit went wrong: please report this, with the file's first lines")
	}
	return nil
}

func (in installer) editServers(doc *jsonFile, client mcpClient, entry serverEntry) (changed bool, err error) {
	only := map[string]serverEntry{in.Name: entry}
	servers, ok, err := doc.member(doc.root(), client.servers)
	if err != nil {
		return false, err
	}
	if !ok {
		return true, doc.add(doc.root(), client.servers, only)
	}
	if string(doc.raw(servers)) == "null" {
		return true, doc.replace(servers, only)
	}
	own, ok, err := doc.member(servers, in.Name)
	if err != nil {
		return false, fmt.Errorf("%q: %w", client.servers, err)
	}
	if !ok {
		return true, doc.add(servers, in.Name, entry)
	}
	merged, same, err := mergeEntry(doc, own, entry)
	switch {
	case err != nil || same:
		return false, err
	case !in.Force:
		return false, fmt.Errorf("it has another server %s: replace that with --force, or choose another --name", in.Name)
	}
	return true, doc.replace(own, merged)
}

// addInput adds an input unless there is one of that id.
func addInput(doc *jsonFile, want input) (bool, error) {
	const key = "inputs"
	list, ok, err := doc.member(doc.root(), key)
	if err != nil {
		return false, err
	}
	if !ok {
		return true, doc.add(doc.root(), key, []input{want})
	}
	items, err := doc.children(list, '[')
	if err != nil {
		return false, fmt.Errorf("%q: %w", key, err)
	}
	for _, item := range items {
		var have input
		if json.Unmarshal(doc.raw(item.span), &have) == nil && have.ID == want.ID {
			return false, nil
		}
	}
	return true, doc.add(list, "", want)
}

// print writes what could be pasted to standard output, and all else beside it.
func (in installer) print(client mcpClient, path string, e serverEntry, inputs []input, secrets []string) error {
	in.say("For %s, in %s; a file that has %q already gets the entry %q alone.", client.title, path, client.servers,
		in.Name)
	if err := in.paste(client, e, inputs); err != nil {
		return err
	}
	if client.link != nil {
		link, err := client.link(in.Name, e, inputs)
		if err != nil {
			return err
		}
		in.say("Or open this link:\n%s", link)
	}
	in.sayAbout(client, path, secrets)
	return nil
}

// paste prints a whole configuration file.
func (in installer) paste(client mcpClient, entry serverEntry, inputs []input) error {
	doc, err := parseJSON(nil)
	if err != nil {
		return err
	}
	if err := in.edit(doc, client, entry, inputs); err != nil {
		return err
	}
	_, err = in.Out.Write(doc.text)
	return err
}

// sayAbout says what is left to do for the secrets.
func (in installer) sayAbout(client mcpClient, path string, secrets []string) {
	names := strings.Join(secrets, ", ")
	switch {
	case names == "":
	case client.inputs:
		in.say("VS Code asks for %s when it first starts the server, and stores the answer.", names)
	case client.secret != nil:
		in.say("%s takes %s from its own environment: start it where that is set.", client.title, names)
	default:
		in.say("%s cannot take %s from elsewhere: fill it in, in %s, where it says %q.", client.title, names, path, fillIn)
	}
}

func (in installer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(in.Remarks, format+"\n", args...) // nothing to do when nobody reads it
}
