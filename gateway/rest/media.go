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
	handled     bool   // the value is one of all rows, beside their number
	value       string // SQL for the value of a row "q" of a function that returns no rows; "" for rows
}

// custom gives the form for a media type that SQL makes itself; false when it does not.
type custom func(kind string) (media, bool)

const (
	typeJSON   = "application/json"
	typeObject = "application/vnd.pgrst.object"
	typeArray  = "application/vnd.pgrst.array"
	typeAPI    = "application/openapi+json"
)

// accept chooses the form of the answer; own may be nil.
func (req *request) accept(own custom) (err error) {
	req.media, err = parseAccept(req.http.Header.Values("Accept"), own)
	return err
}

// parseAccept picks the first form among the Accept headers that can be given, by falling quality.
func parseAccept(headers []string, own custom) (media, error) {
	if strings.TrimSpace(strings.Join(headers, "")) == "" {
		headers = []string{"*/*"}
	}
	if text := strings.Join(headers, ","); text == "*/*" || text == typeJSON { // what most ask for needs no parsing
		if m, ok := mediaOf(text, nil, own); ok {
			return m, nil
		}
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

func mediaOf(kind string, params map[string]string, own custom) (media, bool) {
	strip := params["nulls"] == "stripped"
	suffix := "+json; charset=utf-8"
	if strip {
		suffix = "+json;nulls=stripped; charset=utf-8"
	}
	family := strings.TrimSuffix(kind, "+json")
	switch { // these two are nobody else's
	case family == typeObject:
		return media{contentType: typeObject + suffix, single: true, stripNulls: strip}, true
	case family == typeArray && strip:
		return media{contentType: typeArray + suffix, stripNulls: true}, true
	}
	if own != nil {
		if m, ok := own(kind); ok {
			return m, true
		}
	}
	switch {
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

// made is the form of a media type that SQL makes, "*/*" being the one that takes whatever is asked.
func made(kind string) media {
	if kind == "*/*" {
		return media{contentType: typeBytes, raw: true}
	}
	return media{contentType: kind + charset(kind), raw: true}
}

// ofFunction is custom for a function whose type is a domain named after a media type, or that returns rows of a table.
func ofFunction(f *catalog.Function, c *catalog.Catalog, whole bool) custom {
	if name := mediaName.FindStringSubmatch(f.Returns); name != nil && !f.Set {
		own := strings.ToLower(name[1])
		return func(kind string) (media, bool) { return made(own), own == "*/*" || own == kind }
	}
	if f.Table == nil {
		return nil
	}
	return ofRows(f.Table, c, whole)
}

// ofRows is custom for rows of a table, which may be nil. What takes that table's rows takes only whole ones.
func ofRows(t *catalog.Table, c *catalog.Catalog, whole bool) custom {
	return func(kind string) (m media, ok bool) {
		var h *catalog.Handler
		if t != nil && whole {
			if h = c.Handler(t, "*/*"); h == nil {
				h = c.Handler(t, kind)
			}
		}
		if h == nil {
			h = c.Handler(nil, kind)
		}
		if h == nil {
			return media{}, false
		}
		m = made(h.Media)
		m.handled, m.value = true, h.Aggregate+"(q.*)"
		if h.Row != "" {
			m.value = h.Aggregate + "((q.*)::" + h.Row + ")"
		}
		m.value += ", count(*)"
		return m, true
	}
}

// whole says that the query asks for every column and nothing else.
func (q *query) whole() bool {
	all := q.columns == nil || len(q.columns) == 1 && q.columns[0].column == "*" && q.columns[0].agg == ""
	return all && len(q.kids) == 0
}
