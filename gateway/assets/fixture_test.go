package assets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/peertest"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

const testProject = "prj_0123456789abcdef"

// fixture is assets over a PostgreSQL of their own.
type fixture struct {
	*Assets
	pool *pgxpool.Pool
	dir  string // of the folder, or of nothing
}

// eachStore runs a test over every kind of store.
func eachStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Run("folder", func(t *testing.T) { test(t, newFixture(t, Options{Dir: filepath.Join(t.TempDir(), "assets")})) })
	t.Run("s3", func(t *testing.T) { test(t, newFixture(t, Options{URL: peertest.S3(t)})) })
}

func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	pool := newPool(t)
	f := &fixture{Assets: newTestAssets(pool, o), pool: pool, dir: o.Dir}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// newTestAssets has no hold and no grace: whatever nothing refers to can be collected at once.
func newTestAssets(pool *pgxpool.Pool, o Options) *Assets {
	o.ProjectID, o.ServiceKey = testProject, "service"
	o.Pool = func(context.Context) (*pgxpool.Pool, error) { return pool, nil }
	o.Log = slog.New(slog.DiscardHandler)
	a := New(o)
	a.grace = 0
	a.ended = true // collections are the test's to begin
	return a
}

func newPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	migration, err := os.ReadFile("../migrations/00004_assets.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	server := pgtest.Start(t).ConnConfig("postgres", "postgres")
	pool := connect(t, fmt.Sprintf("host=%s port=%d user=%s password='%s' dbname=%s", server.Host, server.Port,
		server.User, server.Password, server.Database))
	up = "create schema internal; set search_path = internal;" + up + "reset search_path"
	if _, err := pool.Exec(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	return pool
}

func connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// ServeHTTP is the gateway's routing, with everybody let in.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == wire.AssetPut:
		f.Put()(w, r)
	case path == wire.AssetBlobs:
		f.List()(w, r)
	case strings.HasPrefix(path, wire.AssetBlob+"/"):
		f.One(strings.TrimPrefix(path, wire.AssetBlob+"/"))(w, r)
	default:
		f.Blob(strings.TrimPrefix(path, wire.Blob+"/"))(w, r)
	}
}

// do sends a request; header holds names and values in turn.
func (f *fixture) do(t testing.TB, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	r.Host = "assets.test"
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func (f *fixture) get(t testing.TB, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return f.do(t, http.MethodGet, target, http.NoBody, header...)
}

// tryPut puts bytes under a key.
func (f *fixture) tryPut(t testing.TB, key string, body []byte, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return f.do(t, http.MethodPost, wire.AssetPut, bytes.NewReader(body), append([]string{wire.AssetKeyHeader, key}, header...)...)
}

// mustPut fails the test when a put is refused.
func (f *fixture) mustPut(t testing.TB, key, body string, header ...string) wire.AssetRef {
	t.Helper()
	w := f.tryPut(t, key, []byte(body), header...)
	if w.Code != http.StatusOK {
		t.Fatalf("put %s answered %d: %s", key, w.Code, w.Body)
	}
	return decode[wire.AssetRef](t, w)
}

func (f *fixture) list(t testing.TB, query string) wire.AssetList {
	t.Helper()
	w := f.get(t, wire.AssetBlobs+"?"+query)
	if w.Code != http.StatusOK {
		t.Fatalf("list %s answered %d: %s", query, w.Code, w.Body)
	}
	return decode[wire.AssetList](t, w)
}

func decode[T any](t testing.TB, w *httptest.ResponseRecorder) (out T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return out
}

// wantCode fails unless an answer is a refusal with a code.
func wantCode(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	e := decode[wire.Error](t, w)
	if w.Code != status || e.Code != code || e.Message == "" || e.TraceID == "" {
		t.Errorf("answered %d %s, want %d %s: %s", w.Code, e.Code, status, code, w.Body)
	}
}

// objects lists what the store holds.
func (f *fixture) objects(t testing.TB) []string {
	t.Helper()
	s, err := f.opened()
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// wantNoOrphans collects, and fails unless the store then holds just what assets and versions refer to.
func (f *fixture) wantNoOrphans(t testing.TB) {
	t.Helper()
	if _, err := f.pool.Exec(t.Context(), "update internal.asset_objects set expires_at = now() where expires_at is not null"); err != nil {
		t.Fatal(err) // no put is under way that they could be held for
	}
	f.hold = 0
	if err := f.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.hold = hold
	rows, err := f.pool.Query(t.Context(), `select o.sha256, o.id from internal.asset_objects o where sha256 in (
		select sha256 from internal.assets union select sha256 from internal.asset_versions)`)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for rows.Next() {
		var (
			sum []byte
			id  int64
		)
		if err := rows.Scan(&sum, &id); err != nil {
			t.Fatal(err)
		}
		want = append(want, objectName(sum, id))
	}
	got := f.objects(t)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the store holds %d objects, and %d are referred to:\n%v\n%v", len(got), len(want), got, want)
	}
	var garbage, rest int
	err = f.pool.QueryRow(t.Context(), `select (select count(*) from internal.asset_garbage),
		(select count(*) from internal.asset_objects) - $1`, len(want)).Scan(&garbage, &rest)
	if err != nil || garbage != 0 || rest != 0 {
		t.Errorf("%d names of garbage and %d rows are left (%v)", garbage, rest, err)
	}
	incoming := filepath.Join(f.dir, incomingDir, "*")
	if f.dir == "" {
		incoming = filepath.Join(os.TempDir(), spoolPrefix+"*")
	}
	if left, err := filepath.Glob(incoming); err != nil || len(left) > 0 {
		t.Errorf("uploads are left: %v (%v)", left, err)
	}
}

func sumOf(body string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(body))) }

func metadataHeader(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
