package core

import (
	"context"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// sender returns the id of the mailbox to send from, and whether it was remembered.
func (e Email) sender(ctx context.Context, mailbox string) (id string, remembered bool, err error) {
	if isMailboxID(mailbox) {
		return mailbox, false, nil
	}
	if id = e.known.get(); mailbox == "" && id != "" {
		return id, true, nil
	}
	list, err := e.mailboxes(ctx, opDiscoverMailbox)
	if err != nil {
		return "", false, err
	}
	if mailbox != "" {
		box, err := pick(opSendEmail, list.Mailboxes, mailbox)
		return box.MailboxID, false, err
	}
	box, failure := discover(list)
	if failure != nil {
		return "", false, failure
	}
	e.known.set(box.MailboxID)
	return box.MailboxID, false, nil
}

func isMailboxID(s string) bool {
	rest, ok := strings.CutPrefix(s, "mbx_")
	return ok && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool { return !isWordRune(r) })
}

const severalMailboxes = "there are several mailboxes, and none is the default"

// discover chooses a mailbox by the later rules of section 7.1: the default, else the only one that can send.
func discover(list wire.MailboxList) (wire.Mailbox, *Error) {
	var none wire.Mailbox
	fail := func(code, message, hint string) *Error {
		e := notSent(opDiscoverMailbox, code, message, hint)
		e.Details, e.NextActions = addresses(list.Mailboxes), list.NextActions
		return e
	}
	blocked := func(b wire.Mailbox) bool {
		reason := ""
		if b.SendBlockedReason != nil {
			reason = *b.SendBlockedReason
		}
		ready := list.ProviderReadiness
		return reason == "provider_not_configured" || reason == "provider_misconfigured" ||
			ready != nil && (ready.Status == wire.ProviderNotConfigured || ready.Status == wire.ProviderMisconfigured)
	}
	provider := func() *Error {
		return fail(CodeMailProvider, "this backend cannot send mail now", "Its operator has to set a provider that works.")
	}
	if id := list.Settings.DefaultOutboundMailboxID; id != nil && *id != "" {
		i := slices.IndexFunc(list.Mailboxes, func(b wire.Mailbox) bool { return b.MailboxID == *id })
		switch {
		case i >= 0 && canSend(list.Mailboxes[i]):
			return list.Mailboxes[i], nil
		case i >= 0 && blocked(list.Mailboxes[i]):
			return none, provider()
		}
		return none, fail(CodeMailboxInvalid, "the default mailbox cannot send", "Name another, or change the default.")
	}
	ready := slices.DeleteFunc(slices.Clone(list.Mailboxes), func(b wire.Mailbox) bool { return !canSend(b) })
	switch {
	case len(ready) == 1:
		return ready[0], nil
	case len(ready) > 1:
		return none, fail(CodeMailboxAmbiguous, severalMailboxes, "Name the one to send from.")
	case len(list.Mailboxes) > 0 && blocked(list.Mailboxes[0]):
		return none, provider()
	}
	return none, fail(CodeMailboxRequired, "this project has no mailbox to send from", "Make one first.")
}

func canSend(b wire.Mailbox) bool {
	return (b.CanSend == nil || *b.CanSend) && b.Status != "suspended" && !gone(b)
}

func gone(b wire.Mailbox) bool { return b.Status == "tombstoned" || b.Status == "deleted" }

// reader returns the id of the mailbox to read: the named one, the default, or the only one.
func (e Email) reader(ctx context.Context, op, mailbox string) (string, error) {
	if isMailboxID(mailbox) {
		return mailbox, nil
	}
	list, err := e.mailboxes(ctx, op)
	if err != nil {
		return "", err
	}
	switch id := list.Settings.DefaultOutboundMailboxID; {
	case mailbox != "":
		box, err := pick(op, list.Mailboxes, mailbox)
		return box.MailboxID, err
	case id != nil && *id != "":
		return *id, nil
	case len(list.Mailboxes) == 1:
		return list.Mailboxes[0].MailboxID, nil
	}
	code, message, hint := CodeMailboxAmbiguous, severalMailboxes, "Name the one to read."
	if len(list.Mailboxes) == 0 {
		code, message, hint = CodeMailboxRequired, "this project has no mailbox", "Make one first."
	}
	failure := notSent(op, code, message, hint)
	failure.Details = addresses(list.Mailboxes)
	return "", failure
}

// pick finds a mailbox by its id, slug or address.
func pick(op string, boxes []wire.Mailbox, name string) (wire.Mailbox, error) {
	i := slices.IndexFunc(boxes, func(b wire.Mailbox) bool {
		return b.MailboxID == name || strings.EqualFold(b.Slug, name) || strings.EqualFold(b.Address, name)
	})
	if i >= 0 {
		return boxes[i], nil
	}
	e := notSent(op, CodeMailboxNotFound, "this project has no such mailbox", "Name one that there is, or make it.")
	e.Details = addresses(boxes)
	return wire.Mailbox{}, e
}

// addresses lists mailboxes as people know them.
func addresses(boxes []wire.Mailbox) string {
	all := make([]string, len(boxes))
	for i, b := range boxes {
		all[i] = b.Address
	}
	return strings.Join(all, ", ")
}
