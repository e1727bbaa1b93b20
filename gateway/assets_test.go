package gateway_test

import (
	"net/http"
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
		contentType: "text/plain", header: all,
	})
}

func TestWhoMayReachAssets(t *testing.T) {
	for key, visibility := range map[string]string{"reach/open.txt": "public", "reach/shut.txt": "private"} {
		a := putAsset(t, key, "content", map[string]string{"X-Run402-Asset-Visibility": visibility})
		if a.status != http.StatusOK {
			t.Fatalf("put answered %d: %s", a.status, a.body)
		}
	}
	p := shared.project
	ana := token(t, "ana", "authenticated")
	for name, c := range map[string]struct {
		request
		status int
	}{
		"a public one":                     {request{path: "/_blob/reach/open.txt"}, 200},
		"a private one":                    {request{path: "/_blob/reach/shut.txt"}, 404},
		"a private one, with a token":      {request{path: "/_blob/reach/shut.txt", apikey: p.AnonKey, bearer: ana}, 404},
		"one that there is not":            {request{path: "/_blob/reach/none.txt"}, 404},
		"no key":                           {request{path: "/_blob/"}, 404},
		"nothing at all":                   {request{path: "/_blob"}, 404},
		"another route":                    {request{path: "/_blobs/reach/open.txt"}, 404},
		"an escaped slash":                 {request{path: "/_blob/reach%2fopen.txt"}, 404},
		"an escaped backslash":             {request{path: "/_blob/reach%5copen.txt"}, 404},
		"dots":                             {request{path: "/_blob/x/../reach/open.txt"}, 404},
		"escaped dots":                     {request{path: "/_blob/x/%2e%2e/reach/open.txt"}, 404},
		"twice escaped dots":               {request{path: "/_blob/%252e%252e/reach/open.txt"}, 404},
		"an empty segment":                 {request{path: "/_blob//reach/open.txt"}, 404},
		"an escaped letter":                {request{path: "/_blob/reach/%6fpen.txt"}, 200},
		"a NUL":                            {request{path: "/_blob/reach/open.txt%00"}, 404},
		"writing to it":                    {request{method: "PUT", path: "/_blob/reach/open.txt", body: "x"}, 405},
		"by key: service key":              {request{path: "/storage/v1/blob/reach/shut.txt", apikey: p.ServiceKey}, 200},
		"by key: service key as bearer":    {request{path: "/storage/v1/blob/reach/shut.txt", bearer: p.ServiceKey}, 200},
		"by key: anon key":                 {request{path: "/storage/v1/blob/reach/open.txt", apikey: p.AnonKey}, 403},
		"by key: a user":                   {request{path: "/storage/v1/blob/reach/open.txt", bearer: ana}, 403},
		"by key: nobody":                   {request{path: "/storage/v1/blob/reach/open.txt"}, 401},
		"deleting: anon key":               {request{method: "DELETE", path: "/storage/v1/blob/reach/open.txt", apikey: p.AnonKey}, 403},
		"deleting: nobody":                 {request{method: "DELETE", path: "/storage/v1/blob/reach/open.txt"}, 401},
		"signing: a user":                  {request{method: "POST", path: "/storage/v1/blob/reach/shut.txt/sign", bearer: ana}, 403},
		"signing: service key":             {request{method: "POST", path: "/storage/v1/blob/reach/shut.txt/sign", apikey: p.ServiceKey}, 200},
		"by key: dots":                     {request{path: "/storage/v1/blob/../blob/reach/open.txt", apikey: p.ServiceKey}, 404},
		"list: service key":                {request{path: "/storage/v1/blobs", apikey: p.ServiceKey}, 200},
		"list: anon key":                   {request{path: "/storage/v1/blobs", apikey: p.AnonKey}, 403},
		"list: nobody":                     {request{path: "/storage/v1/blobs"}, 401},
		"list: a signature is no service":  {request{path: "/storage/v1/blobs?signature=x&expires=9999999999"}, 401},
		"put: anon key":                    {request{method: "POST", path: "/apply/v1/service-asset-put", bearer: p.AnonKey, body: "x"}, 403},
		"put: a user":                      {request{method: "POST", path: "/apply/v1/service-asset-put", bearer: ana, body: "x"}, 403},
		"put: nobody":                      {request{method: "POST", path: "/apply/v1/service-asset-put", body: "x"}, 401},
		"put: apikey wins over the bearer": {request{method: "POST", path: "/apply/v1/service-asset-put", apikey: p.AnonKey, bearer: p.ServiceKey, body: "x"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			if got := do(t, c.request); got.status != c.status {
				t.Errorf("answered %d, want %d: %s", got.status, c.status, got.body)
			}
		})
	}
}
