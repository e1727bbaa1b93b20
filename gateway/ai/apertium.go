package ai

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Apertium translates by the rules of the program of that name, which runs here and sends nothing anywhere.
type Apertium struct {
	program string
}

// FindApertium returns the Apertium that is installed, or nil.
func FindApertium() *Apertium {
	program, err := exec.LookPath("apertium")
	if err != nil {
		return nil
	}
	return &Apertium{program: program}
}

// Name returns "apertium".
func (a *Apertium) Name() string { return "apertium" }

// mode is a direction that is installed, by Apertium's name for it.
type mode struct{ name, from, to string }

// Pairs lists the directions that are installed, as in "en-es".
func (a *Apertium) Pairs(ctx context.Context) ([]string, error) {
	modes, err := a.modes(ctx)
	return pairs(modes), err
}

func pairs(modes []mode) []string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.from + "-" + m.to
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// modes asks each time: what somebody installs is there at once. Of variants the plain one, with the shortest name,
// comes first.
func (a *Apertium) modes(ctx context.Context) ([]mode, error) {
	out, err := a.run(ctx, "", "-l")
	if err != nil {
		return nil, err
	}
	var modes []mode
	for name := range strings.FieldsSeq(out) {
		source, target, ok := strings.Cut(name, "-")
		source, _, _ = strings.Cut(source, "_")
		target, _, _ = strings.Cut(target, "_")
		m := mode{name: name, from: twoLetters(source), to: twoLetters(target)}
		if ok && m.from != "" && m.to != "" && m.from != m.to {
			modes = append(modes, m)
		}
	}
	slices.SortFunc(modes, func(a, b mode) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.name, b.name))
	})
	return modes, nil
}

// Translate translates between two languages of which a direction is installed. It uses no context.
func (a *Apertium) Translate(ctx context.Context, in wire.Translate) (wire.Translation, error) {
	modes, err := a.modes(ctx)
	if err != nil {
		return wire.Translation{}, err
	}
	if in.From == in.To {
		return wire.Translation{Text: in.Text, From: in.From, To: in.To}, nil
	}
	use, err := a.choose(ctx, modes, in)
	if err != nil {
		return wire.Translation{}, err
	}
	out, err := a.run(ctx, toStream(in.Text), "-u", "-f", "none", use.name)
	if err != nil {
		return wire.Translation{}, err
	}
	return wire.Translation{Text: fromStream(out), From: use.from, To: use.to}, nil
}

// choose returns the mode for a request. Where the source language is not given it is the one whose dictionary knows
// most of the text's words, and at least half of them.
func (a *Apertium) choose(ctx context.Context, modes []mode, in wire.Translate) (mode, error) {
	var (
		use  mode
		best = 0.5
	)
	for _, m := range modes {
		switch {
		case m.to != in.To, in.From != "" && m.from != in.From:
			continue
		case in.From != "":
			return m, nil
		}
		known, err := a.known(ctx, m, in.Text)
		if err != nil {
			return mode{}, err
		}
		if known > best {
			use, best = m, known
		}
	}
	switch {
	case use.name != "":
		return use, nil
	case in.From == "" && slices.ContainsFunc(modes, func(m mode) bool { return m.to == in.To }):
		return mode{}, route.Invalid("from", "the language of the text could not be told: say it in from")
	}
	has := strings.Join(pairs(modes), ", ")
	if has == "" {
		has = "no pair of languages"
	}
	return mode{}, route.Invalid("to", fmt.Sprintf("Apertium, which translates here, has %s: ask for what it has, "+
		"or have the operator install another pair, or name a server in RUN402_AI_BASE_URL", has))
}

// known is how much of the beginning of a text a direction's dictionary knows, from 0 to 1.
func (a *Apertium) known(ctx context.Context, m mode, text string) (float64, error) {
	const look = 600
	sample := strings.ReplaceAll(marked.ReplaceAllString(text, " "), "*", " ") // which marks what it does not know
	if len(sample) > look {
		sample = strings.ToValidUTF8(sample[:look], "")
	}
	out, err := a.run(ctx, toStream(sample), "-f", "none", m.name)
	if err != nil {
		return 0, err
	}
	all, unknown := 0, 0
	for word := range strings.FieldsSeq(fromStream(out)) {
		if strings.ContainsFunc(word, unicode.IsLetter) {
			all++
			unknown += min(1, strings.Count(word, "*"))
		}
	}
	if all == 0 {
		return 0, nil
	}
	return float64(all-unknown) / float64(all), nil
}

// Limits of one run of Apertium.
const (
	apertiumTimeout = 20 * time.Second
	apertiumOutput  = 1 << 20 // bytes
)

// run starts Apertium with nothing of our environment but where programs are, since that holds keys. It is a script
// that starts others, so whatever it started ends with it.
func (a *Apertium) run(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, apertiumTimeout)
	defer cancel()
	out := &limited{most: apertiumOutput}
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	cmd.Stdin, cmd.Stdout = strings.NewReader(input), out
	cmd.WaitDelay = time.Second
	endWithChildren(cmd)
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", &Failure{Cause: CauseTimeout, Text: "Apertium", Err: ctx.Err()}
	case err != nil || !utf8.Valid(out.Bytes()):
		return "", &Failure{Cause: CauseDown, Text: "Apertium did not end as it should", Err: err}
	}
	return out.String(), nil
}

// limited is a buffer that takes no more than so many bytes.
type limited struct {
	bytes.Buffer
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.most {
		return 0, errors.New("too much output")
	}
	return l.Buffer.Write(p)
}

const streamEnd = ".[]"

var (
	kept         = regexp.MustCompile(marked.String() + `|[\r\n]+`)
	streamEscape = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `^`, `\^`, `$`, `\$`,
		`/`, `\/`, `@`, `\@`, `<`, `\<`, `>`, `\>`)
)

// toStream writes a text as Apertium's programs pass it among themselves: marks and line ends are blanks in brackets,
// which they leave alone, and what means something there has a backslash. A full stop with an empty blank ends what
// has no end of its own, such as a heading.
func toStream(text string) string {
	var b strings.Builder
	rest := 0
	for _, at := range kept.FindAllStringIndex(text, -1) {
		b.WriteString(streamEscape.Replace(text[rest:at[0]]))
		blank := text[at[0]:at[1]]
		if strings.ContainsAny(blank, "\r\n") {
			b.WriteString(streamEnd)
		}
		b.WriteString("[" + streamEscape.Replace(blank) + "]")
		rest = at[1]
	}
	b.WriteString(streamEscape.Replace(text[rest:]) + streamEnd)
	return b.String()
}

// fromStream is the text of it.
func fromStream(stream string) string {
	stream = strings.ReplaceAll(stream, streamEnd, "")
	var b strings.Builder
	escaped := false
	for _, r := range stream {
		switch {
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && (r == '[' || r == ']'):
			continue
		}
		escaped = false
		b.WriteRune(r)
	}
	return b.String()
}
