package assets

import (
	"bytes"
	stdimage "image"
	"image/color"
	"image/gif"
	"testing"
)

func gifOf(width, height int) []byte {
	var b bytes.Buffer
	if err := gif.Encode(&b, stdimage.NewPaletted(stdimage.Rect(0, 0, width, height), color.Palette{color.Black}), nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func FuzzReadImage(f *testing.F) {
	f.Add(gifOf(3, 2))
	f.Fuzz(func(t *testing.T, raw []byte) {
		img := readImage(bytes.NewReader(raw))
		if img.width < 0 || img.height < 0 {
			t.Errorf("%+v", img)
		}
	})
}
