package ai

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/png" // what the server draws
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/ai/aitest"
)

func fromServer(s *aitest.Server) Options {
	client := NewServer(s.BaseURL, aitest.Key)
	return Options{
		Translator: client.Translator(aitest.ChatModel), Moderator: client.Moderator("", ""),
		Painter: client.Painter(aitest.ImageModel),
	}
}

var hello = wire.Translate{Text: "Hello {name}", To: "es", Context: "a greeting"}

func TestAServerDoesTheWork(t *testing.T) {
	server := aitest.New(t)
	a := newAI(t, fromServer(server))
	out := decode[wire.Translation](t, post(t, a, wire.AITranslate, hello))
	want := wire.Translation{Text: "[es] Hello {name}", From: "en", To: "es"}
	want.Provider = "openai-compatible/" + aitest.ChatModel
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	bad := decode[wire.Moderation](t, post(t, a, wire.AIModerate, wire.Moderate{Text: "I will kill you"}))
	if !bad.Flagged || !bad.Categories["violence"] || bad.Categories["hate"] || bad.CategoryScores["violence"] != 0.97 {
		t.Errorf("%+v", bad)
	}
	if good := decode[wire.Moderation](t, post(t, a, wire.AIModerate, wire.Moderate{Text: "Hello"})); good.Flagged {
		t.Errorf("%+v", good)
	}
	for aspect, size := range map[string]string{"": "1024x1024", "landscape": "1536x864", "portrait": "864x1536"} {
		img := decode[wire.Image](t, post(t, a, wire.GenerateImage, wire.ImageRequest{Prompt: "a house", Aspect: aspect}))
		got, format, err := image.DecodeConfig(bytes.NewReader(img.Image))
		if err != nil || format != "png" || img.ContentType != "image/png" || !strings.HasPrefix(size, itoa(got.Width)+"x") {
			t.Errorf("%q: %v %v %+v", aspect, err, format, got)
		}
	}
	models, err := NewServer(server.BaseURL, aitest.Key).Models(t.Context())
	if err != nil || !slices.Contains(models, aitest.ChatModel) {
		t.Errorf("%v %v", models, err)
	}
}

func itoa(n int) string { return map[int]string{1024: "1024", 1536: "1536", 864: "864"}[n] }

func TestWithoutAModerationsEndpointAChatModelJudges(t *testing.T) {
	server := aitest.New(t)
	client := NewServer(server.BaseURL, aitest.Key)
	for name, moderator := range map[string]Moderator{
		"a chat model":     client.Moderator(aitest.ChatModel, ""),
		"no such endpoint": client.Moderator("", aitest.ChatModel),
	} {
		if name == "no such endpoint" {
			server.Next(aitest.Status(http.StatusNotFound, ""))
		}
		out, err := moderator.Moderate(t.Context(), "I will kill you")
		if err != nil || !out.Flagged || !out.Categories["violence"] || out.Categories["hate"] || out.Notice == "" {
			t.Errorf("%s: %v %+v", name, err, out)
		}
	}
}

func TestAJudgementWithoutScoresIsNone(t *testing.T) {
	server := aitest.New(t)
	empty := `{"harassment":null,"hate":null,"illicit":null,"self-harm":null,"sexual":null,"sexual/minors":null,"violence":null}`
	server.Next(twice(aitest.Content(empty, "stop"))...)
	out, err := NewServer(server.BaseURL, aitest.Key).Moderator(aitest.ChatModel, "").Moderate(t.Context(), "I will kill you")
	if f, ok := errors.AsType[*Failure](err); !ok || f.Cause != CauseAnswer {
		t.Errorf("%v, %+v", err, out)
	}
}

// What goes wrong with a provider gets a code of ours, is tried again where that promises something, and nothing that
// the provider said, no key and no prompt is in the answer or in the log.
func TestFaultsOfAServer(t *testing.T) {
	server := aitest.New(t)
	var log bytes.Buffer
	o := fromServer(server)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := newAI(t, o)
	now := []string{"Retry-After", "0"}
	limited := aitest.Status(http.StatusTooManyRequests, "rate_limit_exceeded", now...)
	unwell := aitest.Status(http.StatusInternalServerError, "server_error", now...)
	later := aitest.Status(http.StatusTooManyRequests, "rate_limit_exceeded", "Retry-After", "60")
	for name, c := range map[string]struct {
		faults []aitest.Fault
		status int
		code   Cause // "" is success
		tries  int
	}{
		"a key that is refused":  {[]aitest.Fault{aitest.Status(401, "invalid_api_key")}, 502, CauseAccess, 1},
		"one too few":            {[]aitest.Fault{aitest.Status(403, "")}, 502, CauseAccess, 1},
		"an unknown model":       {[]aitest.Fault{aitest.Status(404, "model_not_found")}, 502, CauseRejected, 1},
		"a bad request":          {[]aitest.Fault{aitest.Status(400, "invalid_value")}, 502, CauseRejected, 1},
		"a text it refuses":      {[]aitest.Fault{aitest.Status(400, "content_policy_violation")}, 400, CauseContent, 1},
		"429 once":               {[]aitest.Fault{limited}, 200, "", 2},
		"429 with Retry-After":   {[]aitest.Fault{aitest.Status(429, "", "Retry-After", "1")}, 200, "", 2},
		"429 for too long":       {[]aitest.Fault{later}, 429, CauseLimited, 1},
		"429 always":             {[]aitest.Fault{limited, limited, limited}, 429, CauseLimited, 3},
		"a quota that is used":   {[]aitest.Fault{aitest.Status(429, "insufficient_quota")}, 429, CauseLimited, 1},
		"500 once":               {[]aitest.Fault{unwell}, 200, "", 2},
		"500 always":             {[]aitest.Fault{unwell, unwell, unwell}, 502, CauseDown, 3},
		"a cut connection":       {[]aitest.Fault{aitest.Cut}, 502, CauseDown, 1},
		"a slow stream":          {[]aitest.Fault{aitest.Slow}, 504, CauseTimeout, 1},
		"invalid JSON":           {[]aitest.Fault{aitest.Body(`{"choices":[`)}, 502, CauseAnswer, 1},
		"a page":                 {[]aitest.Fault{aitest.Body("<html>")}, 502, CauseAnswer, 1},
		"no choices":             {[]aitest.Fault{aitest.Body(`{"choices":[]}`), aitest.Body(`{}`)}, 502, CauseAnswer, 2},
		"a redirect":             {[]aitest.Fault{aitest.Status(302, "", "Location", "http://127.0.0.1:9/")}, 502, CauseRejected, 1},
		"no JSON once":           {[]aitest.Fault{aitest.Content("Hola", "stop")}, 200, "", 2},
		"no JSON":                {[]aitest.Fault{aitest.Content("Hola", "stop"), aitest.Content("Hola", "stop")}, 502, CauseAnswer, 2},
		"a field too many":       {twice(aitest.Content(`{"from":"en","text":"{name}","x":1}`, "stop")), 502, CauseAnswer, 2},
		"a field too few":        {twice(aitest.Content(`{"text":"{name}"}`, "stop")), 502, CauseAnswer, 2},
		"no language":            {twice(aitest.Content(`{"from":"klingon","text":"{name}"}`, "stop")), 502, CauseAnswer, 2},
		"a lost placeholder":     {twice(aitest.Content(`{"from":"en","text":"Hola {nombre}"}`, "stop")), 502, CauseAnswer, 2},
		"a text after the JSON":  {twice(aitest.Content(`{"from":"en","text":"{name}"} so`, "stop")), 502, CauseAnswer, 2},
		"an answer that is cut":  {twice(aitest.Content(`{"from":"en","text":"{name}"}`, "length")), 502, CauseAnswer, 2},
		"a filter's choice":      {[]aitest.Fault{aitest.Content("", "content_filter")}, 400, CauseContent, 1},
		"a language in capitals": {[]aitest.Fault{aitest.Content(`{"from":"EN-us","text":"{name}"}`, "stop")}, 200, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			a.opts.Timeout = defaultTimeout
			if c.code == CauseTimeout {
				a.opts.Timeout = time.Second
			}
			server.Next(c.faults...)
			got := post(t, a, wire.AITranslate, hello)
			if n := len(server.Requests()); n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
			if got.status != c.status || c.code != "" && !got.is(c.status, string(c.code)) {
				t.Errorf("%+v", got)
			}
			if c.code == CauseLimited && got.header.Get("Retry-After") == "" && name == "429 for too long" {
				t.Error("no Retry-After")
			}
			for _, secret := range []string{"sk-", "Hello", "quotes"} {
				if c.code != "" && strings.Contains(got.body, secret) || strings.Contains(log.String(), secret) {
					t.Errorf("%q is told: %s\n%s", secret, got.body, log.String())
				}
			}
		})
	}
}

func twice(f aitest.Fault) []aitest.Fault { return []aitest.Fault{f, f} }

func TestAnswersThatAreNoImagesAndNoJudgements(t *testing.T) {
	server := aitest.New(t)
	a := newAI(t, fromServer(server))
	for _, body := range []string{
		`{"created":1}`, `{"created":1,"data":[{"url":"https://x.test/a.png"}]}`, `{"created":1,"data":[{"b64_json":"§"}]}`,
		`{"created":1,"data":[{"b64_json":"PGh0bWw+"}]}`,
	} {
		server.Next(aitest.Body(body))
		if got := post(t, a, wire.GenerateImage, wire.ImageRequest{Prompt: "a house"}); !got.is(502, string(CauseAnswer)) {
			t.Errorf("%s: %+v", body, got)
		}
	}
	for _, body := range []string{`{"results":[]}`, `{"results":[{}]}`, `{"results":[{"flagged":true,"categories":[]}]}`} {
		server.Next(aitest.Body(body))
		if got := post(t, a, wire.AIModerate, wire.Moderate{Text: "a"}); !got.is(502, string(CauseAnswer)) {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if used := report(t, a); used.Images.Used != 0 || used.Moderations != 0 {
		t.Errorf("what failed is counted: %+v", used)
	}
}

// It counts all the same: whoever gave up just before the answer could evade the cap otherwise.
func TestACancelledCallIsCancelledAtTheServer(t *testing.T) {
	server := aitest.New(t)
	a := newAI(t, fromServer(server))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	server.Next(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		close(ended)
	})
	a.call(ctx, http.MethodPost, wire.AITranslate, `{"text":"Hello","to":"es"}`)
	<-ended
	if used := report(t, a).Translation.UsedWords; used != 1 {
		t.Errorf("%d words are counted", used)
	}
}

func TestStandInsSayThatTheyAreNone(t *testing.T) {
	a := newAI(t, Options{Moderator: Wordlist{}, Painter: Placeholder{}})
	bad := decode[wire.Moderation](t, post(t, a, wire.AIModerate, wire.Moderate{Text: "what a load of shit"}))
	if !bad.Flagged || !bad.Categories["profanity"] || bad.Provider != "wordlist" || bad.Notice == "" {
		t.Errorf("%+v", bad)
	}
	if good := decode[wire.Moderation](t, post(t, a, wire.AIModerate, wire.Moderate{Text: "a class on Scunthorpe"})); good.Flagged {
		t.Errorf("%+v", good)
	}
	for _, aspect := range wire.Aspects() {
		img := decode[wire.Image](t, post(t, a, wire.GenerateImage, wire.ImageRequest{Prompt: "a house", Aspect: aspect}))
		got, _, err := image.DecodeConfig(bytes.NewReader(img.Image))
		ratio := map[string]int{"square": 100, "landscape": 177, "portrait": 56}[aspect]
		if err != nil || 100*got.Width/got.Height != ratio || img.Provider != "placeholder" || img.Notice == "" || img.Aspect != aspect {
			t.Errorf("%s: %v %+v %+v", aspect, err, got, img.AIAnswer)
		}
	}
}
