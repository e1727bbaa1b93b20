package rest

import (
	"strings"
	"time"
)

// hoist takes from what a function sets for its run ("name=value") that which PostgreSQL would apply too late, for the
// whole call: the isolation of its transaction, and a shorter limit of time.
func (s *Session) hoist(settings []string) {
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "default_transaction_isolation":
			switch level := strings.ToLower(value); level {
			case "serializable", "repeatable read", "read committed":
				s.Isolation = level
			}
		case "statement_timeout":
			if limit := timeSetting(value); limit > 0 && (s.StatementTimeout == 0 || limit < s.StatementTimeout) {
				s.StatementTimeout = limit
			}
		}
	}
}

// timeSetting reads a time as PostgreSQL's settings have it: "1500" milliseconds, "1.5s", "2 min", "1h". What it does
// not read is 0.
func timeSetting(text string) time.Duration {
	text = strings.Replace(strings.ReplaceAll(text, " ", ""), "min", "m", 1)
	if strings.Trim(text, "0123456789.") == "" {
		text += "ms"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}
