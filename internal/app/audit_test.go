package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/tools"
)

func TestWhatTheServiceRoleDidIsLoggedAtEveryLevel(t *testing.T) {
	var log bytes.Buffer
	a := audit{log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))}
	a.Record(t.Context(), tools.Event{Tool: "query_table", Plane: "caller", Outcome: "ok"})
	a.Record(t.Context(), tools.Event{Tool: "admin_sql", Plane: "admin", Outcome: "ROLE_FORBIDDEN"})
	a.Record(t.Context(), tools.Event{Tool: "delete_asset", Plane: "service", Outcome: "ok"})
	if text := log.String(); strings.Contains(text, "query_table") || !strings.Contains(text, `"audit":{`) ||
		!strings.Contains(text, `"tool":"admin_sql"`) || !strings.Contains(text, "ROLE_FORBIDDEN") ||
		!strings.Contains(text, "delete_asset") {
		t.Errorf("the log is\n%s", text)
	}
}
