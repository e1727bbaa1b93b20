package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway/mail"
)

// mailProvider is how mail leaves a project of this program's, and the domain that it is from: a relay, or an outbox
// where there is a place for one.
func mailProvider(b config.Backend, projectID string) (provider mail.Provider, domain string) {
	settings, dir := mailSettings(b, projectID)
	if domain = settings.FromDomain; domain == "" {
		domain = mail.OutboxDomain
	}
	switch relay := settings.Relay; {
	case relay != nil:
		return mail.NewSMTP(mail.Relay{
			Host: relay.Host, Port: relay.Port, User: relay.User, Password: relay.Password.Reveal(), TLS: mail.TLS(relay.TLS),
			Hello: domain,
		}), domain
	case dir != "":
		return mail.NewOutbox(dir), domain
	}
	return nil, domain
}

// mailSettings are the operator's, and the directory of the outbox.
func mailSettings(b config.Backend, projectID string) (settings config.Mail, outbox string) {
	switch b := b.(type) {
	case config.Local:
		return b.Mail, filepath.Join(b.Dir, "outbox")
	case config.Database:
		if b.DataDir != "" {
			outbox = filepath.Join(b.DataDir, ".outbox", projectID)
		}
		return b.Mail, outbox
	}
	return config.Mail{}, ""
}

// mail logs in to the relay, if there is one, and sends nothing.
func (r *report) mail(ctx context.Context, b config.Backend, projectID string) {
	provider, domain := mailProvider(b, projectID)
	if provider == nil {
		r.good("mail", "cannot be sent: set RUN402_SMTP_URL")
		return
	}
	defer provider.Close()
	relay, ok := provider.(*mail.SMTP)
	if !ok {
		_, outbox := mailSettings(b, projectID)
		r.good("mail", "is kept in "+outbox+" and not sent; RUN402_SMTP_URL sends it")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := relay.Check(ctx); err != nil {
		r.bad("mail", fmt.Errorf("%w: check RUN402_SMTP_URL", err))
		return
	}
	r.good("mail", "the relay lets us in; mail is from "+domain)
}
