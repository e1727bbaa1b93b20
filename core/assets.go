package core

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/run402/functions-mcp/core/wire"
)

// Codes of refused calls about assets. Those of section 9 that core finds itself are here too.
const (
	CodeInvalidKey      = "INVALID_STORAGE_KEY"
	CodeInvalidMetadata = "INVALID_ASSET_METADATA"
	CodeAssetEmpty      = "INVALID_SIZE"
	CodeAssetTooLarge   = "REQUEST_BODY_TOO_LARGE" // more than wire.MaxAsset
	CodeAssetNotFound   = "STORAGE_NOT_FOUND"
)

// Assets keeps a project's files, as the service role: section 9.
type Assets struct {
	conn  *conn
	plane adminPlane
}

// Assets returns the project's assets. Without a service key every call fails with code SERVICE_KEY_MISSING.
func (c *Client) Assets() Assets { return Assets{conn: c.conn, plane: c.admin} }

// PutAsset says how an asset is kept. The zero value is what @run402/functions sends by default.
type PutAsset struct {
	ContentType string // empty is guessed from the key, then from the bytes
	Visibility  string // wire.AssetPublic, which empty means, or wire.AssetPrivate
	Mutable     bool   // there is to be no immutable URL
	Metadata    json.RawMessage
	ExifPolicy  string // "keep", which empty means, or "strip"
}

// Put keeps bytes under a key, in place of what it named before: at most wire.MaxAsset. The bytes of a strings.Reader,
// a bytes.Reader or a file are sent from its beginning, and again after a failure that allows it; those of another
// reader once, as they come.
func (a Assets) Put(ctx context.Context, key string, body io.Reader, o PutAsset) (wire.AssetRef, error) {
	const op = "put asset"
	header, err := a.plane.bearer(op)
	if err != nil {
		return wire.AssetRef{}, err
	}
	if err := checkKey(op, key); err != nil {
		return wire.AssetRef{}, err
	}
	metadata, err := wire.CleanMetadata(o.Metadata)
	if err != nil {
		return wire.AssetRef{}, notSent(op, CodeInvalidMetadata, err.Error(), "Send less, or flatten it.")
	}
	sending, head, err := measure(body)
	switch {
	case err != nil:
		return wire.AssetRef{}, fmt.Errorf("%s: read the content: %w", op, err)
	case len(head) == 0:
		return wire.AssetRef{}, notSent(op, CodeAssetEmpty, "the content is empty", "An asset has at least one byte.")
	case sending.length > wire.MaxAsset:
		return wire.AssetRef{}, notSent(op, CodeAssetTooLarge,
			fmt.Sprintf("the content has %d bytes, more than 25 MiB", sending.length), "Send less.")
	}
	if o.ContentType == "" {
		o.ContentType = guessContentType(key, head)
	}
	header["Content-Type"] = []string{o.ContentType}
	header[wire.AssetKeyHeader] = []string{key}
	header[wire.AssetVisibilityHeader] = []string{orDefault(o.Visibility, wire.AssetPublic)}
	header[wire.AssetImmutableHeader] = []string{strconv.FormatBool(!o.Mutable)}
	header[wire.AssetExifHeader] = []string{orDefault(o.ExifPolicy, "keep")}
	if metadata != nil {
		header[wire.AssetMetadataHeader] = []string{base64.RawURLEncoding.EncodeToString(metadata)}
	}
	for name, values := range header {
		if strings.ContainsFunc(values[0], isControl) {
			return wire.AssetRef{}, notSent(op, CodeInvalidRequest, name+" holds control characters", "Send plain text.")
		}
	}
	ans, err := a.conn.send(ctx, request{
		op: op, method: http.MethodPost, path: wire.AssetPut, header: header, stream: sending,
	})
	if err != nil {
		return wire.AssetRef{}, err
	}
	return decodeAnswer[wire.AssetRef](op, ans)
}

// measure returns a body with its length, if that can be known, and its first bytes.
func measure(body io.Reader) (*stream, []byte, error) {
	const look = 3 << 10
	seeker, seeks := body.(io.Seeker)
	at, random := body.(io.ReaderAt)
	if seeks && random {
		if length, err := seeker.Seek(0, io.SeekEnd); err == nil { // a pipe is a file that cannot
			s := &stream{open: func() io.Reader { return io.NewSectionReader(at, 0, length) }, length: length}
			head, err := io.ReadAll(io.LimitReader(s.open(), look))
			return s, head, err
		}
	}
	head, err := io.ReadAll(io.LimitReader(body, look))
	all := io.MultiReader(bytes.NewReader(head), body)
	return &stream{open: func() io.Reader { return all }, length: -1, once: true}, head, err
}

// ListAssets says which assets to list. Cursor is the NextCursor of the page before; it goes with the Sort that it came
// from. Filter names are those of section 9.2: uploaded_by, tag, format, is_image, min_width, ….
type ListAssets struct {
	Prefix string
	Limit  int // up to wire.MaxAssetsListed; 0 leaves it to the backend
	Cursor string
	Sort   string // one of wire.AssetSorts
	Filter map[string]string
}

// List lists assets.
func (a Assets) List(ctx context.Context, o ListAssets) (wire.AssetList, error) {
	const op = "list assets"
	header, err := a.plane.header(op)
	if err != nil {
		return wire.AssetList{}, err
	}
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("prefix", o.Prefix)
	set("cursor", o.Cursor)
	set("sort", o.Sort)
	if o.Limit > 0 {
		set("limit", strconv.Itoa(o.Limit))
	}
	for name, value := range o.Filter {
		set("filter."+name, value)
	}
	ans, err := a.conn.send(ctx, request{
		op: op, method: http.MethodGet, path: wire.AssetBlobs, query: query.Encode(), header: header, reads: true,
	})
	if err != nil {
		return wire.AssetList{}, err
	}
	return decodeAnswer[wire.AssetList](op, ans)
}

// Find returns what is known of an asset, without its bytes.
func (a Assets) Find(ctx context.Context, key string) (wire.AssetRow, error) {
	const op = "get asset"
	if err := checkKey(op, key); err != nil {
		return wire.AssetRow{}, err
	}
	// Of the keys that begin with it, itself is the first.
	list, err := a.List(ctx, ListAssets{Prefix: key, Limit: 1})
	if err != nil {
		return wire.AssetRow{}, err
	}
	if len(list.Blobs) == 0 || list.Blobs[0].Key != key {
		return wire.AssetRow{}, &Error{
			Op: op, Status: http.StatusNotFound, Code: CodeAssetNotFound, Message: "there is no asset with this key",
			Hint: "List the assets whose keys begin as this one does.", MutationState: "none",
		}
	}
	return list.Blobs[0], nil
}

// AssetContent is the bytes of an asset. They were held to the digest that came with them.
type AssetContent struct {
	ContentType string
	SHA256      string // hexadecimal, of Body
	Body        []byte
}

// Get returns an asset with all of its bytes.
func (a Assets) Get(ctx context.Context, key string) (AssetContent, error) {
	const op = "get asset"
	ans, err := a.one(ctx, op, http.MethodGet, key, "", nil)
	if err != nil {
		return AssetContent{}, err
	}
	sum := sha256.Sum256(ans.body)
	out := AssetContent{
		ContentType: ans.header.Get("Content-Type"), SHA256: hex.EncodeToString(sum[:]), Body: ans.body,
	}
	if said := ans.header.Get("X-Run402-Content-Sha256"); said != "" && !strings.EqualFold(said, out.SHA256) {
		return AssetContent{}, invalidAnswer(op, ans.status, errors.New("its bytes are not those that its digest is of"))
	}
	return out, nil
}

// Delete deletes an asset. Its URLs, the immutable ones too, serve nothing any more.
func (a Assets) Delete(ctx context.Context, key string) error {
	_, err := a.one(ctx, "delete asset", http.MethodDelete, key, "", nil)
	return err
}

// Sign returns a URL that opens an asset to whoever has it, for a time of wire.MinAssetTTL to wire.MaxAssetTTL seconds;
// 0 is the backend's default, an hour.
func (a Assets) Sign(ctx context.Context, key string, ttlSeconds int) (wire.SignedAsset, error) {
	const op = "sign asset"
	body, err := encode(wire.SignAsset{TTLSeconds: ttlSeconds})
	if err != nil {
		return wire.SignedAsset{}, fmt.Errorf("%s: %w", op, err)
	}
	ans, err := a.one(ctx, op, http.MethodPost, key, "/sign", body)
	if err != nil {
		return wire.SignedAsset{}, err
	}
	return decodeAnswer[wire.SignedAsset](op, ans)
}

// one is a request about one asset.
func (a Assets) one(ctx context.Context, op, method, key, action string, body []byte) (answer, error) {
	header, err := a.plane.header(op)
	if err != nil {
		return answer{}, err
	}
	if err := checkKey(op, key); err != nil {
		return answer{}, err
	}
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	if body != nil {
		header["Content-Type"] = []string{"application/json"}
	}
	return a.conn.send(ctx, request{
		op: op, method: method, path: wire.AssetBlob + "/" + key + action,
		rawPath: wire.AssetBlob + "/" + strings.Join(segments, "/") + action,
		header:  header, body: body, reads: method != http.MethodDelete, // a signature is only computed
	})
}

// checkKey refuses what cannot be sent. Which keys there can be is the backend's to say, but for those that a path
// cannot hold.
func checkKey(op, key string) error {
	plain := key != "" && len(key) <= wire.MaxAssetKey && key == strings.Trim(key, "/ ") &&
		!strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) && path.Clean("/"+key) == "/"+key
	if plain {
		return nil
	}
	return notSent(op, CodeInvalidKey, "no asset can have this key", "Use plain paths such as img/logo.png: "+
		wire.AssetKeyRules+".")
}

// guessContentType is @run402/functions' table by the last extension, and beyond it what the bytes look like.
func guessContentType(key string, head []byte) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(key), ".")) {
	case "png":
		return "image/png"
	case "jpg", "jpeg":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	case "webp":
		return "image/webp"
	case "svg":
		return "image/svg+xml"
	case "html":
		return "text/html; charset=utf-8"
	case "css":
		return "text/css; charset=utf-8"
	case "js":
		return "text/javascript; charset=utf-8"
	case "txt":
		return "text/plain; charset=utf-8"
	case "md":
		return "text/markdown; charset=utf-8"
	case "json":
		return "application/json"
	case "pdf":
		return "application/pdf"
	case "zip":
		return "application/zip"
	case "tgz", "gz":
		return "application/gzip"
	}
	return mimetype.Detect(head).String()
}

func orDefault(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

// decodeAnswer reads a JSON answer.
func decodeAnswer[T any](op string, ans answer) (T, error) {
	var out T
	if err := json.Unmarshal(ans.body, &out); err != nil {
		var none T
		return none, invalidAnswer(op, ans.status, err)
	}
	return out, nil
}
