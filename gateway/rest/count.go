package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// counting is how many rows there are besides those that are answered: "exact" ones are counted, "planned" is the
// planner's guess, and "estimated" counts up to most and then takes the guess if that is more.
type counting struct {
	kind    string // "" counts nothing
	most    int64
	counted *int64
	guessed *int64
}

// exact says that the rows come with a count.
func (c *counting) exact() bool { return c.kind == "exact" || c.kind == "estimated" }

// total is nil while it is not known, and when nobody asked.
func (c *counting) total() *int64 {
	if c.kind == "estimated" && c.counted != nil && c.guessed != nil && *c.counted > c.most {
		n := max(*c.counted, *c.guessed)
		return &n
	}
	if c.counted != nil {
		return c.counted
	}
	if c.kind == "estimated" {
		return nil
	}
	return c.guessed
}

// statements are those that read a tree: perhaps an EXPLAIN, then the one for the rows.
func (c *counting) statements(r *resource, m media, src func(*builder) *over) (all []statement) {
	build := func(write func(b *builder, src *over)) {
		b := newBuilder()
		var o *over
		if src != nil {
			o = src(b)
		}
		write(b, o)
		all = append(all, b.statement())
	}
	if c.kind == "planned" || c.kind == "estimated" {
		build(func(b *builder, o *over) {
			b.add("explain (format json) ")
			b.with(o)
			b.all(r, o)
		})
	}
	build(func(b *builder, o *over) {
		b.with(o)
		if c.exact() {
			b.counted(r, m, o, c)
		} else {
			b.rows(r, m, o)
		}
	})
	return all
}

// counted writes the rows of a tree beside their number: that, then whether there is a row, then the row. Being one
// statement, both see one snapshot. On "true" nothing can be hashed or merged, so PostgreSQL loops over the rows as
// they come, in their order.
func (b *builder) counted(r *resource, m media, src *over, c *counting) {
	b.add("select c.n, r.* from (select count(*) as n from (")
	if r.groups() {
		b.ungrouped(r, src)
	} else {
		b.all(r, src)
	}
	if c.kind == "estimated" && c.most > 0 {
		b.add(" limit ", strconv.FormatInt(c.most+1, 10))
	}
	b.add(") q) c left join (select true as there, ", m.form(), " from (")
	b.tree(r, src)
	b.add(") q) r on true")
}

// all writes a select of all rows that the filters let through.
func (b *builder) all(r *resource, src *over) {
	b.add("select")
	b.from(r, src)
	b.conditions(r, src)
}

// ungrouped writes a tree without its range: its groups are what is counted.
func (b *builder) ungrouped(r *resource, src *over) {
	whole, n := *r, *r.node
	n.limit, n.offset, n.order = nil, 0, nil
	whole.node = &n
	b.tree(&whole, src)
}

// guess reads a plan.
func (c *counting) guess(res *pgconn.ResultReader) error {
	for res.NextRow() {
		value := res.Values()[0]
		var plans []struct {
			Plan struct {
				Rows int64 `json:"Plan Rows"`
			}
		}
		if err := json.Unmarshal(value, &plans); err != nil || len(plans) != 1 {
			return errors.New("rest: a plan could not be read")
		}
		c.guessed = &plans[0].Plan.Rows
	}
	return nil
}

func number(into **int64, text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*into = &n
	return err
}

// takeCounted reads the rows of the last statement.
func (a *answer) takeCounted(res *pgconn.ResultReader, c *counting, q *query) error {
	if !c.exact() {
		return a.take(res)
	}
	a.columns(res.FieldDescriptions()[2:])
	for first := true; res.NextRow(); first = false {
		values := res.Values()
		if first {
			if err := number(&c.counted, values[0]); err != nil {
				return err
			}
			if err := c.inRange(q); err != nil {
				return err
			}
		}
		if values[1] == nil {
			continue
		}
		if err := a.row(values[2:]); err != nil {
			return err
		}
	}
	return nil
}

// inRange refuses an offset behind the last row.
func (c *counting) inRange(q *query) error {
	total := c.total()
	if total == nil || q.offset <= *total {
		return nil
	}
	return outOfRange(q.offset, *total)
}

func outOfRange(offset, total int64) *Error {
	n := strconv.FormatInt(total, 10)
	e := rangeError("An offset of " + strconv.FormatInt(offset, 10) + " was requested, but there are only " + n + " rows.")
	e.Header = http.Header{"Content-Range": {"*/" + n}}
	return e
}
