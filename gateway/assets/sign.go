package assets

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

const (
	expiresParam   = "expires" // seconds since 1970
	signatureParam = "signature"
)

// sign answers a URL that opens an asset, for as long as it says, to whoever has it.
func (a *Assets) sign(w http.ResponseWriter, r *http.Request, key string) error {
	in := wire.SignAsset{}
	const maxBody = 4 << 10
	raw, err := route.Read(w, r, maxBody)
	if err != nil {
		return err
	}
	if len(raw) > 0 {
		if err := route.Unmarshal(raw, &in); err != nil {
			return err
		}
	}
	if in.TTLSeconds == 0 {
		in.TTLSeconds = wire.DefaultAssetTTL
	}
	if in.TTLSeconds < wire.MinAssetTTL || in.TTLSeconds > wire.MaxAssetTTL {
		return route.Invalid("ttl_seconds", fmt.Sprintf("ttl_seconds must be %d to %d", wire.MinAssetTTL, wire.MaxAssetTTL))
	}
	as, err := a.find(r.Context(), key)
	if err != nil {
		return err
	}
	expires := time.Now().Add(time.Duration(in.TTLSeconds) * time.Second).Truncate(time.Second)
	query := url.Values{
		expiresParam:   {strconv.FormatInt(expires.Unix(), 10)},
		signatureParam: {a.signature(as.key, expires.Unix())},
	}
	return route.Answer(w, http.StatusOK, wire.SignedAsset{
		SignedURL: a.base(r) + wire.Blob + "/" + as.key + "?" + query.Encode(),
		ExpiresAt: timestamp(expires), ExpiresIn: in.TTLSeconds,
	})
}

// opens reports whether a query holds a signature that opens an asset now.
func (a *Assets) opens(query url.Values, key string) bool {
	expires, err := strconv.ParseInt(query.Get(expiresParam), 10, 64)
	if err != nil || len(a.signKey) == 0 || time.Now().Unix() >= expires {
		return false
	}
	return hmac.Equal([]byte(query.Get(signatureParam)), []byte(a.signature(key, expires)))
}

// signature is of the lines that Core signs; there is no hash among them, since it is the key that is opened.
func (a *Assets) signature(key string, expires int64) string {
	mac := hmac.New(sha256.New, a.signKey)
	lines := []string{"run402-core-storage-read-v1", a.opts.ProjectID, key, "", strconv.FormatInt(expires, 10)}
	_, _ = mac.Write([]byte(strings.Join(lines, "\n"))) // never fails, see hash.Hash
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
