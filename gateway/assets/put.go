package assets

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

const (
	public      = wire.AssetPublic
	octetStream = "application/octet-stream"
	exifKeep    = "keep"
	exifStrip   = "strip"
)

// Put serves POST /apply/v1/service-asset-put, section 9.1. It is for whoever has the service key.
func (a *Assets) Put() http.HandlerFunc {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		as, err := readHeaders(r.Header)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), putTimeout)
		defer cancel()
		if err := auth.LimitBody(w, r, putTimeout); err != nil { // of reading, ctx ends nothing
			return err
		}
		if err := a.put(ctx, as, http.MaxBytesReader(w, r.Body, wire.MaxAsset)); err != nil {
			return err
		}
		return route.Answer(w, http.StatusOK, a.ref(as, a.base(r)))
	})
}

// readHeaders takes all that is said of an asset besides its bytes. Headers that are not known do not matter.
func readHeaders(h http.Header) (*asset, error) {
	as := &asset{key: h.Get(wire.AssetKeyHeader), visibility: public, immutable: true}
	if !wire.ValidAssetKey(as.key) {
		return nil, refuse(http.StatusBadRequest, "INVALID_STORAGE_KEY", wire.AssetKeyHeader+": "+wire.AssetKeyRules)
	}
	switch v := h.Get(wire.AssetVisibilityHeader); v {
	case "":
	case wire.AssetPublic, wire.AssetPrivate:
		as.visibility = v
	default:
		return nil, refuse(http.StatusBadRequest, "INVALID_VISIBILITY", wire.AssetVisibilityHeader+" is public or private")
	}
	switch h.Get(wire.AssetImmutableHeader) {
	case "", "true":
	case "false":
		as.immutable = false
	default:
		return nil, route.Invalid("immutable", wire.AssetImmutableHeader+" is true or false")
	}
	policy := h.Get(wire.AssetExifHeader)
	switch policy {
	case "":
		policy = exifKeep
	case exifKeep, exifStrip:
	default:
		return nil, refuse(http.StatusBadRequest, "INVALID_EXIF_POLICY", wire.AssetExifHeader+" is keep or strip")
	}
	as.exifPolicy = &policy
	var err error
	if as.contentType, err = contentType(h.Get("Content-Type")); err != nil {
		return nil, err
	}
	if encoded := strings.TrimRight(h.Get(wire.AssetMetadataHeader), "="); encoded != "" {
		raw, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil {
			return nil, refuseMetadata(wire.AssetMetadataHeader + " is not base64url")
		}
		if as.metadata, err = wire.CleanMetadata(raw); err != nil {
			return nil, refuseMetadata(err.Error())
		}
	}
	return as, nil
}

func refuseMetadata(message string) error {
	return refuse(http.StatusBadRequest, "INVALID_ASSET_METADATA", message)
}

// contentType checks a media type; it is kept as it was written.
func contentType(given string) (string, error) {
	const longest = 255
	if given == "" {
		return octetStream, nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil || len(given) > longest || !strings.Contains(media, "/") ||
		strings.ContainsFunc(given, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", refuse(http.StatusBadRequest, "INVALID_CONTENT_TYPE", "Content-Type must be a media type, as image/png")
	}
	return given, nil
}

// put receives the bytes of an asset, and fills in what they say.
func (a *Assets) put(ctx context.Context, as *asset, body io.Reader) error {
	select {
	case a.puts <- struct{}{}:
		defer func() { <-a.puts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s, err := a.opened()
	if err != nil {
		return err
	}
	u, err := receive(s, body)
	if err != nil {
		return receiveError(err)
	}
	defer u.discard()
	if u.size == 0 {
		return refuse(http.StatusBadRequest, "INVALID_SIZE", "the body is empty, and an asset has at least one byte")
	}
	as.sum, as.size = u.sum, u.size
	if err := as.look(u.file); err != nil {
		return err
	}
	defer a.collectSoon()
	return a.keep(ctx, s, as, u)
}

// keep stores the bytes unless the store has them, and gives them their key.
func (a *Assets) keep(ctx context.Context, s store, as *asset, u *upload) error {
	id, stored, err := a.reserve(ctx, as.sum, as.size)
	if err != nil {
		return err
	}
	as.objectID = id
	if !stored {
		if err := s.keep(ctx, as.object(), u.file); err != nil {
			return storeError{err}
		}
	}
	return a.record(ctx, as)
}

// receiveError says what was wrong with a body. What is not the store's is the client's.
func receiveError(err error) error {
	switch {
	case errors.As(err, new(storeError)):
		return err
	case errors.As(err, new(*http.MaxBytesError)):
		return &route.Failure{
			Status: http.StatusRequestEntityTooLarge, Envelope: auth.BodyTooLarge(wire.MaxAsset),
		}
	}
	return route.Invalid("", "the request's body ended early: send it again")
}

// look reads the header of an image. What says that it is one and cannot be understood is kept all the same.
func (as *asset) look(file io.ReaderAt) error {
	if !strings.HasPrefix(strings.ToLower(as.contentType), "image/") {
		as.exifPolicy = nil
		return nil
	}
	as.image = readImage(io.NewSectionReader(file, 0, as.size))
	if as.image.format == "" {
		as.exifPolicy = nil
	}
	if w, h := int64(as.image.width), int64(as.image.height); max(w, h) > maxImageSide || w*h > maxImagePixels {
		return refuse(http.StatusRequestEntityTooLarge, "IMAGE_INPUT_TOO_LARGE",
			"an image may have 40 million pixels, and 12000 in one direction")
	}
	return nil
}
