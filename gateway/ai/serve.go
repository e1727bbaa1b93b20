package ai

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// maxBody is room for the longest text as JSON, were it all escapes.
const maxBody = 256 << 10

// translate serves POST /ai/v1/translate.
func (a *AI) translate(w http.ResponseWriter, r *http.Request) error {
	var in wire.Translate
	if err := route.Decode(w, r, maxBody, &in); err != nil {
		return err
	}
	var err error
	if err = checkText("text", in.Text, wire.MaxTranslateText); err != nil {
		return err
	}
	if in.To, err = language("to", in.To); err != nil {
		return err
	}
	if in.From != "" {
		if in.From, err = language("from", in.From); err != nil {
			return err
		}
	}
	if in.Context != "" {
		if err := checkText("context", in.Context, wire.MaxTranslateContext); err != nil {
			return err
		}
	}
	if a.opts.Translator == nil {
		return notConfigured("translate",
			"set RUN402_AI_BASE_URL to an OpenAI-compatible server and RUN402_AI_TRANSLATE_MODEL to one of its chat models",
			"install Apertium and a pair of languages, such as Debian's apertium and apertium-eng-spa")
	}
	out, err := ask(r.Context(), a, words, wordsIn(in.Text),
		func(ctx context.Context) (wire.Translation, error) { return a.opts.Translator.Translate(ctx, in) })
	if err != nil {
		return err
	}
	out.Provider = a.opts.Translator.Name()
	return route.Answer(w, http.StatusOK, out)
}

// moderate serves POST /ai/v1/moderate.
func (a *AI) moderate(w http.ResponseWriter, r *http.Request) error {
	var in wire.Moderate
	if err := route.Decode(w, r, maxBody, &in); err != nil {
		return err
	}
	if err := checkText("text", in.Text, wire.MaxModerateText); err != nil {
		return err
	}
	if a.opts.Moderator == nil {
		return notConfigured("moderate",
			"set RUN402_AI_BASE_URL to an OpenAI-compatible server, and RUN402_AI_MODERATE_MODEL to one of its models",
			"set RUN402_AI_MODERATE=wordlist to search for English swear words, which judges no meaning")
	}
	out, err := ask(r.Context(), a, moderations, 1,
		func(ctx context.Context) (wire.Moderation, error) { return a.opts.Moderator.Moderate(ctx, in.Text) })
	if err != nil {
		return err
	}
	out.Provider = a.opts.Moderator.Name()
	return route.Answer(w, http.StatusOK, out)
}

// generateImage serves POST /generate-image/v1.
func (a *AI) generateImage(w http.ResponseWriter, r *http.Request) error {
	var in wire.ImageRequest
	if err := route.Decode(w, r, maxBody, &in); err != nil {
		return err
	}
	in.Prompt = strings.TrimSpace(in.Prompt)
	if err := checkText("prompt", in.Prompt, wire.MaxImagePrompt); err != nil {
		return err
	}
	if in.Aspect == "" {
		in.Aspect = wire.AspectSquare
	}
	if !slices.Contains(wire.Aspects(), in.Aspect) {
		return route.Invalid("aspect", "aspect must be one of "+strings.Join(wire.Aspects(), ", "))
	}
	if a.opts.Painter == nil {
		return notConfigured("generate images",
			"set RUN402_AI_BASE_URL to an OpenAI-compatible server and RUN402_AI_IMAGE_MODEL to one of its image models",
			"set RUN402_AI_IMAGE=placeholder to get cards that say that they are placeholders")
	}
	out, err := ask(r.Context(), a, images, 1,
		func(ctx context.Context) (wire.Image, error) { return a.opts.Painter.Paint(ctx, in.Prompt, in.Aspect) })
	if err != nil {
		return err
	}
	out.Aspect, out.Provider = in.Aspect, a.opts.Painter.Name()
	return route.Answer(w, http.StatusOK, out)
}

// checkText refuses what no provider can use.
func checkText(field, text string, most int) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		return route.Invalid(field, field+" is empty, or missing")
	case n > most:
		return route.Invalid(field, fmt.Sprintf("%s has %d characters, and may have %d: send it in parts", field, n, most))
	case strings.ContainsFunc(text, isControl):
		return route.Invalid(field, field+" holds control characters: send plain text")
	}
	return nil
}

func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r <= 0x9f
}
