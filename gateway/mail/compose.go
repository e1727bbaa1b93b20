package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"mime"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// header is what a message has besides its draft.
type header struct {
	messageID string // without < and >
	from      string
	repliesTo string // the Message-ID that this one answers, if any
	date      time.Time
	footer    string // a policy of the mailbox
}

// compose writes a message as RFC 5322: text and HTML as alternatives, in quoted-printable, so that no line is too long
// for a signature or a relay. It is written once: what is sent again is the same to the byte.
func compose(d draft, h header) ([]byte, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.SetMessageIDWithValue(h.messageID)
	m.SetDateWithValue(h.date)
	if err := m.FromFormat(d.fromName, h.from); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	if err := m.To(d.to); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	m.Subject(foldable(d.subject))
	if h.repliesTo != "" {
		m.SetGenHeader(gomail.HeaderInReplyTo, "<"+h.repliesTo+">")
		m.SetGenHeader(gomail.HeaderReferences, "<"+h.repliesTo+">")
	}
	text, page := d.text, d.html
	if h.footer == footerTransparency {
		note := "Sent by " + h.from + " with Run402."
		text += "\n\n-- \n" + note + "\n"
		page = appendHTML(page, `<p style="color:#666;font-size:12px">`+html.EscapeString(note)+`</p>`)
	}
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, page)
	for _, f := range d.files {
		if err := m.AttachReader(f.name, bytes.NewReader(f.content), f.describe); err != nil {
			return nil, fmt.Errorf("compose mail: %w", err)
		}
	}
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	return raw.Bytes(), nil
}

// describe names a file as RFC 2231 says, where go-mail's way makes lines that nobody can fold.
func (f file) describe(to *gomail.File) {
	to.Header.Set("Content-Type", f.contentType)
	to.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
}

var bodyEnd = regexp.MustCompile(`(?i)</body`)

// appendHTML puts something at the end of a page.
func appendHTML(page, end string) string {
	if all := bodyEnd.FindAllStringIndex(page, -1); len(all) > 0 {
		at := all[len(all)-1][0]
		return page[:at] + end + page[at:]
	}
	return page + end
}

// foldable encodes a header whose words are too long to be folded between them, which would make a line that is longer
// than RFC 5322 allows. What is not ASCII go-mail encodes itself.
func foldable(text string) string {
	const longest = 70
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	fits := true
	for word := range strings.SplitSeq(text, " ") {
		fits = fits && len(word) <= longest
	}
	if !ascii || fits {
		return text
	}
	const chunk = 45 // bytes, 60 in base64: an encoded word has at most 75 characters, RFC 2047
	var words []string
	for len(text) > 0 {
		n := min(chunk, len(text))
		words = append(words, "=?UTF-8?b?"+base64.StdEncoding.EncodeToString([]byte(text[:n]))+"?=")
		text = text[n:]
	}
	return strings.Join(words, " ")
}
