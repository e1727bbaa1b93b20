package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"strings"
)

// stepError is what went wrong at one step of the talk with a relay.
type stepError struct {
	step string // connect, EHLO, STARTTLS, login, MAIL, RCPT, DATA
	err  error
}

func step(name string, err error) error { return &stepError{name, err} }

func (e *stepError) Error() string { return "the relay, at " + e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// classified makes a Rejection of what no second try will mend. What is wrong between us and the relay, and not with
// the message, is never one: the operator can mend it, and messages wait for that.
func (s *SMTP) classified(ctx context.Context, err error) error {
	var (
		at    *stepError
		reply *textproto.Error
	)
	if ctx.Err() != nil {
		return fmt.Errorf("the relay did not answer in time: %w", context.Cause(ctx))
	}
	if !errors.As(err, &at) {
		return err
	}
	replied := errors.As(err, &reply)
	if at.step == "login" && (!replied || reply.Code >= 500) {
		s.note("the relay does not let us in: " + *shortened(at.err.Error()))
		return err
	}
	if !replied || reply.Code < 500 {
		return err
	}
	switch at.step {
	case "MAIL", "RCPT", "DATA":
	default:
		return err
	}
	switch reply.Code {
	case 503, 530, 535, 538: // out of step, or it wants a login first
		return err
	}
	return &Rejection{Text: at.Error(), Bounce: at.step == "RCPT" && noSuchRecipient(reply)}
}

// described is what the log may know of a failure: the step and the relay's code, never its words, which may name the
// recipient.
func described(err error) slog.Attr {
	var (
		at    *stepError
		reply *textproto.Error
	)
	switch {
	case errors.As(err, &at) && errors.As(err, &reply):
		return slog.String("why", fmt.Sprintf("%d at %s", reply.Code, at.step))
	case errors.As(err, &at):
		return slog.String("why", "no answer at "+at.step)
	case errors.As(err, new(*net.OpError)):
		return slog.String("why", "no connection")
	}
	return slog.String("why", fmt.Sprintf("%T", err))
}

// noSuchRecipient tells an address that is not from a recipient that is refused for other reasons: by the enhanced code
// (RFC 3463: 5.1.x is about the address, 5.2.1 a mailbox that is closed), else by the plain one.
func noSuchRecipient(reply *textproto.Error) bool {
	enhanced, _, _ := strings.Cut(reply.Msg, " ")
	if strings.HasPrefix(enhanced, "5.") && strings.Count(enhanced, ".") == 2 {
		return enhanced == "5.2.1" || strings.HasPrefix(enhanced, "5.1.") && enhanced != "5.1.7" && enhanced != "5.1.8"
	}
	return reply.Code == 550 || reply.Code == 551 || reply.Code == 553
}
