package core

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/run402/functions-mcp/core/wire"
)

// Codes of refused calls of the AI helpers.
const (
	CodeProviderNotConfigured = "PROVIDER_NOT_CONFIGURED" // the gateway has nothing to do it with
	CodeQuotaExceeded         = "QUOTA_EXCEEDED"          // of this month; backends say it by 402, 403 or 429
)

const (
	opTranslate     = "translate"
	opModerate      = "moderate"
	opGenerateImage = "generate image"
	opAIUsage       = "ai usage"
)

// AI translates, moderates and makes images, as the service role: section 8.
type AI struct {
	conn  *conn
	plane adminPlane
}

// AI returns the project's AI helpers. Without a service key every call fails with code SERVICE_KEY_MISSING.
func (c *Client) AI() AI { return AI{conn: c.conn, plane: c.admin} }

// Translate translates a text of at most wire.MaxTranslateText characters. Languages are ISO 639-1; From may be empty.
func (a AI) Translate(ctx context.Context, in wire.Translate) (wire.Translation, error) {
	for _, check := range []error{
		checkAIText(opTranslate, "text", in.Text, wire.MaxTranslateText),
		checkAIText(opTranslate, "to", in.To, wire.MaxTranslateContext),
		checkLength(opTranslate, "context", in.Context, wire.MaxTranslateContext),
	} {
		if check != nil {
			return wire.Translation{}, check
		}
	}
	return postAI[wire.Translation](ctx, a, opTranslate, wire.AITranslate, in)
}

// Moderate judges whether a text of at most wire.MaxModerateText characters is harmful.
func (a AI) Moderate(ctx context.Context, text string) (wire.Moderation, error) {
	if err := checkAIText(opModerate, "text", text, wire.MaxModerateText); err != nil {
		return wire.Moderation{}, err
	}
	return postAI[wire.Moderation](ctx, a, opModerate, wire.AIModerate, wire.Moderate{Text: text})
}

// GenerateImage makes an image of a prompt of at most wire.MaxImagePrompt characters. Without an aspect it is square.
func (a AI) GenerateImage(ctx context.Context, in wire.ImageRequest) (wire.Image, error) {
	in.Prompt = strings.TrimSpace(in.Prompt)
	in.Aspect = orDefault(in.Aspect, wire.AspectSquare)
	switch {
	case in.Prompt == "":
		return wire.Image{}, notSent(opGenerateImage, CodeInvalidRequest, "Image generation prompt is required",
			"Say what the image is to show.")
	case !slices.Contains(wire.Aspects(), in.Aspect):
		return wire.Image{}, notSent(opGenerateImage, CodeInvalidRequest,
			"Invalid image aspect: must be square, landscape, or portrait", "Choose one of these.")
	}
	if err := checkLength(opGenerateImage, "prompt", in.Prompt, wire.MaxImagePrompt); err != nil {
		return wire.Image{}, err
	}
	return postAI[wire.Image](ctx, a, opGenerateImage, wire.GenerateImage, in)
}

// Usage returns what this month used. A backend other than our gateway reports translation alone.
func (a AI) Usage(ctx context.Context) (wire.AIUsageReport, error) {
	header, err := a.plane.bearer(opAIUsage)
	if err != nil {
		return wire.AIUsageReport{}, err
	}
	ans, err := a.conn.send(ctx, request{
		op: opAIUsage, method: http.MethodGet, path: wire.AIUsage, header: header, reads: true,
	})
	if err != nil {
		return wire.AIUsageReport{}, err
	}
	return decodeAnswer[wire.AIUsageReport](opAIUsage, ans)
}

func postAI[Out any](ctx context.Context, a AI, op, path string, in any) (Out, error) {
	var none Out
	header, err := a.plane.bearer(op)
	if err != nil {
		return none, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return none, fmt.Errorf("%s: encode the request: %w", op, err)
	}
	header["Content-Type"] = []string{"application/json"}
	ans, err := a.conn.send(ctx, request{op: op, method: http.MethodPost, path: path, header: header, body: body})
	if err != nil {
		return none, err
	}
	return decodeAnswer[Out](op, ans)
}

func checkAIText(op, field, text string, most int) error {
	if strings.TrimSpace(text) == "" {
		return notSent(op, CodeInvalidRequest, field+" is empty", "Give "+field+".")
	}
	return checkLength(op, field, text, most)
}

func checkLength(op, field, text string, most int) error {
	if n := utf8.RuneCountInString(text); n > most {
		return notSent(op, CodeInvalidRequest, fmt.Sprintf("%s has %d characters, and may have %d", field, n, most),
			"Send less, or in parts.")
	}
	return nil
}
