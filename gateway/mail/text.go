package mail

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// textOf is the text of an HTML letter, for readers who show no HTML: paragraphs and rows are lines, list items have a
// dash, and a link has its address behind it.
func textOf(page string) string {
	var (
		t     textWriter
		href  string
		links strings.Builder // the text of the link that is open
	)
	tokens := html.NewTokenizer(strings.NewReader(page))
	for skip := 0; ; {
		kind := tokens.Next()
		if kind == html.ErrorToken { // the end: what is read from memory has no other error
			return t.String()
		}
		token := tokens.Token()
		hidden := token.DataAtom == atom.Head || token.DataAtom == atom.Style || token.DataAtom == atom.Script ||
			token.DataAtom == atom.Title
		switch {
		case kind == html.StartTagToken && hidden:
			skip++
		case kind == html.EndTagToken && hidden:
			skip = max(0, skip-1)
		case skip > 0:
		case kind == html.TextToken:
			t.words(token.Data)
			links.WriteString(token.Data)
		case token.DataAtom == atom.A && kind == html.StartTagToken:
			href = attribute(token, "href")
			links.Reset()
		case token.DataAtom == atom.A && kind == html.EndTagToken:
			if href != "" && !strings.Contains(links.String(), href) {
				t.words(" (" + href + ")")
			}
			href = ""
		case token.DataAtom == atom.Img:
			t.words(attribute(token, "alt"))
		default:
			t.tag(token.DataAtom, kind)
		}
	}
}

func attribute(token html.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// textWriter writes words and line ends, never two blanks or three line ends in a row.
type textWriter struct {
	b     strings.Builder
	lines int  // line ends that come before the next word
	blank bool // a blank comes before the next word
}

func (t *textWriter) words(text string) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		t.blank = t.blank || text != ""
		return
	}
	switch {
	case t.b.Len() == 0:
	case t.lines > 0:
		t.b.WriteString(strings.Repeat("\n", min(t.lines, 2)))
	case t.blank, strings.TrimLeft(text, " \t\r\n") != text:
		t.b.WriteByte(' ')
	}
	t.lines, t.blank = 0, strings.TrimRight(text, " \t\r\n") != text
	t.b.WriteString(strings.Join(fields, " "))
}

// tag ends lines where a reader of the page would see them end.
func (t *textWriter) tag(name atom.Atom, kind html.TokenType) {
	switch name {
	case atom.Br:
		t.lines++
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Table, atom.Blockquote,
		atom.Hr, atom.Pre:
		t.lines = max(t.lines, 2)
	case atom.Div, atom.Tr, atom.Section, atom.Header, atom.Footer, atom.Article:
		t.lines = max(t.lines, 1)
	case atom.Td, atom.Th:
		t.blank = true
	case atom.Li:
		if t.lines = max(t.lines, 1); kind == html.StartTagToken {
			t.words("- ")
		}
	}
}

func (t *textWriter) String() string { return t.b.String() }
