package assets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core/wire"
)

func TestPutAnswersAReferenceToWhatIsServed(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		const body = "hello, world"
		sum := sha256.Sum256([]byte(body))
		ref := f.mustPut(t, "docs/hello.txt", body, "Content-Type", "text/plain; charset=utf-8",
			wire.AssetMetadataHeader, metadataHeader(`{"n":1,"tags":["a","b"],"gone":null,"ok":true}`), "X-Run402-Asset-Later", "x")
		link := func(s string) *string { return &s }
		want := wire.AssetRef{
			Key: "docs/hello.txt", SHA256: sumOf(body), SizeBytes: int64(len(body)), ContentType: "text/plain; charset=utf-8",
			Visibility: "public", Immutable: true,
			URL: link("http://assets.test/_blob/docs/hello.txt"), CDNURL: link("http://assets.test/_blob/docs/hello.txt"),
			SRI: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), ETag: `"sha256-` + sumOf(body) + `"`,
			ContentDigest: "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":",
			Metadata:      []byte(`{"n": 1, "ok": true, "tags": ["a", "b"]}`),
		}
		want.ImmutableURL = link("http://assets.test/_blob/docs/hello-" + sumOf(body)[:8] + ".txt")
		want.CDNImmutableURL = want.ImmutableURL
		ref.Metadata = bytes.ReplaceAll(ref.Metadata, []byte(" "), nil)
		want.Metadata = bytes.ReplaceAll(want.Metadata, []byte(" "), nil)
		if diff := cmp.Diff(want, ref); diff != "" {
			t.Error(diff)
		}

		for target, cache := range map[string]string{
			*ref.URL:          "public, max-age=300, stale-while-revalidate=3600",
			*ref.ImmutableURL: "public, max-age=31536000, immutable",
			"http://x/storage/v1/blob/docs/hello.txt": "private, no-store",
		} {
			w := f.get(t, target)
			h := w.Header()
			if w.Code != http.StatusOK || w.Body.String() != body || h.Get("Content-Type") != ref.ContentType ||
				h.Get("Content-Length") != fmt.Sprint(len(body)) || h.Get("Etag") != ref.ETag || h.Get("Cache-Control") != cache ||
				h.Get("Content-Digest") != ref.ContentDigest || h.Get("Repr-Digest") != ref.ContentDigest ||
				h.Get("X-Run402-Content-Sha256") != ref.SHA256 || h.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") {
				t.Errorf("%s answered %d %v %s", target, w.Code, h, w.Body)
			}
			if w := f.get(t, target, "If-None-Match", ref.ETag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%s: If-None-Match answered %d", target, w.Code)
			}
			if w := f.get(t, target, "If-None-Match", `"sha256-other"`); w.Code != http.StatusOK || w.Body.String() != body {
				t.Errorf("%s: another If-None-Match answered %d", target, w.Code)
			}
			if w := f.do(t, http.MethodHead, target, http.NoBody); w.Code != http.StatusOK || w.Body.Len() > 0 ||
				w.Header().Get("Content-Length") != fmt.Sprint(len(body)) || w.Header().Get("Etag") != ref.ETag {
				t.Errorf("%s: HEAD answered %d %v", target, w.Code, w.Header())
			}
			w = f.get(t, target, "Range", "bytes=7-9")
			if w.Code != http.StatusPartialContent || w.Body.String() != "wor" || w.Header().Get("Content-Digest") != "" ||
				w.Header().Get("Content-Range") != "bytes 7-9/12" {
				t.Errorf("%s: Range answered %d %v %s", target, w.Code, w.Header(), w.Body)
			}
			if w := f.get(t, target, "Range", "bytes=-5"); w.Body.String() != "world" {
				t.Errorf("%s: a suffix range answered %d %s", target, w.Code, w.Body)
			}
			if w := f.get(t, target, "Range", "bytes=0-1,5-6"); w.Code != http.StatusPartialContent ||
				!strings.Contains(w.Body.String(), "\r\nhe\r\n") {
				t.Errorf("%s: two ranges answered %d %s", target, w.Code, w.Body)
			}
			if w := f.get(t, target, "Range", "bytes=99-"); w.Code != http.StatusRequestedRangeNotSatisfiable {
				t.Errorf("%s: a range beyond the end answered %d", target, w.Code)
			}
			if w := f.get(t, target, "Range", "bytes=0-1", "If-Range", `"sha256-other"`); w.Body.String() != body {
				t.Errorf("%s: If-Range of another version answered %d %s", target, w.Code, w.Body)
			}
		}
		wantCode(t, f.do(t, http.MethodPost, *ref.URL, http.NoBody), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	})
}

func TestAKeyMovesAndItsVersionsStay(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		first := f.mustPut(t, "a.css", "one", "Content-Type", "text/css")
		second := f.mustPut(t, "a.css", "two", "Content-Type", "text/css", wire.AssetMetadataHeader, metadataHeader(`{"v":2}`))
		third := f.mustPut(t, "a.css", "three", wire.AssetImmutableHeader, "false")
		if third.ImmutableURL != nil || third.CDNImmutableURL != nil || third.Immutable || third.URL == nil {
			t.Errorf("an asset that is not immutable: %+v", third)
		}
		if string(third.Metadata) != "null" || third.ContentType != octetStream {
			t.Errorf("what a put leaves out is not cleared: %+v", third)
		}
		for target, want := range map[string]string{*first.URL: "three", *first.ImmutableURL: "one", *second.ImmutableURL: "two"} {
			if w := f.get(t, target); w.Body.String() != want {
				t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, want)
			}
		}
		f.mustPut(t, "a.css", "four", wire.AssetImmutableHeader, "false")
		f.wantNoOrphans(t)
		if n := len(f.objects(t)); n != 3 {
			t.Errorf("%d objects, want those of two versions and of the key", n)
		}
		t.Run("a version that is put again as private is public no more", func(t *testing.T) {
			private := f.mustPut(t, "a.css", "one", wire.AssetVisibilityHeader, "private")
			if private.URL != nil || private.ImmutableURL != nil || private.CDNURL != nil {
				t.Errorf("a private asset has URLs: %+v", private)
			}
			for _, target := range []string{*first.URL, *first.ImmutableURL} {
				wantCode(t, f.get(t, target), http.StatusNotFound, "STORAGE_NOT_FOUND")
			}
			if w := f.get(t, *second.ImmutableURL); w.Body.String() != "two" {
				t.Errorf("another version answered %d", w.Code)
			}
		})
		t.Run("deletion takes the versions", func(t *testing.T) {
			if w := f.do(t, http.MethodDelete, "/storage/v1/blob/a.css", http.NoBody); w.Code != http.StatusOK {
				t.Fatalf("delete answered %d: %s", w.Code, w.Body)
			}
			for _, target := range []string{*first.URL, *first.ImmutableURL, *second.ImmutableURL, "/storage/v1/blob/a.css"} {
				wantCode(t, f.get(t, target), http.StatusNotFound, "STORAGE_NOT_FOUND")
			}
			wantCode(t, f.do(t, http.MethodDelete, "/storage/v1/blob/a.css", http.NoBody), http.StatusNotFound, "STORAGE_NOT_FOUND")
			f.wantNoOrphans(t)
			if n := f.objects(t); len(n) > 0 {
				t.Errorf("the store still holds %v", n)
			}
		})
	})
}

// Bytes that were collected, or are about to be, come back whole when they are put again.
func TestBytesComeBackAfterACollection(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		for i := range 3 {
			f.mustPut(t, "a", "same")
			f.mustPut(t, "b", "same")
			if n := f.objects(t); len(n) != 1 {
				t.Fatalf("round %d: %v, want one object", i, n)
			}
			f.do(t, http.MethodDelete, "/storage/v1/blob/a", http.NoBody)
			f.wantNoOrphans(t)
			if w := f.get(t, "/_blob/b"); w.Body.String() != "same" {
				t.Fatalf("round %d: b answered %d", i, w.Code)
			}
			f.do(t, http.MethodDelete, "/storage/v1/blob/b", http.NoBody)
			if i%2 == 0 {
				f.wantNoOrphans(t)
			}
		}
	})
}

func TestAThousandPutsAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		const puts, kinds = 1000, 20
		done := make(chan struct{})
		var background sync.WaitGroup
		background.Go(func() { // collections all the while
			for {
				select {
				case <-done:
					return
				default:
					if err := f.Collect(context.Background()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		var all sync.WaitGroup
		for i := range puts {
			all.Go(func() {
				body := fmt.Sprintf("kind %d", i%kinds)
				for { // without a grace, another put's last bytes may be collected before this one refers to them
					w := f.tryPut(t, fmt.Sprintf("many/%d", i/2), []byte(body), wire.AssetImmutableHeader, "false")
					if w.Code == http.StatusOK {
						return
					}
					if e := decode[wire.Error](t, w); e.Code != "STORAGE_UNAVAILABLE" || !e.SafeToRetry {
						t.Errorf("put %d answered %d: %s", i, w.Code, w.Body)
						return
					}
				}
			})
		}
		all.Wait()
		close(done)
		background.Wait()
		f.wantNoOrphans(t)
		if n := len(f.objects(t)); n > kinds {
			t.Errorf("%d objects for %d different contents", n, kinds)
		}
		list := f.list(t, "prefix=many/&limit=1000")
		if len(list.Blobs) != puts/2 {
			t.Errorf("%d keys, want %d", len(list.Blobs), puts/2)
		}
		for _, row := range list.Blobs[:20] {
			if w := f.get(t, "/_blob/"+row.Key); sumOf(w.Body.String()) != row.SHA256 {
				t.Errorf("%s reads back as %q", row.Key, w.Body)
			}
		}
	})
}

func TestQuotaHolds(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir(), Quota: 1000})
	var stored, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i / 2)}, 100) // each content twice, counted once
			switch w := f.tryPut(t, fmt.Sprintf("q/%d", i), body); w.Code {
			case http.StatusOK:
				stored.Add(1)
			case http.StatusForbidden:
				refused.Add(1)
				wantCode(t, w, http.StatusForbidden, "QUOTA_EXCEEDED")
			default:
				t.Errorf("put %d answered %d: %s", i, w.Code, w.Body)
			}
		})
	}
	all.Wait()
	var used int
	if err := f.pool.QueryRow(t.Context(), `select coalesce(sum(size_bytes), 0) from internal.asset_objects
		where sha256 in (select sha256 from internal.assets)`).Scan(&used); err != nil || used != 1000 {
		t.Errorf("%d bytes are used of 1000, by %d assets (%v)", used, stored.Load(), err)
	}
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	list := f.list(t, "")
	again, err := io.ReadAll(f.get(t, "/_blob/"+list.Blobs[0].Key).Body)
	if err != nil {
		t.Fatal(err)
	}
	f.mustPut(t, "again", string(again)) // costs nothing
	f.do(t, http.MethodDelete, "/storage/v1/blob/again", http.NoBody)
	for _, row := range list.Blobs {
		f.do(t, http.MethodDelete, "/storage/v1/blob/"+row.Key, http.NoBody)
	}
	f.mustPut(t, "after", strings.Repeat("x", 1000)) // what is deleted does not count, collected or not
	wantCode(t, f.tryPut(t, "after", bytes.Repeat([]byte("y"), 1001)), http.StatusForbidden, "QUOTA_EXCEEDED")
	f.wantNoOrphans(t)
}

// failing is a store that breaks where it is told to.
type failing struct {
	store
	keepFails, openFails, breaksOff atomic.Bool
}

var errBroken = errors.New("broken")

func (s *failing) keep(ctx context.Context, name string, file *os.File) error {
	if s.keepFails.Load() {
		return errBroken
	}
	return s.store.keep(ctx, name, file)
}

func (s *failing) open(ctx context.Context, name string, size int64) (io.ReadSeekCloser, error) {
	if s.openFails.Load() {
		return nil, errBroken
	}
	content, err := s.store.open(ctx, name, size)
	if err == nil && s.breaksOff.Load() {
		content = &breaking{ReadSeekCloser: content}
	}
	return content, err
}

type breaking struct {
	io.ReadSeekCloser
	reads int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.reads++; b.reads > 2 {
		return 0, errBroken
	}
	return b.ReadSeekCloser.Read(p[:1])
}

func TestAStoreThatFailsIsSaid(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture) {
		whole, err := f.opened()
		if err != nil {
			t.Fatal(err)
		}
		s := &failing{store: whole}
		f.Assets.store = s
		s.keepFails.Store(true)
		wantCode(t, f.tryPut(t, "broken", []byte("x")), http.StatusServiceUnavailable, "STORAGE_UNAVAILABLE")
		wantCode(t, f.get(t, "/_blob/broken"), http.StatusNotFound, "STORAGE_NOT_FOUND")
		s.keepFails.Store(false)
		f.wantNoOrphans(t)
		f.mustPut(t, "broken", "content")
		s.openFails.Store(true)
		wantCode(t, f.get(t, "/_blob/broken"), http.StatusServiceUnavailable, "STORAGE_UNAVAILABLE")
		s.openFails.Store(false)
		s.breaksOff.Store(true)
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Error("an answer that broke off looks whole")
				}
			}()
			f.get(t, "/_blob/broken")
		}()
		s.breaksOff.Store(false)
		for _, name := range f.objects(t) { // somebody was at the store
			if err := whole.remove(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, f.get(t, "/_blob/broken"), http.StatusServiceUnavailable, "STORAGE_UNAVAILABLE")
		if err := f.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	})
}

func TestSignedURLsOpenPrivateAssets(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	f.mustPut(t, "secret/plan.html", "<script>1</script>", wire.AssetVisibilityHeader, "private", "Content-Type", "text/html")
	const private = "/_blob/secret/plan.html"
	wantCode(t, f.get(t, private), http.StatusNotFound, "STORAGE_NOT_FOUND")
	wantCode(t, f.get(t, "/_blob/secret/plan-"+sumOf("<script>1</script>")[:8]+".html"), http.StatusNotFound, "STORAGE_NOT_FOUND")
	sign := func(body string) wire.SignedAsset {
		w := f.do(t, http.MethodPost, "/storage/v1/blob/secret/plan.html/sign", strings.NewReader(body))
		if w.Code != http.StatusOK {
			t.Fatalf("sign %s answered %d: %s", body, w.Code, w.Body)
		}
		return decode[wire.SignedAsset](t, w)
	}
	if s := sign(""); s.ExpiresIn != 3600 || s.ExpiresAt == "" {
		t.Errorf("the default: %+v", s)
	}
	signed := sign(`{"ttl_seconds":60}`).SignedURL
	w := f.get(t, signed)
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "private, no-store" ||
		!strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("signed: %d %v", w.Code, w.Header())
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*url.URL, url.Values){
		"a later end":     func(_ *url.URL, q url.Values) { q.Set("expires", "9999999999") },
		"no signature":    func(_ *url.URL, q url.Values) { q.Del("signature") },
		"another":         func(_ *url.URL, q url.Values) { q.Set("signature", strings.Repeat("A", 43)) },
		"another asset's": func(u *url.URL, _ url.Values) { u.Path = "/_blob/secret/other.html" },
		"expired": func(_ *url.URL, q url.Values) {
			q.Set("expires", "1000")
			q.Set("signature", f.signature("secret/plan.html", 1000))
		},
	} {
		forged, q := *u, u.Query()
		change(&forged, q)
		forged.RawQuery = q.Encode()
		f.mustPut(t, "secret/other.html", "x", wire.AssetVisibilityHeader, "private")
		if w := f.get(t, forged.String()); w.Code != http.StatusNotFound {
			t.Errorf("%s: answered %d", name, w.Code)
		}
	}
	for _, body := range []string{`{"ttl_seconds":59}`, `{"ttl_seconds":604801}`, `{"ttl_seconds":-1}`, `{"ttl_seconds":"x"}`, `[`} {
		wantCode(t, f.do(t, http.MethodPost, "/storage/v1/blob/secret/plan.html/sign", strings.NewReader(body)), 400, "INVALID_REQUEST")
	}
	wantCode(t, f.do(t, http.MethodPost, "/storage/v1/blob/no/such/sign", http.NoBody), http.StatusNotFound, "STORAGE_NOT_FOUND")
}

func TestListPagesSortsAndFilters(t *testing.T) {
	f := newFixture(t, Options{Dir: t.TempDir()})
	for i, meta := range []string{`{"tag":"x"}`, `{"tags":["x","y"]}`, `{"uploaded_by":"ana"}`, `{}`, ``} {
		f.mustPut(t, fmt.Sprintf("l/%c", 'e'-i), fmt.Sprint(i), wire.AssetMetadataHeader, metadataHeader(meta))
	}
	f.mustPut(t, "l.gif", string(gifOf(30, 20)), "Content-Type", "image/gif")
	f.mustPut(t, "L/z", "z", wire.AssetVisibilityHeader, "private")
	keys := func(list wire.AssetList) string {
		var out []string
		for _, row := range list.Blobs {
			out = append(out, row.Key)
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"":                                      "L/z l.gif l/a l/b l/c l/d l/e",
		"prefix=l/":                             "l/a l/b l/c l/d l/e",
		"prefix=l":                              "l.gif l/a l/b l/c l/d l/e",
		"prefix=%25":                            "",
		"sort=createdAt:asc":                    "l/e l/d l/c l/b l/a l.gif L/z",
		"sort=createdAt:desc":                   "L/z l.gif l/a l/b l/c l/d l/e",
		"filter.tag=x":                          "l/d l/e",
		"filter[tag]=y":                         "l/d",
		"filter.uploaded_by=ana":                "l/c",
		"filter.is_image=true":                  "l.gif",
		"filter.format=gif&filter.min_width=30": "l.gif",
		"filter.max_width=29":                   "",
		"filter.min_height=20&filter.max_height=20": "l.gif",
	} {
		if got := keys(f.list(t, query)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		for _, page := range []string{"1", "2", "3"} { // pages in a row make up the same
			var all []string
			next := ""
			for {
				list := f.list(t, query+"&limit="+page+"&cursor="+next)
				if k := keys(list); k != "" {
					all = append(all, k)
				}
				if list.NextCursor == nil {
					break
				}
				next = *list.NextCursor
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("%s in pages of %s: %q, want %q", query, page, got, want)
			}
		}
	}
	row := f.list(t, "prefix=l.gif").Blobs[0]
	if row.WidthPx == nil || *row.WidthPx != 30 || *row.HeightPx != 20 || *row.ImageFormat != "gif" || row.ImmutableSuffix == nil ||
		*row.ImmutableSuffix != row.SHA256[:8] || row.CreatedAt == "" || *row.ImageExifPolicy != "keep" {
		t.Errorf("%+v", row)
	}
	cursor := *f.list(t, "limit=1").NextCursor
	for query, code := range map[string]string{
		"sort=size":                           "INVALID_SORT",
		"filter.size=1":                       "INVALID_FILTER_KEY",
		"filter.=1":                           "INVALID_FILTER_KEY",
		"filter.is_image=maybe":               "INVALID_FILTER_VALUE",
		"filter.min_width=-1":                 "INVALID_FILTER_VALUE",
		"filter.max_height=99999999999":       "INVALID_FILTER_VALUE",
		"filter.tag=%00":                      "INVALID_FILTER_VALUE",
		"sort=createdAt:asc&cursor=" + cursor: "INVALID_CURSOR_FOR_SORT",
		"cursor=x":                            "INVALID_CURSOR_FOR_SORT",
		"cursor=" + metadataHeader(`{"s":"key:asc","k":"\u0000"}`): "INVALID_CURSOR_FOR_SORT",
		"limit=0":      "INVALID_REQUEST",
		"limit=1001":   "INVALID_REQUEST",
		"prefix=a%00b": "INVALID_REQUEST",
	} {
		wantCode(t, f.get(t, wire.AssetBlobs+"?"+query), http.StatusBadRequest, code)
	}
	if got := keys(f.list(t, "cursor="+metadataHeader(`{"s":"key:asc","k":"l/c' or true --"}`))); got != "l/d l/e" {
		t.Errorf("a cursor that is SQL: %q", got)
	}
}

func TestNamesOfVersionsAndKeysAreToldApart(t *testing.T) {
	for _, key := range []string{"a.png", "a", "a/b.tar.gz", ".env", "x/.env", "v1.2", "a-0a1b2c3d.png", "a.", "-.x"} {
		name := immutableName(key, "0123abcd")
		back, suffix, ok := splitImmutable(name)
		if !ok || back != key || suffix != "0123abcd" {
			t.Errorf("%s became %s, and %s-%s again", key, name, back, suffix)
		}
	}
	f := newFixture(t, Options{Dir: t.TempDir()})
	ref := f.mustPut(t, "a.txt", "promised")
	name := strings.TrimPrefix(*ref.ImmutableURL, "http://assets.test/_blob/")
	f.mustPut(t, name, "an asset with the same name")
	if w := f.get(t, *ref.ImmutableURL); w.Body.String() != "promised" {
		t.Errorf("an immutable URL was taken over: %s", w.Body)
	}
	f.mustPut(t, "b-0a1b2c3d.txt", "a key that looks like a version")
	if w := f.get(t, "/_blob/b-0a1b2c3d.txt"); w.Body.String() != "a key that looks like a version" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}
