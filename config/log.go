package config

import (
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
)

// LogFlags say how much is logged, and how.
type LogFlags struct {
	LogLevel  string `var:"RUN402_LOG" enum:"debug,info,warn,error" default:"info" help:"Log from this level: ${enum}."`
	LogFormat string `var:"RUN402_LOG_FORMAT" enum:"auto,text,json" default:"auto" help:"Log as ${enum}."`
}

// Logger returns the logger that the flags ask for. Zero flags are the defaults.
func (f LogFlags) Logger(w io.Writer, isTerminal bool) *slog.Logger {
	var level slog.Level                        // info
	_ = level.UnmarshalText([]byte(f.LogLevel)) // one of the enum
	return NewLogger(w, isTerminal, level, f.LogFormat)
}

// NewLogger logs to w from the given level: as text when the format is "text", as JSON when it is "json", else as text
// on a terminal and JSON otherwise. Text has colours on a terminal only. A Secret hides itself in either.
func NewLogger(w io.Writer, isTerminal bool, level slog.Level, format string) *slog.Logger {
	if format == "text" || isTerminal && format != "json" {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, NoColor: !isTerminal}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
