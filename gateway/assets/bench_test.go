package assets

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/run402/functions-mcp/core/wire"
)

// BenchmarkAssets measures putting and getting over a folder, beside what cannot be saved: hashing the same bytes and
// writing them to a file that is synced, and reading that file. On a disk: with TMPDIR in memory a sync costs nothing.
func BenchmarkAssets(b *testing.B) {
	f := newFixture(b, Options{Dir: filepath.Join(b.TempDir(), "assets")})
	for _, size := range []int{10 << 10, 1 << 20, 20 << 20} {
		body := bytes.Repeat([]byte("asset"), size/5+1)[:size]
		n := uint64(0)
		fresh := func() []byte { // other bytes each time: those that the store has are not written again
			n++
			binary.BigEndian.PutUint64(body, n)
			return body
		}
		name := fmt.Sprintf("%dKB", size>>10)
		b.Run("put/"+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if w := f.tryPut(b, name, fresh(), wire.AssetImmutableHeader, "false"); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
		b.Run("put-again/"+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				f.tryPut(b, name, body, wire.AssetImmutableHeader, "false")
			}
		})
		path := filepath.Join(b.TempDir(), "floor")
		b.Run("hash-and-write/"+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := hashAndWrite(path, fresh()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("get/"+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				w := &discarded{header: http.Header{}}
				f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_blob/"+name, nil))
				if w.n != int64(size) {
					b.Fatalf("%d bytes", w.n)
				}
			}
		})
		b.Run("read/"+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				file, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(&discarded{}, file); err != nil {
					b.Fatal(err)
				}
				file.Close()
			}
		})
	}
}

func hashAndWrite(path string, body []byte) error {
	sha256.Sum256(body)
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(body); err != nil {
		return err
	}
	return file.Sync()
}

// discarded is a ResponseWriter that counts.
type discarded struct {
	header http.Header
	n      int64
}

func (d *discarded) Header() http.Header { return d.header }
func (d *discarded) WriteHeader(int)     {}
func (d *discarded) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	return len(p), nil
}
