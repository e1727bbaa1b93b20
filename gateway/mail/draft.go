package mail

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// draft is what somebody wants sent, found to be in order.
type draft struct {
	to, subject, html, text, fromName, template, inReplyTo string

	files []file
}

// file is an attachment.
type file struct {
	name, contentType string
	content           []byte
}

// newDraft checks everything that can be checked without the database, and fills in the template or the text.
func newDraft(in wire.SendEmail) (draft, error) {
	d := draft{
		to: in.To, subject: in.Subject, html: in.HTML, text: in.Text, fromName: in.FromName, template: in.Template,
		inReplyTo: in.InReplyTo,
	}
	if err := checkRecipient(in.To); err != nil {
		return d, err
	}
	if err := checkFromName(in.FromName); err != nil {
		return d, err
	}
	if in.InReplyTo != "" && !idSyntax.MatchString(in.InReplyTo) {
		return d, route.Invalid("in_reply_to", "in_reply_to must be the message_id of a message of this mailbox")
	}
	if in.Template != "" {
		return d.fill(in)
	}
	switch {
	case len(in.Variables) > 0:
		return d, route.Invalid("variables", "variables belong to a template: leave them out, or name the template")
	case in.Subject == "":
		return d, route.Invalid("subject", "subject is missing: give subject and html, or a template")
	case utf8.RuneCountInString(in.Subject) > wire.MaxSubject:
		return d, route.Invalid("subject", fmt.Sprintf("subject has more than %d characters", wire.MaxSubject))
	case strings.ContainsFunc(in.Subject, unicode.IsControl):
		return d, route.Invalid("subject", "subject must be one line, without control characters")
	}
	if err := checkBody("html", in.HTML); err != nil {
		return d, err
	}
	if strings.TrimSpace(in.HTML) == "" {
		return d, route.Invalid("html", "html is missing: text may go along with it, but not in its place")
	}
	if err := checkBody("text", in.Text); err != nil {
		return d, err
	}
	if d.text == "" {
		d.text = textOf(d.html)
	}
	var err error
	d.files, err = readFiles(in.Attachments)
	return d, err
}

// fill writes a template's letter.
func (d draft) fill(in wire.SendEmail) (draft, error) {
	for field, given := range map[string]bool{
		"subject": in.Subject != "", "html": in.HTML != "", "text": in.Text != "", "attachments": len(in.Attachments) > 0,
		"in_reply_to": in.InReplyTo != "",
	} {
		if given {
			return d, route.Invalid(field, field+" cannot go along with a template: leave one of them out")
		}
	}
	var err error
	d.subject, d.html, d.text, err = letter(in.Template, in.Variables)
	return d, err
}

func checkRecipient(to string) error {
	switch {
	case to == "":
		return route.Invalid("to", "to is missing: give one address such as ana@example.com")
	case len(to) > wire.MaxRecipient:
		return route.Invalid("to", fmt.Sprintf("to has more than %d characters", wire.MaxRecipient))
	case strings.ContainsFunc(to, func(r rune) bool { return r > unicode.MaxASCII }):
		return route.Invalid("to", "to must be an ASCII address: write an international domain in its xn-- form")
	case !wire.ValidRecipient(to):
		return route.Invalid("to", "to must be one bare address such as ana@example.com, without a name")
	}
	return nil
}

func checkFromName(name string) error {
	switch {
	case utf8.RuneCountInString(name) > wire.MaxFromName:
		return route.Invalid("from_name", fmt.Sprintf("from_name has more than %d characters", wire.MaxFromName))
	case strings.ContainsAny(name, `<>"\`), strings.ContainsFunc(name, unicode.IsControl):
		return route.Invalid("from_name", `from_name must be one line without < > " \`)
	}
	return nil
}

func checkBody(field, body string) error {
	switch {
	case len(body) > wire.MaxMailBody:
		return route.Invalid(field, field+" has more than 1 MiB")
	case strings.ContainsRune(body, 0):
		return route.Invalid(field, field+" holds a NUL character")
	}
	return nil
}

func readFiles(in []wire.Attachment) ([]file, error) {
	if len(in) > wire.MaxAttachments {
		return nil, route.Invalid("attachments", fmt.Sprintf("a message has at most %d attachments", wire.MaxAttachments))
	}
	files, total := make([]file, 0, len(in)), 0
	for i, a := range in {
		field := func(name string) string { return fmt.Sprintf("attachments[%d].%s", i, name) }
		content, err := base64.StdEncoding.DecodeString(a.ContentBase64)
		switch {
		case err != nil:
			return nil, route.Invalid(field("content_base64"), "content_base64 must be standard base64")
		case !validFilename(a.Filename):
			return nil, route.Invalid(field("filename"), fmt.Sprintf(
				"filename must be a plain name of 1 to %d bytes, without slashes and invisible characters", wire.MaxAttachmentName))
		}
		if total += len(content); total > wire.MaxAttachmentSize {
			return nil, route.Invalid("attachments", "the attachments have more than 7 MiB together")
		}
		contentType, ok := contentTypeOf(a.ContentType, content)
		if !ok {
			return nil, route.Invalid(field("content_type"), "content_type must be one such as application/pdf, and no message")
		}
		if executable(a.Filename, contentType, content) {
			return nil, route.Invalid(field("filename"), "programs and scripts are not sent by mail: send a link instead")
		}
		files = append(files, file{name: a.Filename, contentType: contentType, content: content})
	}
	return files, nil
}

func validFilename(name string) bool {
	return name != "" && len(name) <= wire.MaxAttachmentName && name != "." && name != ".." &&
		strings.TrimSpace(name) != "" && !strings.ContainsAny(name, `/\"`) &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
}

// contentTypeOf is the type that was given, without parameters that nobody needs, else what the content looks like. A
// message within the message could not be encoded, RFC 2046 section 5.2.1.
func contentTypeOf(given string, content []byte) (string, bool) {
	if given == "" {
		given = http.DetectContentType(content)
	}
	kind, params, err := mime.ParseMediaType(given)
	major, minor, _ := strings.Cut(kind, "/")
	if err != nil || major == "" || minor == "" || len(kind) > 100 || major == "multipart" || major == "message" {
		return "", false
	}
	if charset := params["charset"]; charset != "" {
		kind = mime.FormatMediaType(kind, map[string]string{"charset": charset})
	}
	return kind, kind != ""
}

// executable reports whether a mail client could be made to run a file.
func executable(name, contentType string, content []byte) bool {
	extensions := strings.Fields(`.ade .adp .app .appx .apk .bat .chm .cmd .com .cpl .dll .dmg .exe .hta .ins .iso .isp
		.jar .js .jse .lib .lnk .mde .msc .msi .msix .msp .mst .nsh .pif .ps1 .reg .scr .sct .sh .shb .sys .vb .vbe .vbs
		.vhd .vxd .wsc .wsf .wsh`)
	types := strings.Fields(`application/x-msdownload application/x-executable application/x-sh application/x-msdos-program
		application/vnd.microsoft.portable-executable application/java-archive application/javascript text/javascript
		application/x-elf application/x-mach-binary application/x-dosexec application/x-bat`)
	kind, _, _ := strings.Cut(contentType, ";")
	extension := strings.ToLower(path.Ext(strings.TrimRight(name, ". ")))
	if slices.Contains(extensions, extension) || slices.Contains(types, strings.TrimSpace(kind)) {
		return true
	}
	for _, magic := range []string{"MZ", "\x7fELF", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "#!"} {
		if strings.HasPrefix(string(content[:min(len(content), len(magic))]), magic) {
			return true
		}
	}
	return false
}
