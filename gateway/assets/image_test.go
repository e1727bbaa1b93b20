package assets

import (
	"bytes"
	stdimage "image"
	"image/color"
	"image/gif"
)

func gifOf(width, height int) []byte {
	var b bytes.Buffer
	if err := gif.Encode(&b, stdimage.NewPaletted(stdimage.Rect(0, 0, width, height), color.Palette{color.Black}), nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}
