package ai

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

func newApertium(t testing.TB) *Apertium {
	t.Helper()
	a := FindApertium()
	if a == nil {
		needed(t, "apertium is not installed")
	}
	pairs, err := a.Pairs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(pairs, "en-es") || !slices.Contains(pairs, "es-en") {
		needed(t, "apertium has no en-es and es-en")
	}
	return a
}

// needed skips where a developer has only Go, and fails where everything is meant to run.
func needed(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why + ", and this is CI: .ci/need apertium")
	}
	t.Skip(why + ": .ci/need apertium")
}

func TestApertiumTranslatesRealSentences(t *testing.T) {
	a := newAI(t, Options{Translator: newApertium(t)})
	for name, c := range map[string]struct {
		in   wire.Translate
		from string
		want []string // pieces of the translation
	}{
		"to Spanish":       {wire.Translate{Text: "The red house is very big.", To: "es", From: "en"}, "en", []string{"La casa roja es muy grande."}},
		"and back":         {wire.Translate{Text: "El gato bebe leche en la casa.", To: "en", From: "es"}, "es", []string{"The cat", "milk", "the house"}},
		"in upper case":    {wire.Translate{Text: "my friend", To: "ES", From: "EN"}, "en", []string{"i amigo"}},
		"detected English": {wire.Translate{Text: "I have two brothers and they live in the city.", To: "es"}, "en", []string{"dos hermanos", "ciudad"}},
		"detected Spanish": {wire.Translate{Text: "Tengo dos hermanos que viven en la ciudad.", To: "en"}, "es", []string{"two brothers", "city"}},
		"the same":         {wire.Translate{Text: "a house", To: "en", From: "en"}, "en", []string{"a house"}},
		"markup": {
			wire.Translate{Text: `Hello {name}, <a href="https://x.test/a_b">my friend</a> has %1$s & [one] {{ dollars }}.`, To: "es", From: "en"},
			"en", []string{"Hola {name}, ", `<a href="https://x.test/a_b">mi amigo</a>`, "%1$s", " & ", "{{ dollars }}."},
		},
		"what means something to Apertium": {
			wire.Translate{Text: `^house/$ \ @ [a] ] [ {b c} *home* < >`, To: "es", From: "en"}, "en",
			[]string{"^", "/", "$", `\`, "@", "] [", "< >"},
		},
		"paragraphs": {
			wire.Translate{Text: "The house\n\nThe dog\r\n- The cat\n", To: "es", From: "en"}, "en",
			[]string{"La casa\n\nEl perro\r\n- El gato\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := decode[wire.Translation](t, post(t, a, wire.AITranslate, c.in))
			for _, want := range c.want {
				if !strings.Contains(out.Text, want) {
					t.Errorf("%q became %q, without %q", c.in.Text, out.Text, want)
				}
			}
			if out.From != c.from || out.To != strings.ToLower(c.in.To) || out.Provider != "apertium" {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestApertiumSaysWhatItHas(t *testing.T) {
	a := newAI(t, Options{Translator: newApertium(t)})
	got := post(t, a, wire.AITranslate, wire.Translate{Text: "Hello", To: "ja", From: "en"})
	if !got.is(400, "INVALID_REQUEST") || !strings.Contains(got.body, "en-es") {
		t.Errorf("a pair that is not installed: %+v", got)
	}
	got = post(t, a, wire.AITranslate, wire.Translate{Text: "qwzx vfkjr plomb grzt", To: "es"})
	if !got.is(400, "INVALID_REQUEST") || got.refusal(t).Field != "from" {
		t.Errorf("a language that cannot be told: %+v", got)
	}
	if used := report(t, a).Translation.UsedWords; used != 0 {
		t.Errorf("%d words are counted, and none was translated", used)
	}
}

func TestApertiumGetsNothingOfOurEnvironment(t *testing.T) {
	script := t.TempDir() + "/apertium"
	if err := os.WriteFile(script, []byte("#!/bin/sh\nenv\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUN402_AI_API_KEY", "sk-secret")
	out, err := (&Apertium{program: script}).run(t.Context(), "")
	if err != nil || strings.Contains(out, "RUN402") || !strings.Contains(out, "PATH=") {
		t.Errorf("%v: %s", err, out)
	}
}
