package assets

import (
	"strings"
	"testing"
)

func TestBucketsThatCannotBe(t *testing.T) {
	tests := map[string]struct{ url, want string }{
		"a parameter that nobody knows": {"s3://b?acl=public", `no parameter "acl"`},
		"an endpoint without a host":    {"s3://b?endpoint=localhost:9000", "not the URL of a server"},
		"an endpoint with a path":       {"s3://b?endpoint=http://s3.example.com/b", "not the URL of a server"},
		"no URL":                        {"s3://b\x7f", "open bucket"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := newBucket(test.url, "prj_1"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error that says %q", err, test.want)
			}
		})
	}
}
