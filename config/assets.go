package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Assets say where the gateway keeps files, and how many bytes of them.
type Assets struct {
	URL   string // of an S3 bucket; empty means a folder in the project's directory
	Quota int64  // 0 means none
}

// readAssets never repeats the URL: somebody may have put a secret there.
func readAssets(lookup Lookup) (Assets, error) {
	a := Assets{URL: lookup.get("RUN402_ASSETS_URL")}
	if a.URL != "" {
		u, err := url.Parse(a.URL)
		switch {
		case err != nil || u.Scheme != "s3" || u.Hostname() == "":
			return Assets{}, errors.New("RUN402_ASSETS_URL is not an S3 bucket: want one such as s3://name?region=eu-west-1, " +
				"or unset it to keep assets in the project's directory")
		case u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "":
			return Assets{}, errors.New("RUN402_ASSETS_URL may have a bucket and a query only: credentials come from " +
				"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS's own files, and a path goes into ?prefix=path/")
		}
	}
	if text := lookup.get("RUN402_ASSETS_QUOTA_MB"); text != "" {
		const largest = 1 << 30 // a petabyte
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > largest {
			return Assets{}, errors.New("RUN402_ASSETS_QUOTA_MB must be a number of megabytes, such as 500")
		}
		a.Quota = n << 20
	}
	return a, nil
}

// checkRoots makes the directories of --asset-root absolute. Over HTTP nobody's files are the server's to read.
func (s *Settings) checkRoots(roots []string) error {
	if len(roots) > 0 && s.Listen != nil {
		return errors.New("--asset-root is for stdio, and over HTTP a path would be one on the server: " +
			"unset RUN402_ASSET_ROOT")
	}
	for _, root := range roots {
		if root == "" || root[0] == '~' {
			return fmt.Errorf("--asset-root %q: write a directory out in full", root)
		}
		abs, err := filepath.Abs(root)
		if err != nil {
			return fmt.Errorf("--asset-root %q: %w", root, err)
		}
		info, err := os.Stat(abs)
		switch {
		case err != nil:
			return fmt.Errorf("--asset-root: %w", err)
		case !info.IsDir():
			return fmt.Errorf("--asset-root %q is no directory", root)
		}
		s.AssetRoots = append(s.AssetRoots, abs)
	}
	return nil
}
