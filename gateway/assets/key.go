package assets

import (
	"path"
	"regexp"
	"strings"
)

var suffixed = regexp.MustCompile(`^(.+)-([0-9a-f]{8})$`)

// immutableName is the name that an immutable URL has for a version: img/logo.png becomes img/logo-0a1b2c3d.png.
func immutableName(key, suffix string) string {
	stem, ext := splitExt(key)
	return stem + "-" + suffix + ext
}

// splitImmutable takes such a name apart. A key may look like one.
func splitImmutable(name string) (key, suffix string, ok bool) {
	stem, ext := splitExt(name)
	m := suffixed.FindStringSubmatch(stem)
	if m == nil {
		return "", "", false
	}
	return m[1] + ext, m[2], true
}

// splitExt splits off an extension; a name that begins with its only dot has none.
func splitExt(key string) (stem, ext string) {
	ext = path.Ext(key)
	if stem = strings.TrimSuffix(key, ext); stem == "" || strings.HasSuffix(stem, "/") {
		return key, ""
	}
	return stem, ext
}
