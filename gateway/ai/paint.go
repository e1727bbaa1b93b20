package ai

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	scale "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/run402/functions-mcp/core/wire"
)

// Painter returns a painter by an image model.
func (s *Server) Painter(model string) Painter { return painter{server: s, model: model} }

type painter struct {
	server *Server
	model  string
}

func (p painter) Name() string { return nameOf(p.model) }

// Paint implements Painter.
func (p painter) Paint(ctx context.Context, prompt, aspect string) (wire.Image, error) {
	params := openai.ImageGenerateParams{
		Prompt: prompt, Model: p.model, Size: openai.ImageGenerateParamsSize(sizeOf(p.model, aspect)),
	}
	if !strings.Contains(p.model, "gpt-image") && !strings.HasPrefix(p.model, "chatgpt-image") {
		// Those never answer otherwise, and refuse to be asked.
		params.ResponseFormat = openai.ImageGenerateParamsResponseFormatB64JSON
	}
	res, err := retry(ctx, func() (*openai.ImagesResponse, error) { return p.server.images.Generate(ctx, params) })
	if err != nil {
		return wire.Image{}, err
	}
	if len(res.Data) != 1 {
		return wire.Image{}, badAnswer("it has no image")
	}
	if res.Data[0].B64JSON == "" { // a link may lead to a server that nobody named
		return wire.Image{}, badAnswer("it links to an image, and does not hold one")
	}
	raw, err := base64.StdEncoding.DecodeString(res.Data[0].B64JSON)
	if err != nil {
		return wire.Image{}, badAnswer("its image is not base64")
	}
	kind := http.DetectContentType(raw)
	switch kind {
	case "image/png", "image/jpeg", "image/webp":
		return wire.Image{Image: raw, ContentType: kind}, nil
	}
	return wire.Image{}, badAnswer("its image is none")
}

// sizeOf is the size of an aspect: 16:9 where a model takes any size, and its nearest where it has but a few.
func sizeOf(model, aspect string) string {
	wide, high := "1536", "864"
	switch {
	case aspect == wire.AspectSquare:
		return "1024x1024"
	case strings.HasPrefix(model, "gpt-image-1"), strings.HasPrefix(model, "chatgpt-image"):
		high = "1024"
	case strings.HasPrefix(model, "dall-e"):
		wide, high = "1792", "1024"
	}
	if aspect == wire.AspectPortrait {
		wide, high = high, wide
	}
	return wide + "x" + high
}

// Placeholder draws cards that say what they are.
type Placeholder struct{}

// Name returns "placeholder".
func (Placeholder) Name() string { return "placeholder" }

// Paint implements Painter.
func (Placeholder) Paint(_ context.Context, _, aspect string) (wire.Image, error) {
	const unit = 8 // pixels of one of the font's
	size := map[string]image.Point{
		wire.AspectSquare: {X: 128, Y: 128}, wire.AspectLandscape: {X: 192, Y: 108}, wire.AspectPortrait: {X: 108, Y: 192},
	}[aspect]
	small := image.NewPaletted(image.Rectangle{Max: size}, color.Palette{color.Gray{Y: 0xe0}, color.Gray{Y: 0x40}})
	middle := size.Y / 2
	for _, line := range []struct {
		text string
		at   int
	}{{"placeholder", middle - 2}, {"no AI made this", middle + 14}} {
		pen := font.Drawer{Dst: small, Src: image.NewUniform(color.Gray{Y: 0x40}), Face: basicfont.Face7x13}
		pen.Dot = fixed.Point26_6{X: (fixed.I(size.X) - pen.MeasureString(line.text)) / 2, Y: fixed.I(line.at)}
		pen.DrawString(line.text)
	}
	card := image.NewPaletted(image.Rectangle{Max: size.Mul(unit)}, small.Palette)
	scale.NearestNeighbor.Scale(card, card.Bounds(), small, small.Bounds(), draw.Src, nil)
	var out bytes.Buffer
	if err := png.Encode(&out, card); err != nil {
		return wire.Image{}, err
	}
	made := wire.Image{Image: out.Bytes(), ContentType: "image/png"}
	made.Notice = "This is a placeholder, and shows nothing of the prompt: no image model is set up."
	return made, nil
}
