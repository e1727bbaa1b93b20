package assets

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"
)

// store keeps objects: bytes under a name, written once. It is safe for concurrent use.
type store interface {
	// spool makes the temporary file that an upload is written to while it arrives.
	spool() (*os.File, error)
	// keep makes a spooled upload the object of this name. When it returns nil the object outlives a power failure, and
	// whoever reads it reads it whole. Whatever has the name already is the same bytes.
	keep(ctx context.Context, name string, spooled *os.File) error
	// open returns an object of so many bytes. An object that is not there may show only when it is read.
	open(ctx context.Context, name string, size int64) (io.ReadSeekCloser, error)
	// remove deletes an object, if it is there.
	remove(ctx context.Context, name string) error
	// sweep deletes spooled uploads that were left behind by programs that were killed before that time.
	sweep(before time.Time) error
	// names lists the objects, for tests and for whoever looks for what is lost.
	names(ctx context.Context) ([]string, error)
	close() error
}

// objectName is where the bytes of a hash are. The id tells them from those of the same hash that were collected: no
// deletion that is still under way meets what was uploaded since.
func objectName(sum []byte, id int64) string { return fmt.Sprintf("%x/%x.%d", sum[:1], sum, id) }

// upload is a body as it arrived.
type upload struct {
	file *os.File
	sum  []byte // SHA-256
	size int64
}

// receive writes a body to a temporary file, and hashes it on the way: memory does not grow with it. The caller
// discards the upload.
func receive(s store, body io.Reader) (u *upload, err error) {
	file, err := s.spool()
	if err != nil {
		return nil, storeError{fmt.Errorf("spool upload: %w", err)}
	}
	u = &upload{file: file}
	h := sha256.New()
	if u.size, err = io.Copy(tee{file, h}, body); err != nil {
		u.discard()
		return nil, err
	}
	u.sum = h.Sum(nil)
	return u, nil
}

// discard closes and deletes the temporary file; once it was kept there is none.
func (u *upload) discard() {
	_ = u.file.Close()           // whatever it says, nobody needs the file
	_ = os.Remove(u.file.Name()) // sweep comes by for what stays
}

// tee writes to a file and a hash. An error of the file is the store's, one of the body is the client's.
type tee struct {
	file *os.File
	hash hash.Hash
}

func (t tee) Write(p []byte) (int, error) {
	_, _ = t.hash.Write(p) // never fails, see hash.Hash
	n, err := t.file.Write(p)
	if err != nil {
		err = storeError{fmt.Errorf("spool upload: %w", err)}
	}
	return n, err
}

// storeError is a failure of the store, to tell it from the database's.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

var errMissing = errors.New("the object is not in the store")
