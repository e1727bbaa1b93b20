package rest

import (
	"testing"
	"time"
)

func TestTimeSettings(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1500": 1500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "2 min": 2 * time.Minute, "1h": time.Hour,
		"100us": 100 * time.Microsecond, "0": 0, "": 0, "soon": 0,
	} {
		if got := timeSetting(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

func TestHoistedSettingsOnlyNarrowTime(t *testing.T) {
	s := Session{StatementTimeout: time.Second}
	s.hoist([]string{"statement_timeout=1h", "work_mem=4MB", "default_transaction_isolation=serializable"})
	if s.StatementTimeout != time.Second || s.Isolation != "serializable" {
		t.Errorf("got %v, %q", s.StatementTimeout, s.Isolation)
	}
	if s.hoist([]string{"statement_timeout=20ms"}); s.StatementTimeout != 20*time.Millisecond {
		t.Errorf("got %v", s.StatementTimeout)
	}
}
