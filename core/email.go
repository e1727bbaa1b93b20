package core

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/run402/functions-mcp/core/wire"
)

// Codes of failures to choose a mailbox, which core finds itself: section 7.1, the later rules.
const (
	CodeMailboxRequired  = "DEFAULT_MAILBOX_REQUIRED" // there is none, or none that can send
	CodeMailboxInvalid   = "DEFAULT_MAILBOX_INVALID"  // the default cannot send
	CodeMailboxAmbiguous = "AMBIGUOUS_MAILBOX"        // several, and none is the default
	CodeMailProvider     = "PROVIDER_NOT_CONFIGURED"
	CodeMailboxNotFound  = "MAILBOX_NOT_FOUND"
)

const (
	opSendEmail       = "send email"
	opDiscoverMailbox = "discover mailbox"
)

// Email is the project's mail, with the service key: section 7.
type Email struct {
	conn  *conn
	plane adminPlane
	known *knownMailbox
}

// Email returns the project's mail. Without a service key every call fails with code SERVICE_KEY_MISSING.
func (c *Client) Email() Email { return Email{conn: c.conn, plane: c.admin, known: c.mailbox} }

// knownMailbox remembers which mailbox mail is from that names none.
type knownMailbox struct {
	mu    sync.Mutex
	id    string
	until time.Time
}

const mailboxKnownFor = time.Minute

func (k *knownMailbox) get() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().After(k.until) {
		return ""
	}
	return k.id
}

func (k *knownMailbox) set(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.id, k.until = id, time.Now().Add(mailboxKnownFor)
}

// Send sends a mail from a mailbox, named by its id, slug or address. Without a name it is the project's default, else
// the only one that can send; which one that is is remembered for a minute. The answer's Status says how far the mail
// came: sent, pending, or kept by a local project that sends none. Its error's text is that of @run402/functions.
func (e Email) Send(ctx context.Context, mailbox string, mail wire.SendEmail) (wire.Message, error) {
	body, err := encode(mail)
	if err != nil {
		return wire.Message{}, notSent(opSendEmail, CodeInvalidRequest, "the mail cannot be encoded: "+err.Error(), "")
	}
	id, remembered, err := e.sender(ctx, mailbox)
	if err != nil {
		return wire.Message{}, err
	}
	sent, err := e.send(ctx, id, body)
	if !isMailboxGone(err) {
		return sent, err
	}
	e.known.set("")
	if !remembered {
		return sent, err
	}
	// It was deleted in between: nothing was sent, and there may be another.
	if id, _, err = e.sender(ctx, ""); err != nil {
		return wire.Message{}, err
	}
	return e.send(ctx, id, body)
}

func (e Email) send(ctx context.Context, id string, body []byte) (wire.Message, error) {
	var sent wire.Message
	err := e.do(ctx, opSendEmail, http.MethodPost, mailboxPath(id)+"/messages", "", body, &sent)
	return named(sent), err
}

func isMailboxGone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound
}

// Mailboxes lists the project's mailboxes and what the backend says about sending.
func (e Email) Mailboxes(ctx context.Context) (wire.MailboxList, error) {
	return e.mailboxes(ctx, "list mailboxes")
}

func (e Email) mailboxes(ctx context.Context, op string) (list wire.MailboxList, err error) {
	err = e.do(ctx, op, http.MethodGet, wire.Mailboxes, "", nil, &list)
	list.Mailboxes = slices.DeleteFunc(list.Mailboxes, func(b wire.Mailbox) bool { return gone(b) })
	return list, err
}

// CreateMailbox makes a mailbox of a name, section 7.1.
func (e Email) CreateMailbox(ctx context.Context, slug string) (wire.Mailbox, error) {
	var made wire.Mailbox
	body, err := encode(map[string]string{"slug": slug})
	if err != nil {
		return made, err
	}
	err = e.do(ctx, "create mailbox", http.MethodPost, wire.Mailboxes, "", body, &made)
	e.known.set("")
	return made, err
}

// MessageQuery says which messages are meant. The zero value means the newest, as many as the backend likes.
type MessageQuery struct {
	Mailbox   string // id, slug or address; empty is the default, or the only one
	Direction string // wire.Inbound, wire.Outbound, or both
	Limit     int    // at most wire.MaxMessagesListed
	After     string // the NextCursor of the page before
}

// Messages lists a mailbox's messages, newest first.
func (e Email) Messages(ctx context.Context, q MessageQuery) (wire.MessageList, error) {
	const op = "list emails"
	box, err := e.reader(ctx, op, q.Mailbox)
	if err != nil {
		return wire.MessageList{}, err
	}
	query := url.Values{}
	for name, value := range map[string]string{"direction": q.Direction, "after": q.After} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	var raw json.RawMessage
	path := mailboxPath(box) + "/messages"
	if err := e.do(ctx, op, http.MethodGet, path, query.Encode(), nil, &raw); err != nil {
		return wire.MessageList{}, err
	}
	var list wire.MessageList
	into := any(&list)
	if !isObject(raw) { // an array, as hosted backends of old
		into = &list.Messages
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return list, invalidAnswer(op, http.StatusOK, err)
	}
	for i := range list.Messages {
		list.Messages[i] = named(list.Messages[i])
	}
	return list, nil
}

// Message returns one message of a mailbox, or, when no mailbox is named, of whichever has it.
func (e Email) Message(ctx context.Context, mailbox, id string) (wire.Message, error) {
	const op = "get email"
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return !isWordRune(r) && r != '-' }) {
		return wire.Message{}, notSent(op, CodeInvalidRequest, "this is no id of a message",
			"List the messages: each has one.")
	}
	list, err := e.mailboxes(ctx, op)
	if err != nil {
		return wire.Message{}, err
	}
	boxes := list.Mailboxes
	if mailbox != "" {
		box, err := pick(op, boxes, mailbox)
		if err != nil {
			return wire.Message{}, err
		}
		boxes = []wire.Mailbox{box}
	}
	err = notSent(op, CodeMailboxRequired, "this project has no mailbox", "Make one first.")
	for _, box := range boxes {
		var found wire.Message
		err = e.do(ctx, op, http.MethodGet, mailboxPath(box.MailboxID)+"/messages/"+id, "", nil, &found)
		if err == nil || !isMailboxGone(err) {
			return named(found), err
		}
	}
	return wire.Message{}, err
}

// named fills in the id of a message under both names.
func named(m wire.Message) wire.Message {
	if m.MessageID == "" {
		m.MessageID = m.ID
	}
	m.ID = m.MessageID
	return m
}

func (e Email) do(ctx context.Context, op, method, path, query string, body []byte, into any) error {
	header, err := e.plane.bearer(op)
	if err != nil {
		return err
	}
	if body != nil {
		header["Content-Type"] = []string{"application/json"}
	}
	req := request{
		op: op, method: method, path: path, query: query, header: header, body: body, reads: method == http.MethodGet,
	}
	ans, err := e.conn.send(ctx, req)
	if err != nil {
		return mailError(err)
	}
	if err := json.Unmarshal(ans.body, into); err != nil {
		return invalidAnswer(op, ans.status, err)
	}
	return nil
}

// mailError makes a failure's text that of @run402/functions, which shows body.error.
func mailError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Body != nil {
		var b answerBody
		decodeLoosely(e.Body, &b)
		if b.Error != "" && !strings.ContainsFunc(b.Error, func(r rune) bool { return !isWordRune(r) }) {
			e.remote = b.Error
		}
	}
	return err
}

func mailboxPath(id string) string { return wire.Mailboxes + "/" + id }
