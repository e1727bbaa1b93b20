// Package assets keeps a project's files, and serves them: contract section 9. Bytes are objects in a store, one per
// SHA-256, in a directory or an S3 bucket; what they are called, who may see them and which versions there are is in
// PostgreSQL, so that any copy of the program knows.
//
// A put goes through four steps, and after a crash at any point no key is without bytes: the body is written to a
// temporary file and hashed on the way; a row reserves the object; the object is kept, and outlives a power failure
// from then on; only then a row gives it a key. What has no key after that is the collector's.
//
// The directory is ours by hand: gocloud.dev's fileblob renames its temporary files without syncing them, cannot sync
// the directories that hold their names, and would copy the bytes once more, since the name of an object is only known
// when its last byte has arrived. Buckets are minio-go's, where gocloud.dev's s3blob would bring AWS's SDK, gRPC and
// OpenTelemetry: 14 MB more of program and a third of the time to start. Images are never decoded: of their bytes only
// the header is read.
package assets

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/run402/functions-mcp/gateway/route"
)

// Options say whose assets these are and where they are kept. ProjectID, ServiceKey, Pool, Log and one of Dir and URL
// are needed.
type Options struct {
	ProjectID  string
	ServiceKey string                                       // what signs URLs is derived from it, so any copy opens them
	Pool       func(context.Context) (*pgxpool.Pool, error) // of the login that owns the internal schema
	Log        *slog.Logger

	Dir string // the directory of the store, unless URL is given; it is made when it is first needed
	URL string // of an S3 bucket, as in s3://name?region=eu-west-1; see newBucket
	// Quota is how many bytes the assets may have, each object counted once; 0 is no quota.
	Quota int64
	// PublicURL is where browsers reach the gateway; empty means the host that a put was sent to.
	PublicURL string
}

// How long things take at most.
const (
	putTimeout = 10 * time.Minute // to receive and keep an asset
	hold       = time.Hour        // for which an object without a key belongs to a put that may be under way
	grace      = 24 * time.Hour   // from the deletion of an asset to that of its bytes
	collectGap = 10 * time.Minute // between two looks of one program at what may be collected
)

// maxPuts is how many bodies are received at once; more wait.
const maxPuts = 32

// Assets serves the assets of one project.
type Assets struct {
	opts    Options
	signKey []byte
	puts    chan struct{} // one for each put under way

	hold, grace time.Duration // constants, but for tests

	mu     sync.Mutex
	store  store // nil until it is needed
	closed bool

	collector
}

// New returns the assets of a project. It touches neither store nor database yet. Close it.
func New(opts Options) *Assets {
	key, err := hkdf.Key(sha256.New, []byte(opts.ServiceKey), nil, "functions-mcp signed asset URLs", sha256.Size)
	if err != nil { // only for more bytes than the hash can give
		key = nil
	}
	a := &Assets{
		opts: opts, signKey: key, puts: make(chan struct{}, maxPuts), hold: hold, grace: grace,
	}
	a.collector.open, a.collector.stop = context.WithCancel(context.Background())
	return a
}

// opened returns the store, which it opens on the first call; one that cannot be is tried again by the next.
func (a *Assets) opened() (store, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return nil, storeError{errors.New("the store is closed")}
	case a.store != nil:
		return a.store, nil
	}
	var err error
	switch {
	case a.opts.URL != "":
		a.store, err = newBucket(a.opts.URL, a.opts.ProjectID)
	case a.opts.Dir != "":
		a.store, err = newFolder(filepath.Clean(a.opts.Dir))
	default:
		err = errors.New("there is no place for assets: set RUN402_ASSETS_URL")
	}
	if err != nil {
		a.store = nil
		return nil, storeError{err}
	}
	return a.store, nil
}

// Check reports whether the store can be written to, by keeping a small object and deleting it.
func (a *Assets) Check(ctx context.Context) error {
	s, err := a.opened()
	if err != nil {
		return err
	}
	file, err := s.spool()
	if err != nil {
		return fmt.Errorf("check store: %w", err)
	}
	u := upload{file: file}
	defer u.discard()
	if _, err := file.WriteString("functions-mcp"); err != nil {
		return fmt.Errorf("check store: %w", err)
	}
	const name = "check/doctor"
	if err := s.keep(ctx, name, file); err != nil {
		return err
	}
	return s.remove(ctx, name)
}

// Close ends the collection that may be under way, and leaves the store.
func (a *Assets) Close() error {
	a.collector.close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.store == nil {
		return nil
	}
	return a.store.close()
}

// handle is route.Handle for what also has a store to fail.
func (a *Assets) handle(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return route.Handle(a.opts.Log, func(w http.ResponseWriter, r *http.Request) error {
		err := serve(w, r)
		if failed, ok := errors.AsType[storeError](err); ok {
			a.opts.Log.ErrorContext(r.Context(), "the store of assets failed", "error", failed)
			return refuseRetryable()
		}
		return err
	})
}
