package rest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// The media types that a body may have besides JSON. The last three are for functions with one unnamed parameter.
const (
	typeCSV   = "text/csv"
	typeForm  = "application/x-www-form-urlencoded"
	typeText  = "text/plain"
	typeXML   = "text/xml"
	typeBytes = "application/octet-stream"
)

// payload is what came in the body of a request: its media type without parameters, and its bytes.
type payload struct {
	kind string
	raw  []byte
}

// whole says that the body is one value for a function, as it is.
func (p payload) whole() bool { return p.kind == typeText || p.kind == typeXML || p.kind == typeBytes }

// readPayload reads at most limit bytes.
func readPayload(w http.ResponseWriter, r *http.Request, limit int64) (payload, error) {
	p := payload{kind: typeJSON}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "" { // parameters do not matter
		p.kind = strings.ToLower(strings.TrimSpace(kind))
	}
	if r.Body == nil {
		return p, nil
	}
	var err error
	p.raw, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return p, &Error{Status: http.StatusRequestEntityTooLarge, Code: "PGRST102",
			Message: fmt.Sprintf("the request body is larger than %d bytes", limit),
			Hint:    "Send the rows in several requests."}
	case err != nil:
		return p, bodyError("the request body could not be read")
	}
	r.Body = io.NopCloser(bytes.NewReader(p.raw)) // for another try: see outdated
	return p, nil
}

func notAcceptable(contentType string) *Error {
	return bodyError("Content-Type not acceptable: %s", clip(contentType))
}

// rows reads the payload as rows of a table or as arguments of a function.
func (p payload) rows() (*body, error) {
	switch p.kind {
	case typeJSON:
		return parseBody(p.raw)
	case typeCSV:
		return parseCSV(p.raw)
	case typeForm:
		return parseForm(p.raw)
	}
	return nil, notAcceptable(p.kind)
}

// parseForm makes an object of texts. Of a key that comes twice the last value counts.
func parseForm(raw []byte) (*body, error) {
	form, err := url.ParseQuery(string(raw))
	if err != nil || !utf8.ValidString(string(raw)) {
		return nil, bodyError("the form in the body has a bad percent escape, or is not text in UTF-8")
	}
	b := &body{same: true, form: form}
	w := newJSONWriter()
	names := slices.Sorted(maps.Keys(form))
	for _, name := range names {
		values := form[name]
		w.member(jsonText(name), values[len(values)-1], false)
	}
	w.endObject()
	b.json = w.buf.Bytes()
	return b, b.add(names)
}

// Every line of CSV repeats the names of its columns when it has become JSON.
const (
	maxName    = 63 // bytes; PostgreSQL keeps no more of a column's name
	maxFromCSV = 64 << 20
)

// parseCSV makes an array of objects whose keys are the first line. Every value is a text but for the word NULL; an
// empty one is an empty text. A line that is longer or shorter than the first is an error.
func parseCSV(raw []byte) (*body, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if len(raw) == 0 || !utf8.Valid(raw) {
		return nil, bodyError("the CSV in the body is empty, or is not text in UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, csvError(err)
	}
	names := slices.Clone(head)
	keys := make([][]byte, len(names))
	for i, name := range names {
		if strings.IndexByte(name, 0) >= 0 || len(name) > maxName {
			return nil, bodyError("the first line of the CSV has a name that is no column name: %q", clip(name))
		}
		keys[i] = jsonText(name)
	}
	b := &body{array: true, same: true}
	w := newJSONWriter()
	w.buf.WriteByte('[')
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvError(err)
		}
		if b.count > 0 {
			w.buf.WriteByte(',')
		}
		for i, value := range line {
			w.member(keys[i], value, value == "NULL")
		}
		w.endObject()
		if err := b.add(names); err != nil {
			return nil, err
		}
		if w.buf.Len() > maxFromCSV {
			return nil, &Error{Status: http.StatusRequestEntityTooLarge, Code: "PGRST102",
				Message: fmt.Sprintf("the CSV in the body makes more than %d bytes of JSON", maxFromCSV),
				Hint:    "Send the rows in several requests."}
		}
	}
	w.buf.WriteByte(']')
	b.json = w.buf.Bytes()
	return b, nil
}

func csvError(err error) *Error {
	if errors.Is(err, csv.ErrFieldCount) {
		return bodyError("All lines must have same number of fields")
	}
	return bodyError("the CSV in the body cannot be read: %s", clip(err.Error()))
}

// jsonWriter writes objects whose values are texts or null.
type jsonWriter struct {
	buf  bytes.Buffer
	enc  *json.Encoder
	open bool
}

func newJSONWriter() *jsonWriter {
	w := &jsonWriter{}
	w.enc = json.NewEncoder(&w.buf)
	w.enc.SetEscapeHTML(false)
	return w
}

func (w *jsonWriter) member(key []byte, value string, null bool) {
	sep := byte(',')
	if !w.open {
		sep, w.open = '{', true
	}
	w.buf.WriteByte(sep)
	w.buf.Write(key)
	w.buf.WriteByte(':')
	if null {
		w.buf.WriteString("null")
		return
	}
	_ = w.enc.Encode(value) // a text always encodes; the line feed after it is a blank
}

func (w *jsonWriter) endObject() {
	if !w.open {
		w.buf.WriteByte('{')
	}
	w.buf.WriteByte('}')
	w.open = false
}

func jsonText(s string) []byte {
	out, _ := json.Marshal(s) // a text always encodes
	return out
}
