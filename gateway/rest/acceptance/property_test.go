package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestWhatPostgreSQLGives makes worlds of random tables, policies, grants and rows, and asks random questions of them:
// through the gateway, and of PostgreSQL itself in a plain session with the same role and claims, in SQL that is
// written here without the gateway's help. Rows, errors and what a write leaves behind have to be the same.
//
// PROPERTY_SEED=n replays the world of that seed alone; PROPERTY_TIME=10m makes new ones for that long.
func TestWhatPostgreSQLGives(t *testing.T) {
	seed, worlds, until := uint64(time.Now().UnixNano()), 12, time.Time{} // nanoseconds are positive until 2262
	if replay := os.Getenv("PROPERTY_SEED"); replay != "" {
		n, err := strconv.ParseUint(replay, 10, 64)
		if err != nil {
			t.Fatalf("PROPERTY_SEED: %v", err)
		}
		seed, worlds = n, 1
	} else if text := os.Getenv("PROPERTY_TIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("PROPERTY_TIME: %v", err)
		}
		until = time.Now().Add(d)
	}
	conn, err := pgx.ConnectConfig(t.Context(), library.cluster.ConnConfig("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	outcomes := map[string]int{}
	for i := 0; i < worlds || time.Now().Before(until); i++ {
		w := &world{Rand: rand.New(rand.NewPCG(seed, 0)), conn: conn, outcomes: outcomes}
		w.create(t)
		for range 250 {
			if w.ask(t); t.Failed() {
				t.Fatalf("PROPERTY_SEED=%d shows it again", seed)
			}
		}
		seed++
	}
	t.Logf("%v", outcomes)
	for _, kind := range []string{"rows", "written", "42501"} {
		if outcomes[kind] < worlds {
			t.Errorf("only %d of the cases end in %q: they prove little", outcomes[kind], kind)
		}
	}
}

// outcome is what a request comes to: rows, or the code of an error, and what the tables hold afterwards.
type outcome struct {
	Code  string
	Rows  any
	Total any // of a count
	After string
}

// ask asks one question as one of the four, both ways.
func (w *world) ask(t *testing.T) {
	t.Helper()
	who := pickOf(w.Rand, "", "ana", "ben", "admin")
	q := w.question()
	want, err := w.direct(t, who, q)
	if err != nil {
		t.Fatalf("%v\n%s", err, q.sql())
	}
	x := exchange{who: who, method: q.method, path: q.url(), body: q.body(), header: q.prefer()}
	got := w.through(t, x)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %s %s %s\n%s\nthrough the gateway: %s\nPostgreSQL itself:   %s\n%s",
			who, q.method, x.path, x.body, q.sql(), show(got), show(want), w.ddl)
	}
	switch {
	case want.Code != "":
		w.outcomes[want.Code]++
	case q.method != http.MethodGet:
		w.outcomes["written"]++
	case reflect.DeepEqual(want.Rows, []any{}):
		w.outcomes["no rows"]++
	default:
		w.outcomes["rows"]++
	}
}

// kind is a code, but one for all values that their types refuse: of several it depends on who reads them which is first.
func kind(code string) string {
	if code == "22007" || code == "22P02" {
		return "bad value"
	}
	return code
}

func show(o outcome) string {
	raw, err := json.Marshal(o.Rows)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s of %v\n%s", o.Code, raw, o.Total, o.After)
}

func (w *world) through(t *testing.T, x exchange) outcome {
	t.Helper()
	a := x.send(t)
	if a.status >= 300 {
		var e struct{ Code string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil {
			t.Fatalf("%d %s: %v", a.status, a.body, err)
		}
		return outcome{Code: kind(e.Code), After: w.contents(t)}
	}
	if a.body == "" {
		a.body = "[]"
	}
	rows, err := decode(a.body)
	if err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	o := outcome{Rows: rows, After: w.contents(t)}
	if _, total, _ := strings.Cut(a.header.Get("Content-Range"), "/"); x.verb() == http.MethodGet && total != "*" {
		o.Total = json.Number(total)
	}
	return o
}

func decode(text string) (rows any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err = d.Decode(&rows)
	return rows, err
}

// direct runs the question's SQL as the role that the gateway would, and undoes it.
func (w *world) direct(t *testing.T, who string, q question) (outcome, error) {
	t.Helper()
	ctx := t.Context()
	role, claims := "authenticated", `{"sub":"`+who+`","role":"authenticated"}`
	switch who {
	case "":
		role, claims = "anon", `{"role":"anon"}`
	case "admin":
		role, claims = "service_role", `{"role":"service_role","sub":"service"}`
	}
	exec := func(sql string, args ...any) error {
		_, err := w.conn.Exec(ctx, sql, args...)
		return err
	}
	if err := exec("begin"); err != nil {
		return outcome{}, err
	}
	defer func() { _ = exec("rollback") }()
	if err := errors.Join(
		exec("select set_config('request.jwt.claims', $1, true), set_config('search_path', 'project, public, auth', true)", claims),
		exec("savepoint before"), exec("set local role "+role),
	); err != nil {
		return outcome{}, err
	}
	var o outcome
	var pg *pgconn.PgError
	switch rows, err := w.rows(ctx, q.sql()); {
	case errors.As(err, &pg):
		o.Code = kind(pg.Code)
		if err := exec("rollback to before"); err != nil {
			return o, err
		}
	case err != nil:
		return o, err
	default:
		o.Rows = rows
		if q.counted {
			total, err := w.rows(ctx, q.count())
			if err != nil {
				return o, err
			}
			o.Total = total.([]any)[0]
			if n, _ := strconv.Atoi(string(o.Total.(json.Number))); q.offset > n {
				o = outcome{Code: "PGRST103"} // the one thing that PostgreSQL does not know
			}
		}
		if err := exec("reset role"); err != nil {
			return o, err
		}
	}
	o.After = w.contents(t)
	return o, nil
}

// rows runs SQL that answers one JSON text for each row.
func (w *world) rows(ctx context.Context, sql string) (any, error) {
	rows, err := w.conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	return decode("[" + strings.Join(texts, ",") + "]")
}

// contents is what the tables hold, whoever may see it.
func (w *world) contents(t *testing.T) (text string) {
	t.Helper()
	err := w.conn.QueryRow(t.Context(), `select concat_ws(e'\n', (select string_agg(h::text, ' ' order by id) from project.halls h),
		(select string_agg(c::text, ' ' order by id) from project.chairs c),
		(select string_agg(p::text, ' ' order by hall, guest) from project.passes p),
		(select string_agg(g::text, ' ' order by id) from project.guests g))`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
