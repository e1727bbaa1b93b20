package tools

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	_ "image/png" // what image.Decode is to know
	"net/http"
)

// preview is an image as a result shows it: itself, or smaller in bytes where clients would not take it, as the text
// then says. What cannot be shown is none.
func preview(data []byte) (picture, string) {
	kind := http.DetectContentType(data)
	if !shows(kind) {
		return picture{}, "nothing: models are not shown images of this type"
	}
	if len(data) <= maxShownImage {
		return picture{data: data, mediaType: kind}, ""
	}
	const mostPixels = 16 << 20
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width*size.Height > mostPixels {
		return picture{}, "nothing: the image is too large to be shown"
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, "nothing: the image is too large to be shown"
	}
	flat := image.NewRGBA(img.Bounds()) // JPEG has no transparency
	draw.Draw(flat, flat.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Bounds(), img, img.Bounds().Min, draw.Over)
	for _, quality := range []int{85, 60, 30} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, flat, &jpeg.Options{Quality: quality}); err == nil && out.Len() <= maxShownImage {
			return picture{data: out.Bytes(), mediaType: "image/jpeg"}, fmt.Sprintf("a JPEG of quality %d", quality)
		}
	}
	return picture{}, "nothing: the image is too large to be shown"
}
