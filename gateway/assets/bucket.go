package assets

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a store in an S3 bucket. An object appears there whole or not at all, and is durable when the bucket says
// that it has it; so nothing needs a temporary name.
type bucket struct {
	s3     *minio.Client
	name   string
	prefix string // of the objects of one project
}

// roleTimeout bounds the question for the machine's role, which nobody answers where there is none.
const roleTimeout = 5 * time.Second

// newBucket opens a bucket by URL, as in s3://name?region=eu-west-1. The query may also have endpoint, the URL of
// another S3 server than AWS's, use_path_style for one that knows no bucket by its host name, and prefix. What belongs
// to one project is below its id. Credentials are what the environment says, AWS's own files, or the machine's role.
func newBucket(text, projectID string) (store, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	b := bucket{name: u.Host}
	options := minio.Options{Secure: true, Creds: credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Timeout: roleTimeout}},
	})}
	endpoint := "s3.amazonaws.com"
	for key, values := range u.Query() {
		switch value := values[0]; key {
		case "region":
			options.Region = value
		case "endpoint":
			server, err := url.Parse(value)
			if err != nil || server.Host == "" || strings.Trim(server.Path, "/") != "" {
				return nil, fmt.Errorf("open bucket: endpoint %q is not the URL of a server", value)
			}
			endpoint, options.Secure = server.Host, server.Scheme != "http"
		case "use_path_style":
			if value == "true" {
				options.BucketLookup = minio.BucketLookupPath
			}
		case "prefix":
			b.prefix = value
		default:
			return nil, fmt.Errorf("open bucket: there is no parameter %q: use region, endpoint, use_path_style, prefix", key)
		}
	}
	b.prefix += projectID + "/"
	if b.s3, err = minio.New(endpoint, &options); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	return b, nil
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
	size, err := spooled.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = spooled.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	// The type is the asset's, not the object's, which assets of several types may share. In one part: one that was cut
	// short would leave parts that no listing shows.
	_, err = b.s3.PutObject(ctx, b.name, b.prefix+name, spooled, size, minio.PutObjectOptions{
		ContentType: octetStream, DisableMultipart: true,
	})
	if err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	return nil
}

func (b bucket) open(ctx context.Context, name string, size int64) (io.ReadSeekCloser, error) {
	return &rangeReader{size: size, from: func(offset int64) (io.ReadCloser, error) {
		var options minio.GetObjectOptions
		if err := options.SetRange(offset, size-1); err != nil {
			return nil, err
		}
		body, _, _, err := minio.Core{Client: b.s3}.GetObject(ctx, b.name, b.prefix+name, options)
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil, errMissing
		}
		return body, err
	}}, nil
}

func (b bucket) remove(ctx context.Context, name string) error {
	// S3 says the same of an object that was not there.
	if err := b.s3.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}); err != nil {
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of a listing that is not read to its end
	var out []string
	for object := range b.s3.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, fmt.Errorf("list objects: %w", object.Err)
		}
		out = append(out, strings.TrimPrefix(object.Key, b.prefix))
	}
	return out, nil
}

func (bucket) close() error { return nil }
