package rest

import (
	"cmp"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/gateway/rest/catalog"
)

// media is the form of an answer.
type media struct {
	contentType string
	single      bool // one object instead of an array
	stripNulls  bool
	csv         bool
	raw         bool   // the value of a function as it is
	value       string // SQL for the value of a row "q" of a function that returns no rows; "" for rows
}

const (
	typeJSON   = "application/json"
	typeObject = "application/vnd.pgrst.object"
	typeArray  = "application/vnd.pgrst.array"
	typeAPI    = "application/openapi+json"
)

// accept chooses the form of the answer. A function whose type is a domain named after a media type makes that itself;
// own is its name, "*/*" for whatever is asked, or "" for none.
func (req *request) accept(own string) (err error) {
	req.media, err = parseAccept(req.http.Header.Values("Accept"), own)
	return err
}

// parseAccept picks the first form among the Accept headers that can be given, by falling quality.
func parseAccept(headers []string, own string) (media, error) {
	if strings.TrimSpace(strings.Join(headers, "")) == "" {
		headers = []string{"*/*"}
	}
	best, bestQ := media{}, 0.0
	for _, text := range strings.Split(strings.Join(headers, ","), ",") {
		kind, params, err := mime.ParseMediaType(text)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		if err != nil || q <= bestQ {
			continue
		}
		if m, ok := mediaOf(kind, params, own); ok {
			best, bestQ = m, q
		}
	}
	if bestQ == 0 {
		return media{}, noMedia(headers)
	}
	return best, nil
}

func noMedia(headers []string) *Error {
	return &Error{Status: http.StatusNotAcceptable, Code: "PGRST107",
		Message: "None of these media types are available: " + clip(strings.Join(headers, ", "))}
}

func mediaOf(kind string, params map[string]string, own string) (media, bool) {
	strip := params["nulls"] == "stripped"
	suffix := "+json; charset=utf-8"
	if strip {
		suffix = "+json;nulls=stripped; charset=utf-8"
	}
	family := strings.TrimSuffix(kind, "+json")
	switch {
	case family == typeObject:
		return media{contentType: typeObject + suffix, single: true, stripNulls: strip}, true
	case family == typeArray && strip:
		return media{contentType: typeArray + suffix, stripNulls: true}, true
	case own == "*/*":
		return media{contentType: typeBytes, raw: true}, true
	case kind == own:
		return media{contentType: own + charset(own), raw: true}, true
	case family == typeJSON, family == typeArray, kind == "application/*", kind == "*/*":
		return media{contentType: typeJSON + charset(typeJSON)}, true
	case kind == typeCSV, kind == "text/*":
		return media{contentType: typeCSV + charset(typeCSV), csv: true}, true
	}
	return media{}, false
}

// charset is what a Content-Type says besides the type: only of those that PostgREST knows to be text.
func charset(kind string) string {
	switch kind {
	case typeJSON, typeCSV, typeText, typeXML, typeAPI, "application/geo+json":
		return "; charset=utf-8"
	}
	return ""
}

// mediaName is how a domain is named after a media type.
var mediaName = regexp.MustCompile(`^(?:.*\.)?"([A-Za-z0-9.-]+/[A-Za-z0-9.+-]+|\*/\*)"$`)

// ownMedia returns the media type that a function makes itself, or "".
func ownMedia(f *catalog.Function) string {
	if m := mediaName.FindStringSubmatch(f.Returns); m != nil && !f.Set {
		return strings.ToLower(m[1])
	}
	return ""
}
