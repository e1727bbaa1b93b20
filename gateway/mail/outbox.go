package mail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/run402/functions-mcp/core/wire"
)

// OutboxDomain is what mail of an outbox is from, unless another domain is chosen: one that never exists, RFC 2606.
const OutboxDomain = "local.invalid"

// outbox keeps messages instead of sending them: as files that mail programs open.
type outbox struct{ dir string }

// NewOutbox returns the provider of a local project without a relay: every message becomes a file in a directory, which
// is made when the first one comes. Nobody is sent anything.
func NewOutbox(dir string) Provider { return outbox{dir} }

func (outbox) Readiness() wire.Readiness {
	return wire.Readiness{
		Status: wire.ProviderConfigured, Provider: "outbox",
		Reason: "mail is kept in the outbox and not sent: set RUN402_SMTP_URL to send it",
	}
}

func (outbox) Close() {}

// Send writes the file whole or not at all. A second time writes the same one.
func (o outbox) Send(_ context.Context, m Outgoing) (Receipt, error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return Receipt{}, fmt.Errorf("keep mail: %w", err)
	}
	tmp, err := os.CreateTemp(o.dir, ".*") // mode 0600
	if err != nil {
		return Receipt{}, fmt.Errorf("keep mail: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	_, err = tmp.Write(m.Raw)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return Receipt{}, fmt.Errorf("keep mail: %w", err)
	}
	name := filepath.Join(o.dir, m.Accepted.UTC().Format("20060102T150405Z")+"-"+m.ID+".eml")
	if err := os.Rename(tmp.Name(), name); err != nil {
		return Receipt{}, fmt.Errorf("keep mail: %w", err)
	}
	return Receipt{Status: wire.MailKept}, nil
}
