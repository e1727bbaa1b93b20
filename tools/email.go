package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"path"
	"strings"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/wire"
)

// emailTools send and read the project's mail, with the service key.
func (s *Set) emailTools() []*tool {
	return []*tool{
		define(spec{
			name: "create_mailbox", toolset: ToolsetEmail, plane: planeService,
			description: "Make an address for the project to send from. It has at most five.",
		}, s.createMailbox),
		define(spec{
			name: "list_mailboxes", toolset: ToolsetEmail, plane: planeService, hints: reads(),
			description: "List the project's addresses, which one is the default, and whether mail can be sent.",
		}, s.listMailboxes),
		define(spec{
			name: "send_email", toolset: ToolsetEmail, plane: planeService, hints: hints{openWorld: true},
			description: "Send one mail from the project's mailbox: subject with html or text, or a template. " +
				"Nobody can take it back.",
		}, s.sendEmail),
		define(spec{
			name: "list_emails", toolset: ToolsetEmail, plane: planeService, needsRole: true, hints: reads(),
			description: "List a mailbox's mail, newest first, without bodies: get_email reads one.",
		}, s.listEmails),
		define(spec{
			name: "get_email", toolset: ToolsetEmail, plane: planeService, needsRole: true, hints: reads(),
			description: "Read one mail, with what became of it.",
		}, s.getEmail),
	}
}

type createMailboxInput struct {
	Slug string `json:"slug" jsonschema:"required" doc:"Before the @: 3 to 63 of a-z 0-9 -"`
}

type mailboxOut struct {
	MailboxID string `json:"mailbox_id"`
	Address   string `json:"address"`
	Default   bool   `json:"default,omitempty"`
	CanSend   bool   `json:"can_send"`
	Blocked   string `json:"blocked,omitempty"`
}

func showMailbox(b wire.Mailbox) mailboxOut {
	out := mailboxOut{MailboxID: b.MailboxID, Address: b.Address, Default: b.IsDefaultOutbound}
	out.CanSend = b.CanSend == nil || *b.CanSend
	if b.SendBlockedReason != nil {
		out.Blocked = *b.SendBlockedReason
	}
	return out
}

func (s *Set) createMailbox(ctx context.Context, in createMailboxInput) (mailboxOut, error) {
	made, err := s.o.Client.Email().CreateMailbox(ctx, strings.TrimSpace(in.Slug))
	return showMailbox(made), err
}

type mailboxesOut struct {
	Mailboxes []mailboxOut `json:"mailboxes"`
	Provider  string       `json:"provider,omitempty"`
	Notice    string       `json:"notice,omitempty"`
}

func (s *Set) listMailboxes(ctx context.Context, _ struct{}) (mailboxesOut, error) {
	list, err := s.o.Client.Email().Mailboxes(ctx)
	out := mailboxesOut{Mailboxes: []mailboxOut{}}
	for _, b := range list.Mailboxes {
		shown := showMailbox(b)
		id := list.Settings.DefaultOutboundMailboxID
		shown.Default = shown.Default || id != nil && *id == b.MailboxID
		out.Mailboxes = append(out.Mailboxes, shown)
	}
	if r := list.ProviderReadiness; r != nil {
		out.Provider, out.Notice = r.Provider, r.Reason
	}
	if len(list.Mailboxes) == 0 && out.Notice == "" && s.has("create_mailbox") {
		out.Notice = "There is no mailbox yet: create_mailbox makes one."
	}
	return out, err
}

type sendEmailInput struct {
	To          string          `json:"to" jsonschema:"required" doc:"One address, without a name"`
	Subject     string          `json:"subject" doc:"Not with a template"`
	HTML        string          `json:"html"`
	Text        string          `json:"text" doc:"Instead of html, or beside it"`
	Template    mailTemplate    `json:"template"`
	Variables   json.RawMessage `json:"variables"`
	FromName    string          `json:"from_name"`
	InReplyTo   string          `json:"in_reply_to" doc:"message_id"`
	Mailbox     string          `json:"mailbox" doc:"Address to send from; default the project's"`
	Attachments []attachment    `json:"attachments" doc:"At most 5, 7 MiB in all"`
}

type attachment struct {
	Filename    string `json:"filename" jsonschema:"required"`
	Content     string `json:"content_base64" jsonschema:"required"`
	ContentType string `json:"content_type"`
}

// target is where the mail goes, as far as an audit may know: the domain.
func (in sendEmailInput) target() string {
	_, domain, _ := strings.Cut(in.To, "@")
	return "@" + domain
}

// sentOut is a mail that was accepted.
type sentOut struct {
	MessageID string `json:"message_id"`
	Status    string `json:"status"` // sent, pending, kept, …
	From      string `json:"from,omitempty"`
	To        string `json:"to"`
	Notice    string `json:"notice,omitempty"`
}

func (s *Set) sendEmail(ctx context.Context, in sendEmailInput) (sentOut, error) {
	if err := s.mayWriteTo(in.To); err != nil {
		return sentOut{}, err
	}
	mail := wire.SendEmail{
		To: in.To, Subject: in.Subject, HTML: in.HTML, Text: in.Text, Template: string(in.Template), FromName: in.FromName,
		InReplyTo: in.InReplyTo,
	}
	if !isNull(in.Variables) && json.Unmarshal(in.Variables, &mail.Variables) != nil {
		return sentOut{}, wrongType("variables", "an object", in.Variables)
	}
	if mail.HTML == "" && mail.Text != "" {
		mail.HTML = "<p>" + strings.ReplaceAll(html.EscapeString(mail.Text), "\n", "<br>\n") + "</p>"
	}
	for _, a := range in.Attachments {
		mail.Attachments = append(mail.Attachments, wire.Attachment{
			Filename: a.Filename, ContentBase64: a.Content, ContentType: a.ContentType,
		})
	}
	sent, err := s.o.Client.Email().Send(ctx, in.Mailbox, mail)
	out := sentOut{MessageID: sent.MessageID, Status: sent.Status, From: sent.FromAddress, To: in.To}
	switch sent.Status {
	case wire.MailKept:
		out.Notice = "It was kept in this local project's outbox and sent to nobody: there is no relay (RUN402_SMTP_URL)."
	case wire.MailPending:
		out.Notice = "It was accepted and waits for the relay, also across restarts."
		if s.has("get_email") {
			out.Notice += " get_email tells what became of it."
		}
	}
	return out, err
}

// mayWriteTo holds a recipient to the operator's list.
func (s *Set) mayWriteTo(to string) error {
	if len(s.o.EmailAllow) == 0 {
		return nil
	}
	// What is no plain address could mean another recipient to the backend than it does to a pattern.
	if wire.ValidRecipient(to) {
		for _, pattern := range s.o.EmailAllow {
			if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(to)); err == nil && ok {
				return nil
			}
		}
	}
	return &failure{
		Code: codeRecipient, Argument: "to", Message: "mail to this recipient is not allowed on this server",
		Valid: s.o.EmailAllow, MutationState: "not_started",
		NextStep: "Write to somebody on the list, or tell the person that the operator decides about it (--email-allow).",
	}
}

type listEmailsInput struct {
	Mailbox   string        `json:"mailbox" doc:"Address; default the project's"`
	Direction mailDirection `json:"direction"`
	Limit     int           `json:"limit" jsonschema:"minimum=1,maximum=200,default=25"`
	After     string        `json:"after" doc:"next_cursor of the page before"`
}

func (s *Set) listEmails(ctx context.Context, in listEmailsInput) (letters, error) {
	list, err := s.o.Client.Email().Messages(ctx, core.MessageQuery{
		Mailbox: in.Mailbox, Direction: string(in.Direction), Limit: in.Limit, After: in.After,
	})
	return letters{list}, err
}

type getEmailInput struct {
	MessageID string `json:"message_id" jsonschema:"required"`
}

func (s *Set) getEmail(ctx context.Context, in getEmailInput) (letter, error) {
	found, err := s.o.Client.Email().Message(ctx, "", strings.TrimSpace(in.MessageID))
	return letter(found), err
}

// explainEmail names the tool that helps, where there is one.
func (s *Set) explainEmail(f *failure) {
	makes := s.has("create_mailbox")
	switch f.Code {
	case core.CodeMailboxRequired:
		if f.NextStep = "The operator has to make a mailbox for this project."; makes {
			f.NextStep = "Make one with create_mailbox, for example with the slug notifications."
		}
	case core.CodeMailboxNotFound:
		if makes {
			f.advise("create_mailbox makes one.")
		}
		f.suggestMailbox()
	case core.CodeMailboxAmbiguous, core.CodeMailboxInvalid:
		f.NextStep = "Name the mailbox to use."
		f.suggestMailbox()
	case "RECIPIENT_SUPPRESSED":
		f.NextStep = "Do not try this address again: mail to it came back, or the recipient wants none. Tell the person."
	case "MAILBOX_SEND_RATE_LIMITED":
		f.NextStep = fmt.Sprintf("Wait %d s before the next mail.", f.RetryAfter)
	case "AUTHENTICATION_REQUIRED", "UNAUTHORIZED", "FORBIDDEN":
		f.advise("The service key was refused: the operator has to set the project's current one.")
	}
}

// suggestMailbox makes the choice of what core lists.
func (f *failure) suggestMailbox() {
	if f.Details != "" {
		f.Valid, f.Argument = strings.Split(f.Details, ", "), "mailbox"
		f.Details = ""
	}
}
