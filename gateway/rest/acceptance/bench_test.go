package acceptance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// work is one query, as a request and as SQL that a careful person would hand to pgx: every row one JSON text.
type work struct {
	name   string
	method string
	path   string
	header string
	body   string
	sql    string
	args   []any
}

var tenQueries = []work{
	{name: "one row by its key", path: "tracks?select=id,title&id=eq.1510",
		sql: `select row_to_json(q) from (select id, title from tracks where id = $1) q`, args: []any{1510}},
	{name: "ten of a list", path: "tracks?select=id,title&done=is.false&order=id&limit=10",
		sql: `select row_to_json(q) from (select id, title from tracks where done is false order by id limit $1) q`, args: []any{10}},
	{name: "a hundred of a list", path: "tracks?order=id&limit=100",
		sql: `select row_to_json(q) from (select * from tracks order by id limit $1) q`, args: []any{100}},
	{name: "a list of keys or a title", path: "tracks?select=id&or=(id.in.(10,1510,2510),title.eq.track 1511)&order=id",
		sql:  `select row_to_json(q) from (select id from tracks where id = any ($1) or title = $2 order by id) q`,
		args: []any{[]int{10, 1510, 2510}, "track 1511"}},
	{name: "a JSON path", path: "albums?select=id,year:info->year&info->>label=eq.label 4&order=id&limit=10",
		sql: `select row_to_json(q) from (select id, info -> 'year' as year from albums where info ->> 'label' = $1 order by id limit $2) q`, args: []any{"label 4", 10}},
	{name: "ten with their album", path: "tracks?select=id,albums(title)&order=id&limit=10",
		sql: `select row_to_json(q) from (select t.id, row_to_json(a.*) as albums from tracks t` +
			` left join lateral (select title from albums where albums.id = t.album_id) a on true order by t.id limit $1) q`, args: []any{10}},
	{name: "one with its tracks", path: "albums?select=id,tracks(id,title)&id=eq.152",
		sql: `select row_to_json(q) from (select a.id, coalesce(t.tracks, '[]') as tracks from albums a left join lateral` +
			` (select json_agg(row_to_json(i)) as tracks from (select id, title from tracks where tracks.album_id = a.id) i) t on true where a.id = $1) q`, args: []any{152}},
	{name: "ten and how many there are", path: "tracks?select=id&album_id=lt.100&order=id&limit=10", header: "Prefer: count=exact",
		sql: `with c as (select count(*) as n from tracks where album_id < $1) select row_to_json(q), (select n from c) from` +
			` (select id from tracks where album_id < $1 order by id limit $2) q`, args: []any{100, 10}},
	{name: "an insert", method: http.MethodPost, path: "plays", header: "Prefer: return=minimal", body: `{"track_id":7}`,
		sql: `insert into plays (track_id) values ($1)`, args: []any{7}},
	{name: "a function", path: "rpc/twice?n=21", sql: `select to_json(twice($1))`, args: []any{21}},
}

// rig runs the same work in four ways. Each has as many connections as the gateway gives a user's requests.
type rig struct {
	pool      *pgxpool.Pool
	loopback  *httptest.Server // the gateway
	bare      *httptest.Server // a handler that does what pgx does
	client    *http.Client
	mount     string
	signature http.Header
}

func newRig(b *testing.B) *rig {
	b.Helper()
	sql, err := os.ReadFile("testdata/bench.sql")
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(library.run(b.Context(), "owner", string(sql)), library.run(b.Context(), "postgres", "vacuum analyze")); err != nil {
		b.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig("pool_max_conns=3")
	if err != nil {
		b.Fatal(err)
	}
	cfg.ConnConfig = library.cluster.ConnConfig("authenticated", "postgres")
	r := &rig{loopback: library.server, signature: http.Header{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if r.pool, err = pgxpool.NewWithConfig(b.Context(), cfg); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.pool.Close)
	collect := debug.SetGCPercent(200) // as the program does
	b.Cleanup(func() { debug.SetGCPercent(collect) })
	r.mount = library.sign(r.signature, "ana")
	r.bare = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		for i := range tenQueries {
			if tenQueries[i].name == q.Header.Get("Work") {
				text, err := r.direct(q.Context(), &tenQueries[i])
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
				}
				_, _ = w.Write(text)
			}
		}
	}))
	b.Cleanup(r.bare.Close)
	for i := range tenQueries {
		r.compare(b, &tenQueries[i])
	}
	return r
}

// compare makes sure that pgx and the gateway do the same work: as many bytes, but for brackets and blanks.
func (r *rig) compare(b *testing.B, q *work) {
	b.Helper()
	text, err := r.direct(b.Context(), q)
	if err != nil {
		b.Fatal(err)
	}
	req, err := r.request(b.Context(), "http://gateway", q)
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	library.gateway.ServeHTTP(w, req)
	bare := strings.NewReplacer("[", "", "]", "", " ", "", "\n", "", ",", "").Replace
	if w.Code >= 300 || bare(w.Body.String()) != bare(string(text)) {
		b.Fatalf("%s: the gateway answers %d %s, and pgx %s", q.name, w.Code, w.Body, text)
	}
}

const claimsSQL = `select set_config('search_path', $1, true), set_config('request.jwt.claims', $2::text, true),` +
	` set_config('request.jwt.claim.sub', $2::text::jsonb ->> 'sub', true),` +
	` set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)`

// direct is pgx: prepared, in one batch with the claims.
func (r *rig) direct(ctx context.Context, q *work) (text []byte, err error) {
	var batch pgx.Batch
	batch.Queue(claimsSQL, "project, public, auth", `{"sub":"ana","role":"authenticated"}`, "15000", "3000")
	batch.Queue(q.sql, q.args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			text = append(append(text, rows.RawValues()[0]...), ',')
		}
		return rows.Err()
	})
	err = r.pool.SendBatch(ctx, &batch).Close()
	return text, err
}

func (r *rig) request(ctx context.Context, base string, q *work) (*http.Request, error) {
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+r.mount+strings.ReplaceAll(q.path, " ", "%20"), body)
	if err != nil {
		return nil, err
	}
	req.Header = r.signature.Clone()
	for _, h := range pairs(q.header) {
		req.Header.Set(h[0], h[1])
	}
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Work", q.name)
	return req, nil
}

// inside calls the gateway's handler, as core does for a local project.
func (r *rig) inside(ctx context.Context, q *work) error {
	req, err := r.request(ctx, "http://gateway", q)
	if err != nil {
		return err
	}
	w := &sink{header: http.Header{}}
	library.gateway.ServeHTTP(w, req)
	if w.status >= 300 {
		return errors.New(q.name + ": " + http.StatusText(w.status))
	}
	return nil
}

func (r *rig) overHTTP(ctx context.Context, base string, q *work) error {
	req, err := r.request(ctx, base, q)
	if err != nil {
		return err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode >= 300 {
		err = errors.New(q.name + ": " + res.Status)
	}
	return errors.Join(err, res.Body.Close())
}

// ways are the four, in an order in which each finds the caches full of another's connection.
func (r *rig) ways() []func(context.Context, *work) error {
	return []func(context.Context, *work) error{
		func(ctx context.Context, q *work) error { _, err := r.direct(ctx, q); return err },
		r.inside,
		func(ctx context.Context, q *work) error { return r.overHTTP(ctx, r.bare.URL, q) },
		func(ctx context.Context, q *work) error { return r.overHTTP(ctx, r.loopback.URL, q) },
	}
}

// sink is a response writer that keeps nothing.
type sink struct {
	header http.Header
	status int
	bytes  int64
	each   func() // called at each write
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += int64(len(p))
	if s.each != nil {
		s.each()
	}
	return len(p), nil
}

// BenchmarkLatency tells by how much the gateway is slower than pgx: the median of each, measured by turns.
func BenchmarkLatency(b *testing.B) {
	r := newRig(b)
	for i := range tenQueries {
		q := &tenQueries[i]
		b.Run(strings.ReplaceAll(q.name, " ", "_"), func(b *testing.B) {
			var took [4][]time.Duration
			for b.Loop() {
				for way, run := range r.ways() {
					began := time.Now()
					if err := run(b.Context(), q); err != nil {
						b.Fatal(err)
					}
					took[way] = append(took[way], time.Since(began))
				}
			}
			pgx := median(took[0])
			b.ReportMetric(0, "ns/op") // of no use: it is all four
			b.ReportMetric(float64(pgx.Microseconds()), "pgx-µs")
			b.ReportMetric(float64(median(took[1]))/float64(pgx), "in-process/pgx")
			b.ReportMetric(float64(median(took[3]))/float64(pgx), "loopback/pgx")
			b.ReportMetric(float64(median(took[2]))/float64(pgx), "bare-http/pgx")
		})
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkThroughput lets 32 clients do all ten queries in turn, for a while in each way, by turns.
func BenchmarkThroughput(b *testing.B) {
	const clients, slice = 32, 400 * time.Millisecond
	r := newRig(b)
	var done [4]int64
	rounds := 0
	for b.Loop() {
		for way, run := range r.ways() {
			done[way] += flood(b, clients, slice, run)
		}
		rounds++
	}
	seconds := float64(rounds) * slice.Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(done[0])/seconds, "pgx/s")
	b.ReportMetric(100*float64(done[1])/float64(done[0]), "in-process-%")
	b.ReportMetric(100*float64(done[3])/float64(done[0]), "loopback-%")
	b.ReportMetric(100*float64(done[2])/float64(done[0]), "bare-http-%")
}

// flood counts how much work is done in a time.
func flood(b *testing.B, clients int, long time.Duration, run func(context.Context, *work) error) int64 {
	b.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	until := time.Now().Add(long)
	for c := range clients {
		all.Go(func() {
			for i := c; time.Now().Before(until); i++ {
				if err := run(b.Context(), &tenQueries[i%len(tenQueries)]); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return done.Load()
}

// BenchmarkMemory tells how far Go's heap grows while an answer streams.
func BenchmarkMemory(b *testing.B) {
	r := newRig(b)
	for _, rows := range []string{"10", "1000", "100000", "1000000"} {
		b.Run(rows+"_rows", func(b *testing.B) {
			q := work{name: "stream", path: "numbers?limit=" + rows}
			var most, bytes uint64
			for b.Loop() {
				req, err := r.request(b.Context(), "http://gateway", &q)
				if err != nil {
					b.Fatal(err)
				}
				peak, sent := heapWhile(req)
				most, bytes = max(most, peak), sent
			}
			b.ReportMetric(float64(bytes)/(1<<20), "MiB-sent")
			b.ReportMetric(float64(most)/(1<<20), "MiB-more-heap")
		})
	}
}

// heapWhile serves a request and returns by how many bytes the heap grew at most meanwhile, and the bytes that it sent.
func heapWhile(req *http.Request) (more, sent uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	w := &sink{header: http.Header{}}
	w.each = func() {
		runtime.ReadMemStats(&m)
		more = max(more, m.HeapAlloc-min(m.HeapAlloc, before))
	}
	library.gateway.ServeHTTP(w, req)
	return more, uint64(w.bytes)
}
