package assets

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

func FuzzReadImage(f *testing.F) {
	f.Add(gifOf(3, 2))
	f.Add(pngOf(640, 480))
	f.Add([]byte("RIFF....WEBPVP8L....\x2f\x3f\xc1\x3b\x00................"))
	f.Add([]byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x00\x14meta\x00\x00\x00\x00\x00\x00\x00\x08iprp"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xda\x00\x08"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if img := readImage(bytes.NewReader(raw)); img.width < 0 || img.height < 0 || img.format == "" && img.width > 0 {
			t.Errorf("%+v", img)
		}
	})
}

// A key stays below the folder that it is served from, and its versions are told from it.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", "a/b.png", "../x", "a-0a1b2c3d.png", ".env", "_cas/x"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !wire.ValidAssetKey(key) {
			return
		}
		u, err := url.Parse("http://x/_blob/" + key)
		if err != nil || u.Path != "/_blob/"+key || strings.Contains("/"+key+"/", "/../") {
			t.Errorf("%q: %v %v", key, u, err)
		}
		back, suffix, ok := splitImmutable(immutableName(key, "0a1b2c3d"))
		if !ok || back != key || suffix != "0a1b2c3d" {
			t.Errorf("%q became %q, %q", key, back, suffix)
		}
	})
}

// What is taken as metadata is flat, short, and stays as it is when it is taken again.
func FuzzMetadata(f *testing.F) {
	for _, text := range []string{"", "null", `{"a":1}`, `{"a":["b"],"c":null}`, `{"a":{}}`, `{"a":1e999}`, `{"a":"\u0000"}`, "null}", "{}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean, err := wire.CleanMetadata([]byte(text))
		if err != nil || clean == nil {
			return
		}
		var flat map[string]any
		if json.Unmarshal(clean, &flat) != nil || len(clean) > wire.MaxAssetMetadata {
			t.Errorf("%q became %q", text, clean)
		}
		if again, err := wire.CleanMetadata(clean); err != nil || !bytes.Equal(again, clean) {
			t.Errorf("%q became %q (%v)", clean, again, err)
		}
	})
}
