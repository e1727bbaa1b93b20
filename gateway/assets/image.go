package assets

import (
	"bytes"
	"encoding/binary"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
)

// image is what the header of an image says.
type image struct {
	format        string // jpeg png gif webp avif tiff svg bmp heic; empty for what is none of them
	width, height int    // in pixels as stored; 0 when the header does not say, or not where it is looked for
}

// As hosted Run402 takes them.
const (
	maxImageSide   = 12_000
	maxImagePixels = 40_000_000
)

// maxHeader is how far into an image its size is looked for: photographs carry previews and colour profiles before it.
const maxHeader = 1 << 20

// readImage reads the header of an image, at most maxHeader bytes of it, and never its pixels. Readers of the standard
// library are used where it has them, for their header alone.
func readImage(r io.Reader) image {
	r = io.LimitReader(r, maxHeader)
	head := make([]byte, 512)
	n, _ := io.ReadFull(r, head) // shorter is what it is
	head = head[:n]
	rest := io.MultiReader(bytes.NewReader(head), r)
	has := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	img := image{}
	switch {
	case has(0, "\x89PNG\r\n\x1a\n"):
		img.format = "png"
		if c, err := png.DecodeConfig(rest); err == nil {
			img.width, img.height = c.Width, c.Height
		}
	case has(0, "\xff\xd8\xff"):
		img.format = "jpeg"
		if c, err := jpeg.DecodeConfig(rest); err == nil {
			img.width, img.height = c.Width, c.Height
		}
	case has(0, "GIF87a"), has(0, "GIF89a"):
		img.format = "gif"
		if c, err := gif.DecodeConfig(rest); err == nil {
			img.width, img.height = c.Width, c.Height
		}
	case has(0, "RIFF") && has(8, "WEBP"):
		img = webpSize(head)
	case has(0, "BM"):
		img = bmpSize(head)
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		img.format = "tiff"
	case has(4, "ftyp"):
		img = heifSize(rest)
	case isSVG(head):
		img.format = "svg"
	}
	return img
}

// webpSize reads the first chunk of a WebP file: of the three kinds that it can be, each says the size its own way.
func webpSize(head []byte) image {
	img := image{format: "webp"}
	if len(head) < 30 {
		return img
	}
	data := head[20:]
	switch string(head[12:16]) {
	case "VP8 ": // a key frame's start code, then 14 bits each
		if data[3] == 0x9d && data[4] == 0x01 && data[5] == 0x2a {
			img.width = int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff)
			img.height = int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff)
		}
	case "VP8L": // a signature, then 14 bits each, less one
		if data[0] == 0x2f {
			bits := binary.LittleEndian.Uint32(data[1:])
			img.width, img.height = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
		}
	case "VP8X": // the canvas, 24 bits each, less one
		img.width = int(uint32(data[4])|uint32(data[5])<<8|uint32(data[6])<<16) + 1
		img.height = int(uint32(data[7])|uint32(data[8])<<8|uint32(data[9])<<16) + 1
	}
	return img
}

// bmpSize reads the header that follows the file's own. A negative height is of an image that is stored top down.
func bmpSize(head []byte) image {
	img := image{format: "bmp"}
	if len(head) < 26 || binary.LittleEndian.Uint32(head[14:]) < 40 {
		return img
	}
	width, height := binary.LittleEndian.Uint32(head[18:]), binary.LittleEndian.Uint32(head[22:])
	if height > math.MaxInt32 {
		height = -height
	}
	if width <= math.MaxInt32 && height <= math.MaxInt32 {
		img.width, img.height = int(width), int(height)
	}
	return img
}

// heifSize reads an AVIF or HEIC file: the largest size among the properties of its images, which is that of the whole
// where it is made of tiles.
func heifSize(r io.Reader) image {
	raw, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return image{}
	}
	img := image{}
	type box struct {
		kind string
		data []byte
	}
	next := func(raw []byte) (b box, rest []byte) {
		if len(raw) < 8 {
			return box{}, nil
		}
		size := int64(binary.BigEndian.Uint32(raw))
		if size < 8 || size > int64(len(raw)) { // to the end of the file, longer than 4 GB, or cut off
			size = int64(len(raw))
		}
		return box{string(raw[4:8]), raw[8:size]}, raw[size:]
	}
	for rest := raw; len(rest) > 0; {
		var b box
		switch b, rest = next(rest); b.kind {
		case "ftyp":
			if len(b.data) < 4 {
				return image{}
			}
			switch string(b.data[:4]) {
			case "avif", "avis":
				img.format = "avif"
			case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
				img.format = "heic"
			default:
				return image{}
			}
		case "meta": // a full box: four bytes of version and flags come before what it holds
			rest = b.data[min(4, len(b.data)):]
		case "iprp", "ipco":
			rest = b.data
		case "ispe":
			if len(b.data) >= 12 {
				w, h := binary.BigEndian.Uint32(b.data[4:]), binary.BigEndian.Uint32(b.data[8:])
				if w <= math.MaxInt32 && h <= math.MaxInt32 && int64(w)*int64(h) > int64(img.width)*int64(img.height) {
					img.width, img.height = int(w), int(h)
				}
			}
		}
	}
	return img
}

// isSVG reports whether a text begins as an SVG document does, after a declaration, a document type and comments.
func isSVG(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for bytes.HasPrefix(text, []byte("<?")) || bytes.HasPrefix(text, []byte("<!")) {
		end := ">"
		if bytes.HasPrefix(text, []byte("<!--")) {
			end = "-->"
		}
		_, after, found := bytes.Cut(text, []byte(end))
		if !found {
			return false
		}
		text = bytes.TrimLeft(after, " \t\r\n")
	}
	return bytes.HasPrefix(text, []byte("<svg"))
}
