package assets

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

func TestKeysThatNobodyCanHave(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	for _, key := range []string{
		"", "/a", "a/", "a//b", ".", "..", "./a", "a/./b", "../../etc/passwd", "a/../b", "a/..", `a\b`, "a%2fb", "a%5cb", "a%00",
		"a b", "a\tb", "a\x00b", "a?b", "a#b", "a:b", "a~b", "a*", "caf\u00e9", "\u202etxt.exe", "a\xffb", "_cas/x", "_staging/x",
		"_run402/x", "_cas", strings.Repeat("a", 1025),
	} {
		wantCode(t, f.tryPut(t, key, []byte("x")), http.StatusBadRequest, "INVALID_STORAGE_KEY")
		for _, serve := range []http.HandlerFunc{f.Blob(key), f.One(key)} { // as routing hands it on, whatever that is
			w := httptest.NewRecorder()
			serve(w, httptest.NewRequest(http.MethodGet, "/x", nil))
			wantCode(t, w, http.StatusNotFound, "STORAGE_NOT_FOUND")
		}
	}
	for _, key := range []string{"a", "A-Z_0.9", "a/_cas/b", "...", ".env", "a/.b", "-", strings.Repeat("a", 1024)} {
		f.mustPut(t, key, key)
		if w := f.get(t, "/_blob/"+key); w.Body.String() != key {
			t.Errorf("%s answered %d", key, w.Code)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	long := `{"a":"` + strings.Repeat("x", 10_000) + `"}`
	for name, c := range map[string]struct {
		header, value, code string
	}{
		"visibility":         {wire.AssetVisibilityHeader, "Public", "INVALID_VISIBILITY"},
		"immutable":          {wire.AssetImmutableHeader, "yes", "INVALID_REQUEST"},
		"exif policy":        {wire.AssetExifHeader, "drop", "INVALID_EXIF_POLICY"},
		"no media type":      {"Content-Type", "image", "INVALID_CONTENT_TYPE"},
		"long media type":    {"Content-Type", "text/" + strings.Repeat("x", 300), "INVALID_CONTENT_TYPE"},
		"media type in text": {"Content-Type", "text/h\u00e4tml", "INVALID_CONTENT_TYPE"},
		"no base64":          {wire.AssetMetadataHeader, "{}", "INVALID_ASSET_METADATA"},
		"no JSON":            {wire.AssetMetadataHeader, metadataHeader("x"), "INVALID_ASSET_METADATA"},
		"a list":             {wire.AssetMetadataHeader, metadataHeader(`[]`), "INVALID_ASSET_METADATA"},
		"two objects":        {wire.AssetMetadataHeader, metadataHeader(`{}{}`), "INVALID_ASSET_METADATA"},
		"a brace too many":   {wire.AssetMetadataHeader, metadataHeader(`{}}`), "INVALID_ASSET_METADATA"},
		"nested":             {wire.AssetMetadataHeader, metadataHeader(`{"a":{}}`), "INVALID_ASSET_METADATA"},
		"a list of numbers":  {wire.AssetMetadataHeader, metadataHeader(`{"a":[1]}`), "INVALID_ASSET_METADATA"},
		"infinite":           {wire.AssetMetadataHeader, metadataHeader(`{"a":1e999}`), "INVALID_ASSET_METADATA"},
		"no name":            {wire.AssetMetadataHeader, metadataHeader(`{"":1}`), "INVALID_ASSET_METADATA"},
		"NUL":                {wire.AssetMetadataHeader, metadataHeader(`{"a":"\u0000"}`), "INVALID_ASSET_METADATA"},
		"deep": {wire.AssetMetadataHeader, metadataHeader(strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)),
			"INVALID_ASSET_METADATA"},
		"long": {wire.AssetMetadataHeader, metadataHeader(long), "INVALID_ASSET_METADATA"},
		"much too long": {wire.AssetMetadataHeader, metadataHeader(`{"a":"` + strings.Repeat("x", 100_000) + `"}`),
			"INVALID_ASSET_METADATA"},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, f.tryPut(t, "a", []byte("x"), c.header, c.value), http.StatusBadRequest, c.code)
		})
	}
	if got := f.list(t, ""); len(got.Blobs) > 0 {
		t.Errorf("something was kept: %+v", got)
	}
	ref := f.mustPut(t, "a", "x", wire.AssetMetadataHeader, base64.URLEncoding.EncodeToString([]byte(`{"a":"\\u0000","b":"<&>"}`)))
	if !bytes.Contains(ref.Metadata, []byte(`\\u0000`)) {
		t.Errorf("metadata came back as %s", ref.Metadata)
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	wantCode(t, f.tryPut(t, "a", nil), http.StatusBadRequest, "INVALID_SIZE")
	put := func(body io.Reader) *httptest.ResponseRecorder {
		return f.do(t, http.MethodPost, wire.AssetPut, body, wire.AssetKeyHeader, "a")
	}
	wantCode(t, put(io.LimitReader(zeros{}, wire.MaxAsset+1)), http.StatusRequestEntityTooLarge, "REQUEST_BODY_TOO_LARGE")
	wantCode(t, put(io.MultiReader(strings.NewReader("x"), broken{})), http.StatusBadRequest, "INVALID_REQUEST")
	if len(f.list(t, "").Blobs) > 0 {
		t.Error("something was kept")
	}
	f.wantNoOrphans(t)

	// The largest that there can be, in a fraction of its size of memory.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if w := put(io.LimitReader(zeros{}, wire.MaxAsset)); w.Code != http.StatusOK {
		t.Errorf("the largest answered %d: %s", w.Code, w.Body)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > wire.MaxAsset/8 {
		t.Errorf("putting %d bytes allocated %d", wire.MaxAsset, grown)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// pngOf is the head of a PNG of any size: what follows is never looked at.
func pngOf(width, height uint32) []byte {
	ihdr := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(ihdr[4:], width)
	binary.BigEndian.PutUint32(ihdr[8:], height)
	ihdr[12], ihdr[13] = 8, 6 // RGBA
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	out = append(out, ihdr...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
}

func TestHostileImages(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	tooLarge := func(name string, raw []byte) {
		t.Run(name, func(t *testing.T) {
			wantCode(t, f.tryPut(t, "x", raw, "Content-Type", "image/png"), http.StatusRequestEntityTooLarge, "IMAGE_INPUT_TOO_LARGE")
		})
	}
	tooLarge("a bomb", pngOf(50_000, 50_000))
	tooLarge("a long line", pngOf(12_001, 1))
	tooLarge("too many pixels", pngOf(10_000, 4_001))
	loop := []byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00")
	for name, c := range map[string]struct {
		raw    []byte
		format string
	}{
		"a PNG beyond all numbers":   {pngOf(1<<31-1, 1<<31-1), "png"},
		"EXIF that points to itself": {loop, "jpeg"},
		"JPEG of empty segments":     {[]byte("\xff\xd8\xff" + strings.Repeat("\xe0\x00\x02\xff", 200_000)), "jpeg"},
		"a TIFF that loops":          {[]byte("II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00"), "tiff"},
		"a PNG that is a zip":        {append(pngOf(10, 10), "PK\x03\x04"...), "png"},
		"a GIF that is a script":     {[]byte("GIF89a/*\x00\x00*/=1;alert(1)//"), "gif"},
		"HTML":                       {[]byte("<html><script>alert(1)</script>"), ""},
		"SVG with a script":          {[]byte("<?xml version='1.0'?><!-- <html> --><svg onload='alert(1)'/>"), "svg"},
		"SVG of a billion laughs":    {[]byte("<!DOCTYPE svg [<!ENTITY a '" + strings.Repeat("&b;", 100) + "'>]><svg>&a;</svg>"), ""},
		"HEIF of empty boxes":        {append([]byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00"), make([]byte, 4096)...), "avif"},
		"HEIF of nested boxes":       {[]byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00" + strings.Repeat("\x00\x00\xff\xffiprp", 5000)), "heic"},
		"cut off":                    {[]byte("RIFF\x00\x00\x00\x00WEBPVP8L"), "webp"},
		"no image":                   {[]byte("x"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, contentType := range []string{"image/png", "IMAGE/svg+xml", "text/html"} {
				ref := f.mustPut(t, "x", string(c.raw), "Content-Type", contentType)
				got := ""
				if ref.ImageFormat != nil {
					got = *ref.ImageFormat
				}
				if want := c.format; contentType != "text/html" && got != want || contentType == "text/html" && got != "" {
					t.Errorf("as %s it is %q, want %q", contentType, got, want)
				}
				h := f.get(t, "/_blob/x").Header()
				if h.Get("Content-Security-Policy") == "" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != contentType {
					t.Errorf("as %s it is served with %v", contentType, h)
				}
			}
		})
	}
	f.wantNoOrphans(t)
}

func TestSizesOfImages(t *testing.T) {
	box := func(kind string, data ...string) string {
		body := strings.Join(data, "")
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))) + kind + body
	}
	ispe := func(w, h byte) string {
		return box("ispe", "\x00\x00\x00\x00\x00\x00\x00"+string(w)+"\x00\x00\x00"+string(h))
	}
	heif := func(brand string) string {
		return box("ftyp", brand, "\x00\x00\x00\x00") + box("meta", "\x00\x00\x00\x00", box("hdlr", "x"),
			box("iprp", box("ipco", ispe(64, 48), ispe(100, 90)), box("ipma", "x")))
	}
	for name, c := range map[string]struct {
		raw  string
		want image
	}{
		"png":              {string(pngOf(640, 480)), image{"png", 640, 480}},
		"gif":              {string(gifOf(7, 5)), image{"gif", 7, 5}},
		"jpeg":             {"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xda\x00\x08", image{"jpeg", 32, 16}},
		"webp, lossy":      {"RIFF....WEBPVP8 ....\x00\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00..........", image{"webp", 320, 240}},
		"webp, lossless":   {"RIFF....WEBPVP8L....\x2f\x3f\xc1\x3b\x00................", image{"webp", 320, 240}},
		"webp, with more":  {"RIFF....WEBPVP8X....\x10\x00\x00\x00\x3f\x01\x00\xef\x00\x00......", image{"webp", 320, 240}},
		"bmp, upside down": {"BM............\x28\x00\x00\x00\x40\x01\x00\x00\x10\xff\xff\xff....", image{"bmp", 320, 240}},
		"avif":             {heif("avif"), image{"avif", 100, 90}},
		"heic":             {heif("heic"), image{"heic", 100, 90}},
		"mp4":              {heif("isom"), image{}},
		"svg":              {"\xef\xbb\xbf <svg xmlns='x'/>", image{"svg", 0, 0}},
		"tiff":             {"MM\x00*....", image{"tiff", 0, 0}},
		"nothing":          {"", image{}},
	} {
		if got := readImage(strings.NewReader(c.raw)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Parts of an asset are read one by one, and from a bucket by a request each: nobody gets thousands for one of theirs.
func TestManyRangesAreAnsweredByTheWhole(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		const all = "0123456789abcdef" // more than the ranges have together: net/http would answer the parts
		f.mustPut(t, "a.txt", all)
		w := f.get(t, "/_blob/a.txt", "Range", "bytes=0-0"+strings.Repeat(",2-2", 8))
		if w.Code != 200 || w.Body.String() != all {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
