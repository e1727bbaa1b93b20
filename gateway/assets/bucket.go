package assets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // s3:// URLs
	"gocloud.dev/gcerrors"
)

// bucket is a store in an S3 bucket. An object appears there whole or not at all, and is durable when the bucket says
// that it has it; so nothing needs a temporary name.
type bucket struct {
	*blob.Bucket
}

// newBucket opens a bucket by URL, as in s3://name?region=eu-west-1; what belongs to one project is below its id.
func newBucket(ctx context.Context, url, projectID string) (store, error) {
	b, err := blob.OpenBucket(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	return bucket{blob.PrefixedBucket(b, projectID+"/")}, nil
}

const spoolPrefix = "functions-mcp-upload-"

// spool makes a file that nobody has to delete: it has no name.
func (bucket) spool() (*os.File, error) {
	file, err := os.CreateTemp("", spoolPrefix+"*")
	if err == nil {
		_ = os.Remove(file.Name()) // where that cannot be, the upload's discard does it
	}
	return file, err
}

func (b bucket) keep(ctx context.Context, name string, spooled *os.File) error {
	if _, err := spooled.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	// The type is the asset's, not the object's, which assets of several types may share.
	if err := b.Upload(ctx, name, spooled, &blob.WriterOptions{ContentType: octetStream}); err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	return nil
}

func (b bucket) open(ctx context.Context, name string, size int64) (io.ReadSeekCloser, error) {
	return &rangeReader{ctx: ctx, bucket: b.Bucket, name: name, size: size}, nil
}

func (b bucket) remove(ctx context.Context, name string) error {
	if err := b.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("remove object: %w", err)
	}
	return nil
}

// sweep deletes what was killed before it could lose its name.
func (bucket) sweep(before time.Time) error {
	_ = sweepFiles(os.TempDir(), spoolPrefix, before) // another user's are theirs to delete
	return nil
}

func (b bucket) names(ctx context.Context) ([]string, error) {
	var out []string
	for list := b.List(nil); ; {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, object.Key)
	}
}

func (b bucket) close() error { return b.Close() }

// rangeReader reads an object of a known size, and asks for no byte before it is read: a HEAD, or a 304, costs nothing.
type rangeReader struct {
	ctx    context.Context // of the request: io.Reader has none
	bucket *blob.Bucket
	name   string
	size   int64

	offset int64
	reader *blob.Reader // at offset; nil until something is read
}

// Read implements io.Reader.
func (r *rangeReader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if r.reader == nil {
		reader, err := r.bucket.NewRangeReader(r.ctx, r.name, r.offset, -1, nil)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return 0, errMissing
		}
		if err != nil {
			return 0, err
		}
		r.reader = reader
	}
	n, err := r.reader.Read(p)
	r.offset += int64(n)
	if errors.Is(err, io.EOF) && r.offset < r.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *rangeReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, os.ErrInvalid
	}
	if offset != r.offset {
		_ = r.Close() // of a reader that nobody reads to its end
		r.offset = offset
	}
	return offset, nil
}

// Close implements io.Closer.
func (r *rangeReader) Close() error {
	if r.reader == nil {
		return nil
	}
	err := r.reader.Close()
	r.reader = nil
	return err
}
