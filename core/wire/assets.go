package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Paths of assets, section 9. All but Blob take the service key; a key's segments follow AssetBlob and Blob.
const (
	AssetPut   = "/apply/v1/service-asset-put"
	AssetBlobs = "/storage/v1/blobs"
	AssetBlob  = "/storage/v1/blob"
	Blob       = "/_blob" // what browsers read: public assets, and whatever a signature opens
)

// Headers of AssetPut, section 9.1.
const (
	AssetKeyHeader        = "X-Run402-Asset-Key"
	AssetVisibilityHeader = "X-Run402-Asset-Visibility"
	AssetImmutableHeader  = "X-Run402-Asset-Immutable"
	AssetExifHeader       = "X-Run402-Asset-Exif-Policy"
	AssetMetadataHeader   = "X-Run402-Asset-Metadata"
)

// Limits of assets.
const (
	MaxAsset         = 25 << 20 // bytes of one asset
	MaxAssetKey      = 1024
	MaxAssetMetadata = 4096 // bytes of its JSON
	MaxAssetsListed  = 1000
	MinAssetTTL      = 60 // seconds that a signed URL is good for
	MaxAssetTTL      = 7 * 24 * 3600
	DefaultAssetTTL  = 3600
)

// Visibilities of an asset.
const (
	AssetPublic  = "public"
	AssetPrivate = "private"
)

// AssetRef answers AssetPut, section 9.1. URL and CDNURL serve the key's newest bytes, the immutable ones these bytes
// for good; both are null for a private asset, the latter also without Immutable. It is read in either spelling, also
// as @run402/functions writes it. Sizes in pixels and the format are there when the header of an image was understood.
type AssetRef struct {
	Key             string          `json:"key"`
	SHA256          string          `json:"sha256"` // hexadecimal
	SizeBytes       int64           `json:"size_bytes"`
	ContentType     string          `json:"content_type"`
	Visibility      string          `json:"visibility"`
	Immutable       bool            `json:"immutable"`
	URL             *string         `json:"url"`
	ImmutableURL    *string         `json:"immutable_url"`
	CDNURL          *string         `json:"cdn_url"`
	CDNImmutableURL *string         `json:"cdn_immutable_url"`
	SRI             string          `json:"sri"`            // sha256-<base64>
	ETag            string          `json:"etag"`           // "sha256-<hexadecimal>", with its quotes
	ContentDigest   string          `json:"content_digest"` // sha-256=:<base64>:
	Metadata        json.RawMessage `json:"metadata"`       // a flat object, or null
	ImageFormat     *string         `json:"image_format"`   // jpeg png gif webp avif tiff svg bmp heic
	ImageExifPolicy *string         `json:"image_exif_policy,omitempty"`
	WidthPx         int             `json:"width_px,omitempty"`
	HeightPx        int             `json:"height_px,omitempty"`
}

// UnmarshalJSON takes the camel-case names where the others are not there.
func (a *AssetRef) UnmarshalJSON(raw []byte) error {
	type plain AssetRef
	in := struct {
		*plain
		Hash   string  `json:"contentSha256"`
		Size   int64   `json:"size"`
		Type   string  `json:"contentType"`
		Lasts  *string `json:"immutableUrl"`
		CDN    *string `json:"cdnUrl"`
		CDNFor *string `json:"cdnImmutableUrl"`
	}{plain: (*plain)(a)}
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	a.SHA256, a.SizeBytes, a.ContentType = or(a.SHA256, in.Hash), or(a.SizeBytes, in.Size), or(a.ContentType, in.Type)
	a.ImmutableURL, a.CDNURL = or(a.ImmutableURL, in.Lasts), or(a.CDNURL, in.CDN)
	a.CDNImmutableURL = or(a.CDNImmutableURL, in.CDNFor)
	return nil
}

func or[T comparable](value, other T) T {
	var none T
	if value == none {
		return other
	}
	return value
}

// AssetRow is one asset of an AssetList. Times are ISO-8601. ImmutableSuffix is the part of the immutable URL that
// tells versions apart, null when there is none.
type AssetRow struct {
	Key             string          `json:"key"`
	SizeBytes       int64           `json:"size_bytes"`
	ContentType     string          `json:"content_type"`
	SHA256          string          `json:"sha256"`
	Visibility      string          `json:"visibility"`
	ImmutableSuffix *string         `json:"immutable_suffix"`
	CreatedAt       string          `json:"created_at"`
	UpdatedAt       string          `json:"updated_at"`
	Metadata        json.RawMessage `json:"metadata"`
	WidthPx         *int            `json:"width_px"`
	HeightPx        *int            `json:"height_px"`
	ImageFormat     *string         `json:"image_format"`
	ImageExifPolicy *string         `json:"image_exif_policy"`
}

// AssetList answers AssetBlobs, section 9.2. NextCursor goes on in the same order; it is null at the end.
type AssetList struct {
	Blobs      []AssetRow `json:"blobs"`
	NextCursor *string    `json:"next_cursor"`
}

// AssetSorts are the orders that assets can be listed in; the first is the default.
func AssetSorts() []string { return []string{"key:asc", "createdAt:asc", "createdAt:desc"} }

// SignAsset asks for a signed URL: POST below AssetBlob.
type SignAsset struct {
	TTLSeconds int `json:"ttl_seconds,omitempty"`
}

// SignedAsset answers it: a URL that opens one asset to whoever has it, private or not.
type SignedAsset struct {
	SignedURL string `json:"signed_url"`
	ExpiresAt string `json:"expires_at"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// CleanMetadata returns an asset's metadata as it is kept: a flat object of texts, finite numbers, booleans and lists
// of texts, without nulls. No metadata is nil. The error is for whoever wrote it.
func CleanMetadata(raw []byte) (json.RawMessage, error) {
	if len(raw) > 4*MaxAssetMetadata { // blanks and escapes do not count, within reason
		return nil, fmt.Errorf("metadata has more than %d bytes", MaxAssetMetadata)
	}
	if text := bytes.TrimSpace(raw); len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var in map[string]any
	if dec.Decode(&in) != nil || in == nil {
		return nil, errors.New("metadata must be one flat JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("metadata must be one flat JSON object, and nothing after it")
	}
	for name, value := range in {
		switch {
		case name == "":
			return nil, errors.New("a name in metadata is empty")
		case value == nil:
			delete(in, name)
		case !plainText(name) || !plainValue(value):
			return nil, fmt.Errorf("metadata.%.60q must be a text, a finite number, a boolean or a list of texts, and no "+
				"text may hold a NUL", name)
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		return nil, errors.New("metadata cannot be written as JSON")
	}
	clean := bytes.TrimSpace(out.Bytes())
	if len(clean) > MaxAssetMetadata {
		return nil, fmt.Errorf("metadata has %d bytes of JSON, more than %d", len(clean), MaxAssetMetadata)
	}
	return clean, nil
}

func plainValue(value any) bool {
	switch v := value.(type) {
	case bool:
		return true
	case string:
		return plainText(v)
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		return err == nil && f == f && len(v) <= 64
	case []any:
		for _, item := range v {
			if text, ok := item.(string); !ok || !plainText(text) {
				return false
			}
		}
		return true
	}
	return false
}

// plainText reports whether PostgreSQL can keep a text.
func plainText(text string) bool { return !strings.ContainsRune(text, 0) }

// AssetKeyRules say which keys an asset can have. They are Core's; hosted Run402 may take more.
const AssetKeyRules = `a key has 1 to 1024 of A-Z a-z 0-9 . _ - and /, no empty, "." or ".." segment, and does not ` +
	"begin with _cas/, _staging/ or _run402/"

// ValidAssetKey reports whether an asset can have this key; see AssetKeyRules.
func ValidAssetKey(key string) bool {
	if key == "" || len(key) > MaxAssetKey || strings.ContainsFunc(key, func(r rune) bool { return !isKeyRune(r) }) {
		return false
	}
	for i, segment := range strings.Split(key, "/") {
		switch segment {
		case "", ".", "..":
			return false
		case "_cas", "_staging", "_run402":
			if i == 0 {
				return false
			}
		}
	}
	return true
}

func isKeyRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r)
}
