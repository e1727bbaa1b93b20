package wire

import "strings"

// Mailboxes is the path of mailboxes and what is sent from them, with the service key: section 7.
const Mailboxes = "/mailboxes/v1"

// Limits of mail, section 7.2. Lengths of texts that people see are in characters, all others in bytes.
const (
	MaxRecipient      = 320
	MaxSubject        = 998
	MaxMailBody       = 1 << 20 // of HTML, and of text
	MaxFromName       = 78
	MaxAttachments    = 5
	MaxAttachmentName = 255
	MaxAttachmentSize = 7 << 20 // of all together, decoded
	MaxMessagesListed = 200
)

// ValidRecipient reports whether a text is one bare ASCII address, as ana@example.com: without a name, a list, quotes
// or anything else that a header, a command or a pattern could mistake for another.
func ValidRecipient(to string) bool {
	local, domain, ok := strings.Cut(to, "@")
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>(),:;@\\[]`, r) }
	return ok && local != "" && domain != "" && len(to) <= MaxRecipient && !strings.ContainsFunc(local+domain, odd) &&
		!strings.HasPrefix(local, ".") && !strings.HasSuffix(local, ".") && !strings.Contains(to, "..") &&
		!strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

// States of a Message. Kept is ours: the outbox has it, and nobody was sent it.
const (
	MailPending  = "pending"
	MailSent     = "sent"
	MailKept     = "kept"
	MailFailed   = "failed"
	MailBounced  = "bounced"
	MailReceived = "received"
)

// Directions of a Message.
const (
	Outbound = "outbound"
	Inbound  = "inbound"
)

// Readiness of a provider of mail: Status is ProviderConfigured, ProviderNotConfigured or ProviderMisconfigured.
type Readiness struct {
	Status     string `json:"status"`
	Provider   string `json:"provider"` // "outbox", "smtp", …
	FromDomain string `json:"from_domain,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// What a Readiness may say.
const (
	ProviderConfigured    = "configured"
	ProviderNotConfigured = "not_configured"
	ProviderMisconfigured = "misconfigured"
)

// Mailbox is an address that a project sends from, section 7.1. Status is active, suspended or tombstoned.
type Mailbox struct {
	MailboxID            string     `json:"mailbox_id"`
	Slug                 string     `json:"slug"`
	ProjectID            string     `json:"project_id"`
	Status               string     `json:"status"`
	FooterPolicy         string     `json:"footer_policy"`
	Address              string     `json:"address"`
	IsDefaultOutbound    bool       `json:"is_default_outbound"`
	CanSend              *bool      `json:"can_send"` // hosted backends of old leave it out, which means yes
	SendBlockedReason    *string    `json:"send_blocked_reason"`
	CanReceive           bool       `json:"can_receive"`
	ReceiveBlockedReason *string    `json:"receive_blocked_reason"`
	ProviderReadiness    *Readiness `json:"provider_readiness"`
	InboundReadiness     *Readiness `json:"inbound_provider_readiness"`
	CreatedAt            string     `json:"created_at"`
	UpdatedAt            string     `json:"updated_at"`
	TombstonedAt         *string    `json:"tombstoned_at"`
}

// MailboxSettings are a project's.
type MailboxSettings struct {
	DefaultOutboundMailboxID *string `json:"default_outbound_mailbox_id"`
}

// MailboxList answers GET /mailboxes/v1, newest first.
type MailboxList struct {
	Mailboxes         []Mailbox       `json:"mailboxes"`
	Settings          MailboxSettings `json:"mailbox_settings"`
	ProviderReadiness *Readiness      `json:"provider_readiness"`
	InboundReadiness  *Readiness      `json:"inbound_provider_readiness"`
	NextActions       []NextAction    `json:"next_actions"`
}

// SendEmail is what is sent to one recipient: Subject and HTML, or a Template with its Variables. Text is made of HTML
// when there is none. InReplyTo is the id of a message of the same mailbox.
type SendEmail struct {
	To          string         `json:"to"`
	Subject     string         `json:"subject,omitempty"`
	HTML        string         `json:"html,omitempty"`
	Text        string         `json:"text,omitempty"`
	Template    string         `json:"template,omitempty"`
	Variables   map[string]any `json:"variables,omitempty"` // texts, numbers and booleans
	FromName    string         `json:"from_name,omitempty"`
	InReplyTo   string         `json:"in_reply_to,omitempty"`
	Attachments []Attachment   `json:"attachments,omitempty"`
}

// Attachment is a file of a SendEmail.
type Attachment struct {
	Filename      string `json:"filename"`
	ContentBase64 string `json:"content_base64"`
	ContentType   string `json:"content_type,omitempty"`
}

// AttachmentMeta is what a Message says of a file.
type AttachmentMeta struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	SizeBytes   int64  `json:"size_bytes"`
}

// Message is a mail, section 7.3. Hosted Run402 calls its id "id": both are sent, and either is read.
type Message struct {
	MessageID         string           `json:"message_id"`
	ID                string           `json:"id"`
	MailboxID         string           `json:"mailbox_id"`
	Direction         string           `json:"direction"`
	FromAddress       string           `json:"from_address"`
	To                string           `json:"to"`
	Subject           string           `json:"subject"`
	BodyText          string           `json:"body_text"`
	Template          *string          `json:"template"`
	Status            string           `json:"status"`
	DeliveryState     string           `json:"delivery_state"`
	Provider          string           `json:"provider"`
	ProviderMessageID *string          `json:"provider_message_id"`
	Error             *string          `json:"error"` // ours: what the provider said last, if it said no
	Attachments       []AttachmentMeta `json:"attachments_meta"`
	InReplyTo         *string          `json:"in_reply_to_message_id"`
	CreatedAt         string           `json:"created_at"`
	UpdatedAt         string           `json:"updated_at"`
	SentAt            *string          `json:"sent_at"`
	ReceivedAt        *string          `json:"received_at"`
}

// MessageList is a page of messages, newest first.
type MessageList struct {
	Messages   []Message `json:"messages"`
	HasMore    bool      `json:"has_more"`
	NextCursor *string   `json:"next_cursor"`
}

// MailRefusal is what an Error about mail says besides, section 7.2.
type MailRefusal struct {
	SuppressionScope  string     `json:"suppression_scope,omitempty"`
	SuppressionReason string     `json:"suppression_reason,omitempty"`
	RetryAfterSeconds int        `json:"retry_after_seconds,omitempty"`
	Limit             int        `json:"limit,omitempty"`
	WindowMS          int64      `json:"window_ms,omitempty"`
	MessageID         string     `json:"message_id,omitempty"`
	DeliveryState     string     `json:"delivery_state,omitempty"`
	ProviderReadiness *Readiness `json:"provider_readiness,omitempty"`
}
