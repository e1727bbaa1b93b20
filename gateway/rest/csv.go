package rest

import (
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// columns begins the answer to a result with these columns, perhaps none: in CSV with their names.
func (a *answer) columns(fields []pgconn.FieldDescription) {
	a.binary = len(fields) > 0 && fields[0].DataTypeOID == pgtype.ByteaOID // also of a domain over bytea
	if !a.media.csv || a.r.Method == http.MethodHead {
		return
	}
	for i, f := range fields {
		if i > 0 {
			a.buf = append(a.buf, ',')
		}
		if strings.ContainsAny(f.Name, "\",\r\n") { // where PostgREST writes names as they are, which nobody can read
			a.buf = append(a.buf, '"')
			a.buf = append(a.buf, strings.ReplaceAll(f.Name, `"`, `""`)...)
			a.buf = append(a.buf, '"')
			continue
		}
		a.buf = append(a.buf, f.Name...)
	}
}

// record adds a row of CSV. The values are PostgreSQL's texts; null is nothing, and the empty text is quoted.
func (a *answer) record(values [][]byte) {
	for i, v := range values {
		if i > 0 {
			a.buf = append(a.buf, ',')
		} else {
			a.buf = append(a.buf, '\n')
		}
		if v != nil {
			a.buf = appendCSV(a.buf, v)
		}
	}
}

// appendCSV quotes as PostgreSQL does in the text of a row, which is what PostgREST answers: not only what CSV needs,
// and with backslashes doubled too.
func appendCSV(out, value []byte) []byte {
	quote := len(value) == 0
	for _, c := range value {
		switch c {
		case '"', '\\', '(', ')', ',', ' ', '\t', '\n', '\r', '\v', '\f':
			quote = true
		}
	}
	if !quote {
		return append(out, value...)
	}
	out = append(out, '"')
	for _, c := range value {
		if c == '"' || c == '\\' {
			out = append(out, c)
		}
		out = append(out, c)
	}
	return append(out, '"')
}
