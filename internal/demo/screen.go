package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/run402/functions-mcp/config"
)

// How the screen is laid out, in columns.
const (
	screenWidth  = 80
	stepIndent   = "    "
	answerIndent = "            "
	mostRows     = 3  // of an answer
	shortValue   = 36 // fits beside others on one line
)

// screen prints within 80 columns, in colour on a terminal. The first error of writing is kept in err.
type screen struct {
	w      io.Writer
	colour bool
	err    error
}

func newScreen(w io.Writer, lookup config.Lookup) *screen {
	file, ok := w.(*os.File)
	noColour, _ := lookup("NO_COLOR")
	return &screen{w: w, colour: ok && term.IsTerminal(int(file.Fd())) && noColour == ""}
}

// style is an ANSI "select graphic rendition".
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	cyan   style = "36"
	yellow style = "33"
)

func (s *screen) paint(st style, text string) string {
	if !s.colour || st == plain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func (s *screen) println(parts ...string) {
	if s.err == nil {
		_, s.err = fmt.Fprintln(s.w, strings.TrimRight(strings.Join(parts, ""), " "))
	}
}

func (s *screen) gap() { s.println() }

func (s *screen) title(text string) { s.println(s.paint(bold, text)) }

// text prints words, wrapped.
func (s *screen) text(indent, words string) {
	for _, line := range wrap(words, screenWidth-len(indent)) {
		s.println(indent, line)
	}
}

// timed prints a line that ends with a time.
func (s *screen) timed(label string, st style, text string, took time.Duration) {
	end := millis(took)
	room := screenWidth - columns(label) - columns(end) - 2
	text = cut(text, room)
	s.println(s.paint(bold, label), s.paint(st, text), strings.Repeat(" ", room-columns(text)+2), s.paint(dim, end))
}

// heading prints a step's number and what it shows.
func (s *screen) heading(number int, words string) {
	first := fmt.Sprintf("%2d  ", number)
	for _, line := range wrap(words, screenWidth-len(stepIndent)) {
		s.println(s.paint(bold, first), line)
		first = stepIndent
	}
}

// call prints a tool's name and arguments.
func (s *screen) call(tool, args string) {
	indent := stepIndent
	for _, line := range wrap(tool+" "+args, screenWidth-len(stepIndent)-2) {
		s.println(indent, s.paint(cyan, line))
		indent = stepIndent + "  "
	}
}

// answer prints the members of an answer that are to be shown, short values beside the name of who asked.
func (s *screen) answer(who string, a answer, show []string) {
	object, head, st := a.text, "", plain
	if a.refused {
		var refusal struct{ Error json.RawMessage }
		if json.Unmarshal(a.text, &refusal) == nil {
			object, show = refusal.Error, []string{"code", "did_you_mean", "message", "details", "valid", "next_step"}
		}
		head, st = "refused", yellow
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		members, show = map[string]json.RawMessage{"answer": object}, []string{"answer"}
	}
	var below []string
	for _, name := range show {
		value, ok := members[name]
		if !ok {
			continue
		}
		short := readable(value)
		if value[0] != '[' && len(short) <= shortValue && name != "message" {
			head = strings.TrimPrefix(head+", "+name+" "+short, ", ")
		} else {
			below = append(below, name)
		}
	}
	s.timed(fmt.Sprintf("%s%-8s", stepIndent, who), st, head, a.took)
	for _, name := range below {
		s.member(name, members[name])
	}
}

// member prints a long member: a list of objects one a line, anything else wrapped.
func (s *screen) member(name string, value json.RawMessage) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		s.text(answerIndent, name+": "+readable(value))
		return
	}
	if len(list) == 0 || list[0][0] != '{' {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = readable(v)
		}
		s.text(answerIndent, name+": "+strings.Join(words, ", "))
		return
	}
	for _, row := range list[:min(mostRows, len(list))] {
		s.println(answerIndent, cut(readable(row), screenWidth-len(answerIndent)))
	}
	if more := len(list) - mostRows; more > 0 {
		s.println(answerIndent, s.paint(dim, fmt.Sprintf("and %d more", more)))
	}
}

// readable is a JSON value on one line: a text without its quotes, anything else compact.
func readable(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return strings.Join(strings.Fields(text), " ")
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return string(value)
	}
	return b.String()
}

// wrap breaks a text at blanks into lines of at most width columns, and words that are longer anywhere.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && columns(line)+1+columns(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for columns(word) > width {
			runes := []rune(word)
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		line = word
	}
	return slices.Concat(lines, []string{line})
}

// cut shortens a text to at most width columns.
func cut(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

func columns(text string) int { return utf8.RuneCountInString(text) }

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
