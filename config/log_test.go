package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestLoggerPicksItsFormat(t *testing.T) {
	for name, test := range map[string]struct {
		flags    LogFlags
		terminal bool
		json     bool
		colour   bool
	}{
		"a terminal":         {LogFlags{}, true, false, true},
		"no terminal":        {LogFlags{}, false, true, false},
		"auto on a terminal": {LogFlags{LogFormat: "auto"}, true, false, true},
		"text in a file":     {LogFlags{LogFormat: "text"}, false, false, false},
		"JSON on a terminal": {LogFlags{LogFormat: "json"}, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			test.flags.Logger(&out, test.terminal).Info("hello", "n", 1)
			if json.Valid(out.Bytes()) != test.json || strings.Contains(out.String(), "\x1b[") != test.colour ||
				!strings.Contains(out.String(), "hello") {
				t.Errorf("logged %q", &out)
			}
		})
	}
}

func TestLoggerKeepsToItsLevel(t *testing.T) {
	for level, want := range map[string]int{"": 3, "debug": 4, "info": 3, "warn": 2, "error": 1} {
		for _, terminal := range []bool{true, false} {
			var out bytes.Buffer
			log := LogFlags{LogLevel: level}.Logger(&out, terminal)
			log.Debug("m")
			log.Info("m")
			log.Warn("m")
			log.Error("m")
			if got := bytes.Count(out.Bytes(), []byte("\n")); got != want {
				t.Errorf("level %q: %d lines, want %d", level, got, want)
			}
		}
	}
}

func TestSecretShowsItselfNowhere(t *testing.T) {
	const plain = "s3cr3t"
	remote := Remote{AnonKey: plain, ServiceKey: plain, JWTSecret: plain}
	settings := Settings{Backend: remote, UserToken: plain}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s"} {
		for _, v := range []any{Secret(plain), &remote, remote, settings, []Secret{plain}, map[int]Secret{1: plain}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	marshalled, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(marshalled)
	for _, terminal := range []bool{true, false} {
		log := NewLogger(&out, terminal, 0, "auto")
		log.Info("m", "key", Secret(plain), "all", settings, "list", []Secret{plain})
		log.With("key", Secret(plain)).WithGroup("g").Info("m", "err", fmt.Errorf("with %v", Secret(plain)))
	}
	for _, shown := range []string{plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain)} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("the secret shows in\n%s", &out)
		}
	}
	if !strings.Contains(out.String(), redacted) || Secret(plain).Reveal() != plain {
		t.Error("the mark or the secret is missing")
	}
}
