package core

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// Rows runs the query and returns its rows.
func (q *Query) Rows(ctx context.Context) ([]json.RawMessage, error) {
	res, err := q.Do(ctx)
	return res.Rows, err
}

// Into runs the query and decodes its rows into a pointer to a slice.
func (q *Query) Into(ctx context.Context, dst any) error {
	ans, _, err := q.run(ctx)
	if err != nil {
		return err
	}
	if len(ans.body) == 0 {
		ans.body = []byte("[]")
	}
	if err := json.Unmarshal(ans.body, dst); err != nil {
		return fmt.Errorf("%s: decode the rows: %w", q.op(), err)
	}
	return nil
}

// Result is what a query answered: rows as PostgreSQL built them, never decoded.
type Result struct {
	Rows      []json.RawMessage
	Count     *int64 // the exact total, when asked for
	NotAtomic bool   // the limit of MaxAffected was checked by counting first
}

// Do runs the query.
func (q *Query) Do(ctx context.Context) (Result, error) {
	ans, counted, err := q.run(ctx)
	if err != nil {
		return Result{}, err
	}
	res := Result{NotAtomic: counted}
	if res.Rows, err = splitRows(ans.body); err != nil {
		return Result{}, invalidAnswer(q.op(), ans.status, err)
	}
	if q.count {
		total, err := rangeTotal(ans.header)
		if err != nil {
			return Result{}, invalidAnswer(q.op(), ans.status, err)
		}
		res.Count = &total
	}
	return res, nil
}

// run sends the query; counted says that MaxAffected was checked by counting first.
func (q *Query) run(ctx context.Context) (_ answer, counted bool, _ error) {
	if q.bounded && q.method != http.MethodPatch && q.method != http.MethodDelete {
		q.fail("only an update or a delete has a limit of touched rows", "Leave the limit out.")
	}
	if q.err != nil {
		return answer{}, false, q.err
	}
	op := q.op()
	header, err := q.plane.header(op)
	if err != nil {
		return answer{}, false, err
	}
	if counted = q.bounded && !q.conn.honours(ctx, wire.HonoursMaxAffected); counted {
		if err := q.checkAffected(ctx); err != nil {
			return answer{}, false, err
		}
	}
	header["Content-Type"] = []string{"application/json"}
	header["Prefer"] = []string{q.prefer(!counted)}
	req := request{op: op, method: q.method, query: q.rawQuery(), header: header, body: q.body}
	if req.method == "" {
		req.method, req.reads = http.MethodGet, true
	}
	req.path = q.plane.prefix() + "/" + q.table
	if escaped := url.PathEscape(q.table); escaped != q.table {
		req.rawPath = q.plane.prefix() + "/" + escaped
	}
	ans, err := q.conn.send(ctx, req)
	return ans, counted, err
}

// checkAffected counts the rows that the filters select and fails when they are more than MaxAffected allows. An update
// also reads what it changes, so it cannot touch a row that this count does not see.
func (q *Query) checkAffected(ctx context.Context) error {
	probe := &Query{conn: q.conn, plane: q.plane, table: q.table, filters: q.filters, limit: "0", count: true}
	res, err := probe.Do(ctx)
	if err != nil {
		return err
	}
	if *res.Count > int64(q.maxRows) {
		e := notSent(q.op(), CodeMaxAffected,
			fmt.Sprintf("it would touch %d rows, more than the %d allowed", *res.Count, q.maxRows),
			"Narrow the filters, or allow more rows.")
		e.affected = *res.Count
		return e
	}
	return nil
}

// prefer returns the value of the Prefer header.
func (q *Query) prefer(inStatement bool) string {
	p := "return=representation"
	if q.count {
		p += ",count=exact"
	}
	if q.upsert {
		p += ",resolution=merge-duplicates"
	}
	if q.bounded && inStatement {
		p += ",handling=strict,max-affected=" + strconv.Itoa(q.maxRows)
	}
	return p
}

// rawQuery returns the query string, form-encoded as URLSearchParams does.
func (q *Query) rawQuery() string {
	b := make([]byte, 0, 128)
	add := func(name, value string) {
		if value != "" {
			b = append(append(append(append(b, '&'), name...), '='), url.QueryEscape(value)...)
		}
	}
	add("select", q.selection)
	b = append(b, q.filters...)
	add("order", string(q.order))
	add("limit", q.limit)
	add("offset", q.offset)
	add("on_conflict", q.onConflict)
	return string(bytes.TrimPrefix(b, []byte{'&'}))
}

// rangeTotal reads the total of a Content-Range such as 0-9/42 or */0.
func rangeTotal(header http.Header) (int64, error) {
	_, total, _ := strings.Cut(header.Get("Content-Range"), "/")
	n, err := strconv.ParseInt(total, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("its Content-Range has no total")
	}
	return n, nil
}
