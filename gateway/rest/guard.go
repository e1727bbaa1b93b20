package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A guard is a condition on the number of rows that a write touched; when it holds, the statement fails and the write
// is undone. SQL has no "raise": the guard casts a telling text to integer, which PostgreSQL quotes in its error. A
// nonce keeps data that looks like such a text from being taken for one.
type guard struct {
	name  string // "max", "one" or "key"
	when  string // the comparison of the count with limit
	limit int64
}

// guards writes the guards as a condition that is true or fails, on the rows that from writes as an element of FROM.
// Its subqueries depend on nothing, so PostgreSQL evaluates them once and before the first row is answered.
func (b *builder) guards(nonce string, gs []guard, from func()) {
	for i, g := range gs {
		if i > 0 {
			b.add(" and ")
		}
		b.add("(select case when count(*)", g.when)
		b.text(strconv.FormatInt(g.limit, 10))
		b.add(" then (")
		b.text(nonce + ":" + g.name + ":")
		b.add("::text || count(*))::integer is null else true end from ")
		from()
		b.add(")")
	}
}

// violation turns the error of a guard into the answer it stands for; any other error stays as it is.
func violation(nonce string, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "22P02" {
		return err
	}
	_, text, found := strings.Cut(pg.Message, nonce+":")
	if !found {
		return err
	}
	name, count, _ := strings.Cut(strings.TrimRight(text, `"`), ":")
	switch name {
	case "max":
		return &Error{Status: http.StatusBadRequest, Code: "PGRST124",
			Message: "Query result exceeds max-affected preference constraint",
			Details: "The query affects " + count + " rows"}
	case "key":
		return keyMismatch()
	default:
		n, _ := strconv.ParseInt(count, 10, 64) // count(*) is a number
		return notSingular(n)
	}
}

// keyMismatch is the answer to a PUT of a row other than its filters name.
func keyMismatch() *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST115",
		Message: "Payload values do not match URL in primary key column(s)"}
}
