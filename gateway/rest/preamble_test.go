package rest

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeadersAreJSONWhateverTheyHold(t *testing.T) {
	r := httptest.NewRequest("GET", "http://example.org/items", nil)
	r.Header["X-Odd"] = []string{"a \"quoted\" \\ <tag>\t\x01", "é\xff"}
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Cookie", `sid=1; flavour=c"d`)
	for _, c := range []struct {
		what string
		json []byte
		want map[string]string
	}{
		{"headers", headers(r, false), map[string]string{
			"host": "example.org", "x-odd": "a \"quoted\" \\ <tag>\t\x01, é\uFFFD"}},
		{"headers with credentials", headers(r, true), map[string]string{
			"host": "example.org", "x-odd": "a \"quoted\" \\ <tag>\t\x01, é\uFFFD",
			"authorization": "Bearer secret", "cookie": `sid=1; flavour=c"d`}},
		{"cookies", cookies(r, true), map[string]string{"sid": "1"}}, // the other one is malformed
		{"no cookies", cookies(r, false), map[string]string{}},
	} {
		var got map[string]string
		if err := json.Unmarshal(c.json, &got); err != nil {
			t.Errorf("%s: %v in %s", c.what, err, c.json)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}
