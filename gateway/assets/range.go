package assets

import (
	"errors"
	"io"
	"os"
)

// rangeReader reads an object of a known size, and asks for no byte before it is read: a HEAD, or a 304, costs nothing.
type rangeReader struct {
	size int64
	from func(offset int64) (io.ReadCloser, error)

	offset int64
	reader io.ReadCloser // at offset; nil until something is read
}

// Read implements io.Reader.
func (r *rangeReader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if r.reader == nil {
		reader, err := r.from(r.offset)
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
