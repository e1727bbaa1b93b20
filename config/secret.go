package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a key or token that prints as nothing but a mark, however it is printed, logged or marshalled. Keep it in
// exported fields, and out of the keys of maps: fmt and encoding/json reach those past every method.
type Secret string

const redacted = "[secret]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a mark.
func (s Secret) String() string { return redacted }

// Format prints a mark for every verb; String alone would leave out the wrong ones, such as %d.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs a mark.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText marshals to a mark.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
