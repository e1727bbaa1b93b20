package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/wire"
)

// assetsOver returns assets on a backend that answers as it is told.
func assetsOver(t *testing.T, serve http.HandlerFunc) core.Assets {
	t.Helper()
	client, err := core.New(core.Config{
		Base: "http://localhost", ProjectID: "prj_1", AnonKey: "anon", ServiceKey: "service", Transport: core.Handler(serve),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.Assets()
}

func TestPutSendsWhatTheFunctionsLibraryDoes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	for name, body := range map[string]io.Reader{
		"text": strings.NewReader("content"), "file": opened, "stream": io.MultiReader(strings.NewReader("con"), strings.NewReader("tent")),
	} {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			var sent string
			assets := assetsOver(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				got, sent = r, string(raw)
				_, _ = io.WriteString(w, `{"key":"a/b.md","sha256":"00","immutable_url":null}`)
			})
			ref, err := assets.Put(t.Context(), "a/b.md", body, core.PutAsset{
				Visibility: "private", Mutable: true, Metadata: []byte(`{"a":[ "<" ],"b":null}`),
			})
			if err != nil || ref.Key != "a/b.md" {
				t.Fatalf("%+v %v", ref, err)
			}
			want := http.Header{
				"Authorization": {"Bearer service"}, "Content-Type": {"text/markdown; charset=utf-8"}, "X-Run402-Asset-Key": {"a/b.md"},
				"X-Run402-Asset-Visibility": {"private"}, "X-Run402-Asset-Immutable": {"false"}, "X-Run402-Asset-Exif-Policy": {"keep"},
				"X-Run402-Asset-Metadata": {"eyJhIjpbIjwiXX0"}, // {"a":["<"]}
			}
			if diff := cmp.Diff(want, got.Header); diff != "" || sent != "content" || got.URL.Path != "/apply/v1/service-asset-put" {
				t.Errorf("%s sent %q\n%s", got.URL, sent, diff)
			}
		})
	}
}

func TestPutIsRepeatedFromTheBeginning(t *testing.T) {
	for name, c := range map[string]struct {
		body  io.Reader
		tries int
	}{
		"what can be read again": {strings.NewReader("content"), 2},
		"what cannot":            {io.LimitReader(strings.NewReader("content"), 100), 1},
	} {
		t.Run(name, func(t *testing.T) {
			var bodies []string
			assets := assetsOver(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				if bodies = append(bodies, string(raw)); len(bodies) == 1 {
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = io.WriteString(w, `{"code":"STORAGE_UNAVAILABLE","retryable":true,"safe_to_retry":true}`)
					return
				}
				_, _ = io.WriteString(w, `{"key":"a"}`)
			})
			_, err := assets.Put(t.Context(), "a", c.body, core.PutAsset{})
			if (err == nil) != (c.tries > 1) || len(bodies) != c.tries || bodies[len(bodies)-1] != "content" {
				t.Errorf("sent %q: %v", bodies, err)
			}
		})
	}
}

func TestWhatIsNoAssetIsNotSent(t *testing.T) {
	assets := assetsOver(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	put := func(key, body string, o core.PutAsset) error {
		_, err := assets.Put(t.Context(), key, strings.NewReader(body), o)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"no key":                {put("", "x", core.PutAsset{}), core.CodeInvalidKey},
		"a key of dots":         {put("a/../b", "x", core.PutAsset{}), core.CodeInvalidKey},
		"a key in another line": {put("a\r\nX-Evil: 1", "x", core.PutAsset{}), core.CodeInvalidKey},
		"nothing":               {put("a", "", core.PutAsset{}), core.CodeAssetEmpty},
		"too much":              {put("a", strings.Repeat("x", wire.MaxAsset+1), core.PutAsset{}), core.CodeAssetTooLarge},
		"nested metadata":       {put("a", "x", core.PutAsset{Metadata: []byte(`{"a":{}}`)}), core.CodeInvalidMetadata},
		"a type in two lines":   {put("a", "x", core.PutAsset{ContentType: "text/plain\nX: y"}), core.CodeInvalidRequest},
		"deleting no key":       {assets.Delete(t.Context(), ""), core.CodeInvalidKey},
		"deleting above":        {assets.Delete(t.Context(), "../../admin"), core.CodeInvalidKey},
	} {
		if e := (*core.Error)(nil); !errors.As(c.err, &e) || e.Code != c.code || e.MutationState != "not_started" {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	client, err := core.New(core.Config{Base: "http://localhost", AnonKey: "anon", Transport: core.Handler(http.NotFoundHandler())})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Assets().List(t.Context(), core.ListAssets{})
	if e := (*core.Error)(nil); !errors.As(err, &e) || e.Code != core.CodeServiceKeyMissing {
		t.Errorf("without a service key: %v", err)
	}
}

func TestContentIsHeldToItsDigest(t *testing.T) {
	const digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of hello
	for body, ok := range map[string]bool{"hello": true, "hell": false, "jello": false} {
		assets := assetsOver(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.EscapedPath() != "/storage/v1/blob/a%20b/c%3Fd" || r.Header.Get("Apikey") != "service" {
				t.Errorf("asked for %s", r.URL)
			}
			w.Header().Set("X-Run402-Content-Sha256", digest)
			_, _ = io.WriteString(w, body)
		})
		got, err := assets.Get(t.Context(), "a b/c?d")
		if (err == nil) != ok || ok && (got.SHA256 != digest || string(got.Body) != body) {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
}

func TestFindIsOfExactlyThatKey(t *testing.T) {
	assets := assetsOver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("limit") != "1" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"blobs":[{"key":"`+map[string]string{"a": "a", "b": "bc"}[r.URL.Query().Get("prefix")]+`"}]}`)
	})
	if row, err := assets.Find(context.Background(), "a"); err != nil || row.Key != "a" {
		t.Errorf("a: %+v %v", row, err)
	}
	_, err := assets.Find(context.Background(), "b")
	if e := (*core.Error)(nil); !errors.As(err, &e) || e.Code != core.CodeAssetNotFound {
		t.Errorf("b: %v", err)
	}
}

func TestGuessedTypes(t *testing.T) {
	for key, want := range map[string]string{
		"a.PNG": "image/png", "a.b.jpeg": "image/jpeg", "x/a.js": "text/javascript; charset=utf-8", "a.tgz": "application/gzip",
		"text": "text/plain; charset=utf-8", "a.unknown": "text/plain; charset=utf-8", "a.json": "application/json",
	} {
		assets := assetsOver(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Content-Type"); got != want {
				t.Errorf("%s is sent as %s, want %s", key, got, want)
			}
			_, _ = io.WriteString(w, `{}`)
		})
		if _, err := assets.Put(t.Context(), key, strings.NewReader("plain words"), core.PutAsset{}); err != nil {
			t.Error(err)
		}
	}
}

func TestAReferenceIsReadInEitherSpelling(t *testing.T) {
	url := "https://x/_blob/a"
	want := wire.AssetRef{Key: "a", SHA256: "00", SizeBytes: 3, ContentType: "text/css", URL: &url, ImmutableURL: &url, CDNURL: &url, CDNImmutableURL: &url}
	for name, raw := range map[string]string{
		"snake": `{"key":"a","sha256":"00","size_bytes":3,"content_type":"text/css","url":"` + url + `","immutable_url":"` + url +
			`","cdn_url":"` + url + `","cdn_immutable_url":"` + url + `","later":1}`,
		"camel": `{"key":"a","contentSha256":"00","size":3,"contentType":"text/css","url":"` + url + `","immutableUrl":"` + url +
			`","cdnUrl":"` + url + `","cdnImmutableUrl":"` + url + `"}`,
	} {
		var got wire.AssetRef
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
