package rest

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The gateway against pgx with the same statement in one batch with the same claims, both prepared: 10 of 1000 rows
// under a policy.

const benchPath = "bench?select=id,title&done=eq.false&order=id&limit=10"

func benchTable(b *testing.B) {
	b.Helper()
	if _, err := shared.pools["postgres"].Exec(b.Context(), `drop table if exists p1.bench;
		create table p1.bench (id int primary key, owner text, title text, done boolean);
		insert into p1.bench select n, case when n % 2 = 0 then 'ana' else 'ben' end, 'title ' || n, false from generate_series(1, 1000) n;
		create index on p1.bench (owner, id);
		alter table p1.bench enable row level security;
		create policy mine on p1.bench using (owner = (select auth.uid()));
		grant select on p1.bench to authenticated; analyze p1.bench`); err != nil {
		b.Fatal(err)
	}
}

// sink is a response writer that keeps nothing.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.bytes += len(b); return len(b), nil }

func throughGateway(b *testing.B, s Session) {
	w := &sink{header: http.Header{}}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://gateway/rest/v1/"+benchPath, nil)
	if err != nil {
		b.Fatal(err)
	}
	shared.handler.Serve(w, r, "bench", s)
	if w.status != http.StatusOK || w.bytes < 200 {
		b.Fatal(w.status, w.bytes)
	}
}

const pgxSettings = `select set_config('search_path', $1, true), set_config('request.jwt.claims', $2, true),` +
	` set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)`

const pgxQuery = `select row_to_json(q.*) from (select "bench"."id" as "id", "bench"."title" as "title" from "p1"."bench"` +
	` where ("bench"."done" = $1) order by "bench"."id" limit $2) q`

func throughPgx(b *testing.B, pool *pgxpool.Pool) {
	err := pool.AcquireFunc(b.Context(), func(c *pgxpool.Conn) error {
		batch := &pgx.Batch{}
		batch.Queue(pgxSettings, `"p1", public, auth`, `{"sub":"ana","role":"authenticated"}`, "5000", "1000")
		batch.Queue(pgxQuery, false, 10)
		res := c.SendBatch(b.Context(), batch)
		if _, err := res.Exec(); err != nil {
			return err
		}
		rows, err := res.Query()
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			n += len(rows.RawValues()[0])
		}
		if n < 200 {
			b.Errorf("only %d bytes", n)
		}
		return res.Close()
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkTenRows(b *testing.B) {
	benchTable(b)
	s := as("ana")
	b.Run("pgx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			throughPgx(b, s.Pool)
		}
	})
	b.Run("gateway", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			throughGateway(b, s)
		}
	})
	b.Run("ratio", func(b *testing.B) { // by turns, so that a busy machine is busy for both
		var direct, gateway []time.Duration
		for b.Loop() {
			start := time.Now()
			throughPgx(b, s.Pool)
			middle := time.Now()
			throughGateway(b, s)
			direct, gateway = append(direct, middle.Sub(start)), append(gateway, time.Since(middle))
		}
		slices.Sort(direct)
		slices.Sort(gateway)
		half := len(direct) / 2
		b.ReportMetric(float64(direct[half].Microseconds()), "pgx-p50-µs")
		b.ReportMetric(float64(gateway[half].Microseconds()), "gateway-p50-µs")
		b.ReportMetric(float64(gateway[half])/float64(direct[half]), "ratio")
	})
	for name, sql := range map[string]string{"clean": resetSession, "discard all": "discard all"} {
		b.Run(name, func(b *testing.B) {
			if err := s.Pool.AcquireFunc(b.Context(), func(c *pgxpool.Conn) error {
				for b.Loop() {
					if _, err := c.Conn().PgConn().Exec(b.Context(), sql).ReadAll(); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		for b.Loop() {
			w := exchange{who: "ana", path: "dark"}.serve(b)
			if w.Code != http.StatusForbidden {
				b.Fatal(w.Code)
			}
		}
	})
	b.Run("insert", func(b *testing.B) {
		fresh(b)
		for b.Loop() {
			w := exchange{who: "ana", method: "POST", path: "inbox", header: "Prefer: return=minimal", body: `{"body":"x"}`}.serve(b)
			if w.Code != http.StatusCreated {
				b.Fatal(w.Code)
			}
		}
	})
}

func BenchmarkTenRowsParallel(b *testing.B) {
	benchTable(b)
	s := as("ana")
	for name, once := range map[string]func(*testing.B){
		"pgx":     func(b *testing.B) { throughPgx(b, s.Pool) },
		"gateway": func(b *testing.B) { throughGateway(b, s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					once(b)
				}
			})
		})
	}
}
