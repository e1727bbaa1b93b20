package ai

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
)

// echo is a provider of everything that answers what it is asked.
type echo struct{ fails error }

func (e *echo) Name() string { return "echo" }

func (e *echo) Translate(_ context.Context, in wire.Translate) (wire.Translation, error) {
	return wire.Translation{Text: in.Text, From: "en", To: in.To}, e.fails
}

func (e *echo) Moderate(context.Context, string) (wire.Moderation, error) {
	return wire.Moderation{Categories: map[string]bool{}, CategoryScores: map[string]float64{}}, e.fails
}

func (e *echo) Paint(context.Context, string, string) (wire.Image, error) {
	return wire.Image{Image: []byte("bytes"), ContentType: "image/png"}, e.fails
}

// A client that repeats what is safe to retry must neither pay for an image twice nor multiply the tries made here.
func TestNoFailureOfAProviderIsSafeToRetry(t *testing.T) {
	a, e := newEcho(t, Options{})
	for cause, state := range map[Cause]string{
		CauseAccess: "none", CauseRejected: "none", CauseContent: "none", CauseLimited: "none",
		CauseDown: "unknown", CauseTimeout: "unknown", CauseAnswer: "unknown",
	} {
		e.fails = &Failure{Cause: cause}
		got := post(t, a, wire.GenerateImage, wire.ImageRequest{Prompt: "a house"}).refusal(t)
		if got.Code != string(cause) || got.SafeToRetry || got.MutationState != state {
			t.Errorf("%s: %+v", cause, got)
		}
	}
}

func newEcho(t testing.TB, o Options) (*AI, *echo) {
	e := &echo{}
	o.Translator, o.Moderator, o.Painter = e, e, e
	return newAI(t, o), e
}

func TestBadInputIsRefusedWithItsField(t *testing.T) {
	a, _ := newEcho(t, Options{})
	long := strings.Repeat("é", 10000)
	for name, c := range map[string]struct {
		path, field string
		body        any
	}{
		"no text":                    {wire.AITranslate, "text", wire.Translate{To: "es"}},
		"blanks":                     {wire.AITranslate, "text", wire.Translate{Text: " \n", To: "es"}},
		"10001 characters":           {wire.AITranslate, "text", wire.Translate{Text: long + "e", To: "es"}},
		"a NUL":                      {wire.AITranslate, "text", wire.Translate{Text: "a\x00b", To: "es"}},
		"an escape":                  {wire.AITranslate, "text", wire.Translate{Text: "a\x1b[2Jb", To: "es"}},
		"no language":                {wire.AITranslate, "to", wire.Translate{Text: "a"}},
		"an unknown language":        {wire.AITranslate, "to", wire.Translate{Text: "a", To: "zz"}},
		"a language's name":          {wire.AITranslate, "to", wire.Translate{Text: "a", To: "spanish"}},
		"three letters":              {wire.AITranslate, "to", wire.Translate{Text: "a", To: "spa"}},
		"an unknown source":          {wire.AITranslate, "from", wire.Translate{Text: "a", To: "es", From: "xx"}},
		"a mode of Apertium's":       {wire.AITranslate, "from", wire.Translate{Text: "a", To: "es", From: "-l"}},
		"a long context":             {wire.AITranslate, "context", wire.Translate{Text: "a", To: "es", Context: long[:402]}},
		"a text of another type":     {wire.AITranslate, "text", map[string]any{"text": 1, "to": "es"}},
		"a target of another type":   {wire.AITranslate, "to", map[string]any{"text": "a", "to": map[string]string{"to": "es"}}},
		"nothing to moderate":        {wire.AIModerate, "text", wire.Moderate{}},
		"too much to moderate":       {wire.AIModerate, "text", wire.Moderate{Text: long + "e"}},
		"no prompt":                  {wire.GenerateImage, "prompt", wire.ImageRequest{Prompt: "  "}},
		"a prompt of 1001":           {wire.GenerateImage, "prompt", wire.ImageRequest{Prompt: long[:2002]}},
		"an aspect that is not":      {wire.GenerateImage, "aspect", wire.ImageRequest{Prompt: "a", Aspect: "round"}},
		"a prompt of control":        {wire.GenerateImage, "prompt", wire.ImageRequest{Prompt: "a\x07"}},
		"no object":                  {wire.AIModerate, "", []string{"a"}},
		"nothing that is understood": {wire.AIModerate, "", nil},
	} {
		if got := post(t, a, c.path, c.body); name != "nothing that is understood" &&
			(!got.is(http.StatusBadRequest, "INVALID_REQUEST") || got.refusal(t).Field != c.field) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := a.call(t.Context(), http.MethodPost, wire.AIModerate, `{"text"`); !got.is(400, "INVALID_REQUEST") {
		t.Errorf("half a body: %+v", got)
	}
	if got := a.call(t.Context(), http.MethodPost, wire.AIModerate, `{"text":"`+strings.Repeat("a", maxBody)); !got.is(413, "REQUEST_BODY_TOO_LARGE") {
		t.Errorf("a huge body: %+v", got)
	}
	out := decode[wire.Translation](t, post(t, a, wire.AITranslate, wire.Translate{Text: long, To: "ES"}))
	if out.To != "es" || out.Text != long {
		t.Errorf("10000 characters: %.80v", out)
	}
	img := decode[wire.Image](t, post(t, a, wire.GenerateImage, wire.ImageRequest{Prompt: " " + long[:2000] + " "}))
	if img.Aspect != wire.AspectSquare {
		t.Errorf("1000 characters: %+v", img)
	}
}

func TestWithoutAProviderNothingIsMadeUp(t *testing.T) {
	a := newAI(t, Options{})
	for path, body := range map[string]any{
		wire.AITranslate:   wire.Translate{Text: "Hello", To: "es"},
		wire.AIModerate:    wire.Moderate{Text: "Hello"},
		wire.GenerateImage: wire.ImageRequest{Prompt: "a house"},
	} {
		got := post(t, a, path, body)
		if !got.is(http.StatusServiceUnavailable, "PROVIDER_NOT_CONFIGURED") {
			t.Errorf("%s: %+v", path, got)
		}
		if e := got.refusal(t); len(e.NextActions) < 2 || e.Retryable || !strings.Contains(e.NextActions[0].Why, "RUN402_AI_BASE_URL") {
			t.Errorf("%s: no way out: %+v", path, e)
		}
	}
	for what, who := range report(t, a).Providers {
		if who != "" {
			t.Errorf("%s is said to do %s", who, what)
		}
	}
}

func TestAMonthIsCountedAndCapped(t *testing.T) {
	a, provider := newEcho(t, Options{Words: 10, Images: 2})
	translate := func(text string) answer { return post(t, a, wire.AITranslate, wire.Translate{Text: text, To: "es"}) }
	decode[wire.Translation](t, translate("one two three four five six"))
	if got := translate("one two three four five"); !got.is(http.StatusForbidden, "QUOTA_EXCEEDED") {
		t.Errorf("an eleventh word: %+v", got)
	} else if e := got.refusal(t); string(e.Details) !=
		`{"limit":10,"resource":"translation_words_per_month","scope":"project","used":6}` || e.Category != "quota" {
		t.Errorf("%s", got.body)
	}
	decode[wire.Translation](t, translate("one two three four"))
	var made sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 6 {
		made.Go(func() {
			got := a.call(t.Context(), http.MethodPost, wire.GenerateImage, `{"prompt":"a house"}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	made.Wait()
	if statuses[200] != 2 || statuses[403] != 4 {
		t.Errorf("six images at once under a cap of two: %v", statuses)
	}
	got := report(t, a)
	if u := got.Translation; u.UsedWords != 10 || *u.IncludedWords != 10 || *u.RemainingWords != 0 || !u.Active ||
		!strings.HasSuffix(u.BillingCycleStart, "-01T00:00:00.000Z") {
		t.Errorf("%+v", u)
	}
	if u := got.Images; u.Used != 2 || *u.Remaining != 0 {
		t.Errorf("%+v", u)
	}
	provider.fails = &Failure{Cause: CauseDown}
	if got := post(t, a, wire.AIModerate, wire.Moderate{Text: "a"}); !got.is(http.StatusBadGateway, "PROVIDER_UNAVAILABLE") {
		t.Errorf("%+v", got)
	}
	if n := report(t, a).Moderations; n != 0 {
		t.Errorf("a call that failed is counted: %d", n)
	}
}

func TestNoMoreCallsThanThereIsRoomFor(t *testing.T) {
	a, _ := newEcho(t, Options{})
	a.wait = 0
	for range maxCalls {
		a.calls <- struct{}{}
	}
	got := post(t, a, wire.AIModerate, wire.Moderate{Text: "a"})
	if !got.is(http.StatusTooManyRequests, "RATE_LIMITED") || got.header.Get("Retry-After") == "" {
		t.Errorf("%+v", got)
	}
}

func TestMarksOfATranslation(t *testing.T) {
	for _, c := range []struct{ text, translation, lost string }{
		{"Hello {name}", "Hola {name}", ""},
		{"Hello {name}", "Hola {nombre}", "{name}"},
		{"{a} {a}", "{a}", "{a}"},
		{`<a title="x">b</a>`, `<a title="y">c</a>`, ""},
		{"<b>a</b>", "<b>a", "</b>"},
		{"<BR/>", "<br>", ""},
		{"%s of %d", "%d de %s", ""},
		{"100% sure", "100 % seguro", ""},
		{"a < b and c > d", "a < b y c > d", ""},
	} {
		if got := lost(c.text, c.translation); got != c.lost {
			t.Errorf("lost(%q, %q) = %q, want %q", c.text, c.translation, got, c.lost)
		}
	}
}

func FuzzStreamsKeepWhatTheyCarry(f *testing.F) {
	for _, text := range []string{"a [b] \\ {c} ^d$", "x\n\ny", "{name} <b>", "%s\\", "[", "]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // JSON has no such text
		}
		if got := fromStream(toStream(text)); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
