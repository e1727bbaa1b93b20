package demo

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// connect says how to go on: with the demo's project when it was kept, else with one of the reader's own.
func (p *player) connect(o Options, kept bool) {
	p.out.gap()
	p.out.title("Connect your own client")
	exe := o.Exe
	if o.Lasting(exe) != nil { // it is of go run, which the reader did where the Makefile is
		p.out.text("", "Build the program first:")
		p.out.println("make build")
		exe = filepath.Join("bin", "functions-mcp")
	}
	p.out.text("", "Each of these writes the configuration of a client:")
	for _, client := range o.Clients {
		p.out.println(p.install(exe, client, kept))
	}
	if kept {
		p.out.text("", "The client is ana then. Ask it: which of my team's open tickets wait longest? To be ben, name "+
			"ben.token; to be nobody, leave the token out. Tokens last 30 days; functions-mcp token makes others.")
	} else {
		p.out.text("", "The client then has a local project of your own, empty and as nobody. Ask it to make a table. "+
			"To look into the help desk instead: functions-mcp demo --keep")
	}
	if set := ours(o.Environ); len(set) > 0 {
		p.out.text("", "What is set here counts for install, too: "+strings.Join(set, ", ")+". Unset what should not.")
	}
}

// install is a line for a shell that gives the client a server: ana's on the project when it was kept.
func (p *player) install(exe, client string, kept bool) string {
	words := []string{shellQuote(exe), "install", client}
	if !kept {
		return strings.Join(words, " ")
	}
	if p.local.PGBin != "" {
		words = slices.Insert(words, 0, "RUN402_PG_BIN="+shellQuote(p.local.PGBin))
	}
	ana := p.seats()[slices.IndexFunc(p.seats(), func(s seat) bool { return s.name == "ana" })]
	words = append(words, "--name", "helpdesk", "--local-project", p.local.Project,
		"--data-dir", shellQuote(filepath.Dir(p.local.Dir)), "--user-token-file", shellQuote(ana.tokenFile))
	return strings.Join(words, " ")
}

// ours are the names of the variables that a user has set for this program.
func ours(environ []string) []string {
	var names []string
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); isOurs(pair) && value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func isOurs(pair string) bool { return strings.HasPrefix(strings.ToUpper(pair), "RUN402_") }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./=:@%+,-]+$`)

func shellQuote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
