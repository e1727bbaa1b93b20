package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// putAsset puts bytes with the service key.
func putAsset(t testing.TB, key, body string, header map[string]string) answer {
	t.Helper()
	all := map[string]string{"X-Run402-Asset-Key": key}
	for name, value := range header {
		all[name] = value
	}
	return do(t, request{
		method: http.MethodPost, path: "/apply/v1/service-asset-put", bearer: shared.project.ServiceKey, body: body,
		contentType: all["Content-Type"], header: all,
	})
}

func TestAssetIsServedAsItWasPut(t *testing.T) {
	a := putAsset(t, "served/hello.txt", "hello", map[string]string{"Content-Type": "text/plain; charset=utf-8"})
	if a.status != http.StatusOK {
		t.Fatalf("put answered %d: %s", a.status, a.body)
	}
	t.Log(a.body)
	sum := sha256.Sum256([]byte("hello"))
	got := do(t, request{path: "/_blob/served/hello.txt"})
	if got.status != 200 || got.body != "hello" || got.header.Get("Etag") != `"sha256-`+hex.EncodeToString(sum[:])+`"` {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	t.Log(got.header)
	if got := do(t, request{path: "/_blob/served/hello-" + hex.EncodeToString(sum[:4]) + ".txt"}); got.body != "hello" ||
		!strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("immutable: got %d %v %s", got.status, got.header, got.body)
	}
	list := do(t, request{path: "/storage/v1/blobs?prefix=served/", apikey: shared.project.ServiceKey})
	t.Log(list.body)
}
