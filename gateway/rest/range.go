package rest

import (
	"strconv"
	"strings"
)

// parseRange keeps a query to the rows of "Range: 0-9". Anything else is ignored, as RFC 9110 has it for ranges that
// are not understood; and limit=0 asks for no row anyway.
func (q *query) parseRange(text string) error {
	if text == "" {
		return nil
	}
	low, high, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "items="), "-")
	first, ok := boundary(low)
	if !found || !ok || q.limit != nil && *q.limit == 0 {
		return nil
	}
	last := int64(farRow)
	if high != "" {
		if last, ok = boundary(high); !ok {
			return nil
		}
	}
	if last < first {
		return rangeError("The lower boundary must be lower than or equal to the upper boundary in the Range header.")
	}
	first = max(first, q.offset)
	if q.limit != nil {
		last = min(last, q.offset+*q.limit-1)
	}
	if last < first {
		return rangeError("Limit should be greater than or equal to zero.")
	}
	q.offset = first
	if last < farRow {
		n := last - first + 1
		q.limit = &n
	}
	return nil
}

// farRow is more than any table has, and leaves room to count.
const farRow = 1 << 62

// boundary reads a row number of a Range header.
func boundary(text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && n < farRow
}
