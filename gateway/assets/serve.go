package assets

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// Blob serves what lies below /_blob to everybody: public assets by their keys, their versions by immutable URLs, and
// whatever a signature opens. To all others a private asset is not there.
func (a *Assets) Blob(tail string) http.HandlerFunc {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		if err := onlyReads(r); err != nil {
			return err
		}
		// An immutable URL goes first, since what it serves was promised for good.
		if key, suffix, ok := splitImmutable(tail); ok {
			as, err := a.findVersion(r.Context(), key, suffix)
			if err == nil {
				return a.serve(w, r, as, "immutable", "public, max-age=31536000, immutable")
			}
			if !isFailure(err) {
				return err
			}
		}
		as, err := a.find(r.Context(), tail)
		switch {
		case err != nil:
			return err
		case as.visibility == public && !r.URL.Query().Has(signatureParam):
			return a.serve(w, r, as, "mutable", "public, max-age=300, stale-while-revalidate=3600")
		case a.opens(r.URL.Query(), as.key):
			return a.serve(w, r, as, "signed", noStore)
		}
		return errNotFound()
	})
}

const noStore = "private, no-store"

// One serves what lies below /storage/v1/blob to whoever has the service key: an asset, its deletion, and with /sign
// after its key a URL that opens it.
func (a *Assets) One(tail string) http.HandlerFunc {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		if key, ok := strings.CutSuffix(tail, "/sign"); ok && r.Method == http.MethodPost {
			return a.sign(w, r, key)
		}
		if r.Method == http.MethodDelete {
			return a.delete(w, r, tail)
		}
		if err := onlyReads(r); err != nil {
			return err
		}
		as, err := a.find(r.Context(), tail)
		if err != nil {
			return err
		}
		return a.serve(w, r, as, as.visibility, noStore)
	})
}

func (a *Assets) delete(w http.ResponseWriter, r *http.Request, key string) error {
	if err := a.forget(r.Context(), key); err != nil {
		return err
	}
	a.collectSoon()
	return route.Answer(w, http.StatusOK, map[string]string{"status": "ok", "key": key})
}

func onlyReads(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	return refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "this route has no method "+r.Method)
}

func isFailure(err error) bool {
	return errors.As(err, new(*route.Failure))
}

// serve answers with the bytes of an asset, or what of them was asked for.
func (a *Assets) serve(w http.ResponseWriter, r *http.Request, as asset, kind, cacheControl string) error {
	s, err := a.opened()
	if err != nil {
		return err
	}
	content, err := s.open(r.Context(), as.object(), as.size)
	if err != nil {
		return storeError{err}
	}
	body := &watched{ReadSeekCloser: content}
	defer func() { _ = body.Close() }() // only read
	const maxRanges = 8
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges { // thousands of parts would be as many requests to a bucket
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	h := w.Header()
	if r.Header.Get("Range") == "" && r.Header.Get("If-None-Match") == "" && r.Method == http.MethodGet {
		if err := body.begin(); err != nil { // while it can still be said
			return storeError{err}
		}
		h.Set("Content-Digest", digest(as.sum)) // of what is sent, which is all
	}
	h.Set("Repr-Digest", digest(as.sum))
	h.Set("Content-Type", as.contentType)
	h.Set("Etag", etag(as.sum))
	h.Set("X-Run402-Content-Sha256", hex.EncodeToString(as.sum))
	h.Set("X-Run402-Sha256", hex.EncodeToString(as.sum))
	h.Set("X-Run402-Blob-Cache-Kind", kind)
	h.Set("Cache-Control", cacheControl)
	harmless(h, as.contentType)
	http.ServeContent(w, r, "", as.updatedAt, body)
	if body.failed != nil && r.Context().Err() == nil {
		a.opts.Log.ErrorContext(r.Context(), "an asset broke off", "error", body.failed)
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	}
	return nil
}

// harmless has a browser take an asset for what it is said to be, and nothing in it run as a page of the gateway's
// origin: what is opened there has an origin of its own, without scripts, forms and frames. PDF is left out, since
// browsers show it in a place of its own and refuse to in a sandbox.
func harmless(h http.Header, contentType string) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages elsewhere may embed it, as they may link to it
	if media, _, err := mime.ParseMediaType(contentType); err == nil && media == "application/pdf" {
		return
	}
	h.Set("Content-Security-Policy",
		"sandbox; default-src 'none'; img-src * data:; media-src *; font-src * data:; style-src * 'unsafe-inline'")
}

// watched remembers why reading failed, which http.ServeContent keeps to itself.
type watched struct {
	io.ReadSeekCloser
	failed error
}

// begin reads a byte ahead, to see whether the object can be read at all.
func (b *watched) begin() error {
	first := make([]byte, 1)
	_, err := io.ReadFull(b.ReadSeekCloser, first)
	if err != nil {
		return err
	}
	_, err = b.ReadSeekCloser.Seek(0, io.SeekStart)
	return err
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadSeekCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

func etag(sum []byte) string { return `"sha256-` + hex.EncodeToString(sum) + `"` }

func digest(sum []byte) string { return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":" }

// base is where browsers reach the gateway, for URLs.
func (a *Assets) base(r *http.Request) string {
	if a.opts.PublicURL != "" {
		return strings.TrimRight(a.opts.PublicURL, "/")
	}
	return "http://" + r.Host
}

// ref is what a put answers.
func (a *Assets) ref(as *asset, base string) wire.AssetRef {
	sum := hex.EncodeToString(as.sum)
	ref := wire.AssetRef{
		Key: as.key, SHA256: sum, SizeBytes: as.size, ContentType: as.contentType, Visibility: as.visibility,
		Immutable: as.immutable, SRI: "sha256-" + base64.StdEncoding.EncodeToString(as.sum), ETag: etag(as.sum),
		ContentDigest: digest(as.sum), Metadata: as.metadata, ImageExifPolicy: as.exifPolicy,
		WidthPx: as.image.width, HeightPx: as.image.height,
	}
	if as.image.format != "" {
		ref.ImageFormat = &as.image.format
	}
	if as.visibility == public {
		url := base + wire.Blob + "/" + as.key
		ref.URL, ref.CDNURL = &url, &url
		if as.immutable {
			lasting := base + wire.Blob + "/" + immutableName(as.key, suffix(as.sum))
			ref.ImmutableURL, ref.CDNImmutableURL = &lasting, &lasting
		}
	}
	return ref
}
