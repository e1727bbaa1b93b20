package assets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// cursor is where a page ended, in which order. Clients hand it back as it is.
type cursor struct {
	Sort string `json:"s"`
	Key  string `json:"k"`
	At   int64  `json:"t,omitempty"` // microseconds since 1970, for an order by time
}

func (c cursor) encode() *string {
	raw, err := json.Marshal(c)
	if err != nil { // texts and a number always can be
		return nil
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	return &text
}

// List serves GET /storage/v1/blobs, section 9.2.
func (a *Assets) List() http.HandlerFunc {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		q, err := readList(r.URL.Query())
		if err != nil {
			return err
		}
		pool, err := a.opts.Pool(r.Context())
		if err != nil {
			return err
		}
		rows, err := pool.Query(r.Context(), q.sql(), q.args...)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanAsset)
		if err != nil {
			return err
		}
		out := wire.AssetList{Blobs: []wire.AssetRow{}}
		if len(found) > q.limit {
			found = found[:q.limit]
			last := found[q.limit-1]
			next := cursor{Sort: q.sort, Key: last.key}
			if q.sort != byKey {
				next.At = last.createdAt.UnixMicro()
			}
			out.NextCursor = next.encode()
		}
		for _, as := range found {
			out.Blobs = append(out.Blobs, as.row())
		}
		return route.Answer(w, http.StatusOK, out)
	})
}

const byKey = "key:asc"

// listing is a list request as SQL.
type listing struct {
	sort  string
	limit int
	where []string
	args  []any
}

// must adds a condition, whose %d are the numbers of the arguments that come with it.
func (q *listing) must(condition string, args ...any) {
	numbers := make([]any, len(args))
	for i, arg := range args {
		q.args = append(q.args, arg)
		numbers[i] = len(q.args)
	}
	q.where = append(q.where, fmt.Sprintf(condition, numbers...))
}

func (q *listing) sql() string {
	sql := selectAsset
	if len(q.where) > 0 {
		sql += "where " + strings.Join(q.where, " and ")
	}
	order := map[string]string{
		byKey: "a.key", "createdAt:asc": "a.created_at, a.key", "createdAt:desc": "a.created_at desc, a.key desc",
	}
	return sql + " order by " + order[q.sort] + " limit " + strconv.Itoa(q.limit+1)
}

func readList(query url.Values) (*listing, error) {
	q := &listing{sort: byKey, limit: 100}
	if s := query.Get("sort"); s != "" {
		q.sort = s
	}
	if !slices.Contains(wire.AssetSorts(), q.sort) {
		return nil, refuse(http.StatusBadRequest, "INVALID_SORT", "sort is one of "+strings.Join(wire.AssetSorts(), ", "))
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > wire.MaxAssetsListed {
			return nil, route.Invalid("limit", fmt.Sprintf("limit must be 1 to %d", wire.MaxAssetsListed))
		}
		q.limit = n
	}
	if prefix := query.Get("prefix"); prefix != "" {
		if strings.ContainsRune(prefix, 0) {
			return nil, route.Invalid("prefix", "prefix must be the beginning of a key")
		}
		q.must("a.key >= $%d and a.key < $%d", prefix, prefix+"~") // no key has a character beyond ~
	}
	if err := q.readCursor(query.Get("cursor")); err != nil {
		return nil, err
	}
	for name := range query {
		key, ok := strings.CutPrefix(name, "filter.")
		if !ok {
			if key, ok = strings.CutPrefix(name, "filter["); ok {
				key = strings.TrimSuffix(key, "]")
			}
		}
		if ok {
			if err := q.filter(key, query.Get(name)); err != nil {
				return nil, err
			}
		}
	}
	return q, nil
}

func (q *listing) readCursor(text string) error {
	if text == "" {
		return nil
	}
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &c) != nil || c.Sort != q.sort || strings.ContainsRune(c.Key, 0) {
		return refuse(http.StatusBadRequest, "INVALID_CURSOR_FOR_SORT",
			"the cursor is not one of a list in the order "+q.sort+": begin anew without it")
	}
	switch at := time.UnixMicro(c.At); c.Sort {
	case byKey:
		q.must("a.key > $%d", c.Key)
	case "createdAt:asc":
		q.must("(a.created_at, a.key) > ($%d, $%d)", at, c.Key)
	case "createdAt:desc":
		q.must("(a.created_at, a.key) < ($%d, $%d)", at, c.Key)
	}
	return nil
}

// filter adds a condition by its name on the wire. The two that hosted Run402 has an index for, who uploaded something
// and how it is tagged, are of the metadata: uploaded_by, and tag or the list tags.
func (q *listing) filter(name, value string) error {
	bounds := map[string]string{
		"min_width": "a.width_px >= $%d", "max_width": "a.width_px <= $%d",
		"min_height": "a.height_px >= $%d", "max_height": "a.height_px <= $%d",
	}
	invalid := refuse(http.StatusBadRequest, "INVALID_FILTER_VALUE", "the filter "+name+" cannot have this value")
	if strings.ContainsRune(value, 0) {
		return invalid
	}
	switch name {
	case "uploaded_by":
		q.must("a.metadata ->> 'uploaded_by' = $%d", value)
	case "tag":
		q.must("(a.metadata ->> 'tag' = $%d or a.metadata -> 'tags' ? $%d)", value, value)
	case "format":
		q.must("a.image_format = $%d", value)
	case "is_image":
		is, err := strconv.ParseBool(value)
		if err != nil {
			return invalid
		}
		q.must("(a.image_format is not null) = $%d", is)
	case "min_width", "max_width", "min_height", "max_height":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 0 {
			return invalid
		}
		q.must(bounds[name], n)
	default:
		return refuse(http.StatusBadRequest, "INVALID_FILTER_KEY", "filters are uploaded_by, tag, format, is_image, "+
			"min_width, max_width, min_height and max_height")
	}
	return nil
}

// row is an asset as it is listed.
func (a *asset) row() wire.AssetRow {
	row := wire.AssetRow{
		Key: a.key, SizeBytes: a.size, ContentType: a.contentType, SHA256: hex.EncodeToString(a.sum),
		Visibility: a.visibility, CreatedAt: timestamp(a.createdAt), UpdatedAt: timestamp(a.updatedAt),
		Metadata: a.metadata, ImageExifPolicy: a.exifPolicy,
	}
	if a.immutable && a.visibility == public {
		s := suffix(a.sum)
		row.ImmutableSuffix = &s
	}
	if a.image.format != "" {
		row.ImageFormat = &a.image.format
	}
	if a.image.width > 0 {
		row.WidthPx, row.HeightPx = &a.image.width, &a.image.height
	}
	return row
}
