package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/auth"
)

// Mail is how a local project's mail leaves. Without a Relay it does not: it is kept in an outbox.
type Mail struct {
	Relay      *Relay
	FromDomain string // of the mailboxes' addresses; may be empty without a Relay
}

// Relay is the SMTP server of RUN402_SMTP_URL.
type Relay struct {
	Host     string
	Port     int
	User     string // empty means no login
	Password Secret
	TLS      string // "" for STARTTLS where it is offered, "required" for STARTTLS, "implicit", or "off"
}

const smtpExample = "want one such as smtp://user:password@smtp.example.com:587 or smtps://smtp.example.com"

var domainLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// isDomain tells a domain of mail: labels of letters, digits and hyphens, with a dot between them.
func isDomain(name string) bool {
	labels := strings.Split(name, ".")
	return len(name) <= 253 && len(labels) > 1 && !slices.ContainsFunc(labels, func(label string) bool {
		return len(label) > 63 || !domainLabel.MatchString(label)
	})
}

// readMail takes RUN402_SMTP_URL and RUN402_EMAIL_FROM_DOMAIN.
func readMail(lookup Lookup) (Mail, error) {
	m := Mail{FromDomain: strings.ToLower(lookup.get("RUN402_EMAIL_FROM_DOMAIN"))}
	if m.FromDomain != "" && !isDomain(m.FromDomain) {
		return Mail{}, errors.New("RUN402_EMAIL_FROM_DOMAIN is no domain: want one such as example.com")
	}
	text := lookup.get("RUN402_SMTP_URL")
	if text == "" {
		return m, nil
	}
	relay, err := parseRelay(text)
	if err != nil {
		return Mail{}, err
	}
	m.Relay = &relay
	if _, domain, ok := strings.Cut(strings.ToLower(relay.User), "@"); ok && m.FromDomain == "" && isDomain(domain) {
		m.FromDomain = domain
	}
	if m.FromDomain == "" && !auth.IsLoopback(relay.Host) {
		return Mail{}, errors.New("RUN402_SMTP_URL is set without RUN402_EMAIL_FROM_DOMAIN, and mail must be from " +
			"somewhere: set the domain that the relay sends for, such as example.com")
	}
	return m, nil
}

// parseRelay never repeats the URL, which holds a password.
func parseRelay(text string) (Relay, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" {
		return Relay{}, errors.New("RUN402_SMTP_URL is not the URL of a relay: " + smtpExample)
	}
	if u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return Relay{}, errors.New("RUN402_SMTP_URL must end with its host and port: " + smtpExample)
	}
	r := Relay{Host: u.Hostname(), Port: 587, User: u.User.Username()}
	if password, ok := u.User.Password(); ok {
		r.Password = Secret(password)
	}
	if u.Scheme == "smtps" {
		r.Port, r.TLS = 465, "implicit"
	}
	if text := u.Port(); text != "" {
		if r.Port, err = strconv.Atoi(text); err != nil || r.Port < 1 || r.Port > 65535 {
			return Relay{}, errors.New("RUN402_SMTP_URL has no port that can be: " + smtpExample)
		}
	}
	for name, values := range u.Query() {
		switch {
		case name != "tls":
			return Relay{}, fmt.Errorf("RUN402_SMTP_URL has the parameter %q, and there is only tls", name)
		case r.TLS == "implicit" || len(values) != 1 || values[0] != "required" && values[0] != "off":
			return Relay{}, errors.New("RUN402_SMTP_URL: tls can be required or off, with smtp://; smtps:// is TLS by itself")
		}
		r.TLS = values[0]
	}
	if (r.User == "") != (r.Password == "") {
		return Relay{}, errors.New("RUN402_SMTP_URL has a user without a password, or a password without a user: " +
			smtpExample)
	}
	return r, nil
}

// checkEmailAllow holds the patterns of --email-allow to what they can mean: one address, with * for any characters.
func (s Settings) checkEmailAllow() error {
	if s.EmailAllow != nil && len(s.EmailAllow) == 0 {
		return errors.New("--email-allow names nobody: give addresses or patterns such as *@example.com, or leave it out " +
			"to allow all")
	}
	for _, pattern := range s.EmailAllow {
		if strings.Count(pattern, "@") != 1 || strings.HasSuffix(pattern, "@") || strings.HasPrefix(pattern, "@") ||
			strings.ContainsAny(pattern, ` ?[]\"<>(),:;`) {
			return fmt.Errorf("--email-allow: %q is neither an address nor a pattern such as *@example.com", pattern)
		}
	}
	return nil
}
