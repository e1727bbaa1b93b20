package tools

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/hostedtest"
)

// picturePNG is an image of noise, which compresses badly.
func picturePNG(t testing.TB, side int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	noise := rand.NewChaCha8([32]byte{})
	_, _ = noise.Read(img.Pix) // never fails
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func scriptImage(g *hostedtest.Gateway, data []byte) {
	g.Script("POST", "/generate-image/v1", hostedtest.Answer{
		Body: `{"image":"` + base64.StdEncoding.EncodeToString(data) + `","content_type":"image/png","aspect":"square"}`,
	})
}

// result is a whole tools/call result, whose content may hold an image.
type result struct {
	Content []struct{ Type, Text, Data, MIMEType string }
	IsError bool            `json:"isError"`
	Facts   json.RawMessage `json:"structuredContent"`
}

func callWhole(t testing.TB, s *Set, tool string, args map[string]any) result {
	t.Helper()
	var answer struct{ Result result }
	raw := rpc(t, newServer(s), "tools/call", map[string]any{"name": tool, "arguments": args})
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return answer.Result
}

func TestGenerateImageShowsTheImageAndNeverItsBytesAsFacts(t *testing.T) {
	for name, side := range map[string]int{"small": 32, "large": 700} {
		t.Run(name, func(t *testing.T) {
			g := hostedtest.New(hostedtest.Hosted)
			data := picturePNG(t, side)
			scriptImage(g, data)
			got := callWhole(t, newSet(t, g, nil), "generate_image", map[string]any{"prompt": "a house"})
			if got.IsError || len(got.Content) != 2 || got.Content[1].Type != "image" {
				t.Fatalf("%.300v", got)
			}
			shown, err := base64.StdEncoding.DecodeString(got.Content[1].Data)
			if err != nil || len(shown) > maxShownImage {
				t.Errorf("%v: %d bytes are shown", err, len(shown))
			}
			if _, kind, err := image.DecodeConfig(bytes.NewReader(shown)); err != nil || "image/"+kind != got.Content[1].MIMEType {
				t.Errorf("%v: %s as %s", err, kind, got.Content[1].MIMEType)
			}
			if len(got.Facts) > 300 || len(got.Content[0].Text) > 300 {
				t.Errorf("facts: %.400s", got.Facts)
			}
			if small := side < 100; small != bytes.Equal(shown, data) || small == strings.Contains(string(got.Facts), "JPEG") {
				t.Errorf("%s", got.Facts)
			}
		})
	}
}

func TestGenerateImageStoresTheImageWhereItIsTold(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	data := picturePNG(t, 700)
	scriptImage(g, data)
	g.Script("POST", "/apply/v1/service-asset-put", hostedtest.Answer{
		Body: `{"key":"img/a.png","url":"https://x.test/a.png","size_bytes":1,"content_type":"image/png"}`,
	})
	s := newSet(t, g, nil)
	got := callWhole(t, s, "generate_image", map[string]any{"prompt": "a house", "save_as": "img/a.png"})
	sent := g.Requests()
	if put := sent[len(sent)-1]; put.Body != string(data) || put.Header.Get("X-Run402-Asset-Key") != "img/a.png" {
		t.Errorf("%d bytes of %d were stored as %v", len(put.Body), len(data), put.Header)
	}
	if !strings.Contains(string(got.Facts), "https://x.test/a.png") {
		t.Errorf("%s", got.Facts)
	}
	got = callWhole(t, s, "generate_image", map[string]any{"prompt": "a house", "save_as": "../a"})
	if !got.IsError || len(g.Requests()) != len(sent) {
		t.Errorf("an image was paid for that cannot be stored: %s", got.Facts)
	}
	g.Script("POST", "/apply/v1/service-asset-put", hostedtest.Answer{Status: 403, Body: `{"code":"QUOTA_EXCEEDED","message":"full"}`})
	got = callWhole(t, s, "generate_image", map[string]any{"prompt": "a house", "save_as": "a.png"})
	if got.IsError || len(got.Content) != 2 || !strings.Contains(string(got.Facts), "not stored: QUOTA_EXCEEDED") {
		t.Errorf("an image that was paid for is lost: %s", got.Facts)
	}
}

// Where put_asset is not open, or not to this caller, save_as is no way around that.
func TestSaveAsIsBehindTheGateOfPutAsset(t *testing.T) {
	gates := func(text string) func(*Options) {
		return func(o *Options) {
			o.Shared = true
			var err error
			if o.Gates, err = auth.ParseGates("gates.json", []byte(`{"tools":`+text+`}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	g := hostedtest.New(hostedtest.Hosted)
	scriptImage(g, picturePNG(t, 8))
	for name, c := range map[string]struct {
		gates         string
		offered, made bool
	}{
		"the toolset alone":     {`{"ai":{"requireAuth":false}}`, false, false},
		"both":                  {`{"ai":{"requireAuth":false},"put_asset":{"requireAuth":false}}`, true, true},
		"one for the signed in": {`{"ai":{"requireAuth":false},"put_asset":{"requireAuth":true}}`, true, false},
	} {
		s := newSet(t, g, gates(c.gates))
		list, _ := listTools(t, newServer(s))
		at := slices.IndexFunc(list, func(l listedTool) bool { return l.Name == "generate_image" })
		if at < 0 {
			t.Fatalf("%s: it is not offered", name)
		}
		if _, offered := list[at].InputSchema["properties"].(map[string]any)["save_as"]; offered != c.offered {
			t.Errorf("%s: offered %v", name, offered)
		}
		before := len(g.Requests())
		got := callWhole(t, s, "generate_image", map[string]any{"prompt": "a house", "save_as": "a.png"})
		if made := len(g.Requests()) > before; made != c.made || got.IsError == c.made && c.made {
			t.Errorf("%s: made %v: %s", name, made, got.Facts)
		}
	}
}

func TestAIToolsSayWhatABackendRefuses(t *testing.T) {
	g := hostedtest.New(hostedtest.Hosted)
	g.Script("POST", "/ai/v1/translate", hostedtest.Answer{
		Status: 503, Body: `{"code":"PROVIDER_NOT_CONFIGURED","message":"nothing to translate with","hint":"set it up","retryable":false}`,
	})
	got := callWhole(t, newSet(t, g, nil), "translate", map[string]any{"text": "Hello", "to": "es"})
	if !got.IsError || !strings.Contains(string(got.Facts), "do not make up a result. set it up") {
		t.Errorf("%s", got.Facts)
	}
	for tool, args := range map[string]map[string]any{
		"translate":      {"text": strings.Repeat("a", 10001), "to": "es"},
		"moderate":       {"text": " "},
		"generate_image": {"prompt": "a", "aspect": "round"},
	} {
		before := len(g.Requests())
		if got := callWhole(t, newSet(t, g, nil), tool, args); !got.IsError || len(g.Requests()) != before {
			t.Errorf("%s: %s", tool, got.Facts)
		}
	}
}
