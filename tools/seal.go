package tools

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// grant is how far beyond the usual a call may go: what a question was about.
type grant struct {
	rows    int64  // that it may touch; anyRows where the backend cannot count
	destroy string // as wire.SQLRequest.Destroy: the digest of what it may drop or truncate; empty: nothing
}

// A proof is a grant that went out with a question and comes back with the answer, through hands that are not ours. So
// it is sealed together with its subject: the tool, the caller and the arguments that the question was about. It proves
// that this server asked, not that a person answered. Any copy of the server with the same secret opens it; nothing is
// kept, so it can be used again until it ends.

const (
	proofLife = 5 * time.Minute
	proofMAC  = 16 // bytes
)

var (
	errProofExpired = errors.New("it is older than 5 minutes")
	errProofForeign = errors.New("it was not made for this call: tool, arguments and caller must be the same")
)

// sealer seals proofs of one purpose: one that was made for another does not open.
type sealer struct{ key []byte }

// newSealer derives the purpose's key from a secret; without one the key is random and dies with this process.
func newSealer(secret []byte, purpose string) (sealer, error) {
	if len(secret) == 0 {
		secret = make([]byte, sha256.Size)
		if _, err := rand.Read(secret); err != nil {
			return sealer{}, fmt.Errorf("make key of %s: %w", purpose, err)
		}
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "functions-mcp "+purpose+" v1", sha256.Size)
	if err != nil {
		return sealer{}, fmt.Errorf("derive key of %s: %w", purpose, err)
	}
	return sealer{key}, nil
}

// seal returns a proof as text that a model can copy: at most 52 characters, usually some 30.
func (s sealer) seal(g grant, subject [sha256.Size]byte, now time.Time) string {
	rows := uint64(0) // any
	if g.rows != anyRows {
		rows = uint64(max(g.rows, 0)) + 1
	}
	raw := binary.AppendUvarint(nil, uint64(now.Add(proofLife).Unix())) //nolint:gosec // a time after 1970
	raw = binary.AppendUvarint(raw, rows)
	raw = append(raw, unhex(g.destroy)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw, subject)...))
}

// open returns the grant of a proof, or errProofExpired or errProofForeign.
func (s sealer) open(proof string, subject [sha256.Size]byte, now time.Time) (grant, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	if err != nil || len(raw) < proofMAC {
		return grant{}, errProofForeign
	}
	fields, mac := raw[:len(raw)-proofMAC], raw[len(raw)-proofMAC:]
	if !hmac.Equal(mac, s.mac(fields, subject)) {
		return grant{}, errProofForeign
	}
	// From here on it is what seal wrote.
	ends, n := binary.Uvarint(fields)
	fields = fields[n:]
	if now.Unix() >= int64(ends) { //nolint:gosec // as in seal
		return grant{}, errProofExpired
	}
	rows, n := binary.Uvarint(fields)
	g := grant{rows: anyRows, destroy: hex.EncodeToString(fields[n:])}
	if rows > 0 {
		g.rows = int64(rows - 1) //nolint:gosec // as in seal
	}
	return g, nil
}

func (s sealer) mac(fields []byte, subject [sha256.Size]byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(fields)
	h.Write(subject[:])
	return h.Sum(nil)[:proofMAC]
}

// unhex returns the bytes of a digest, or nil when it is none.
func unhex(digest string) []byte {
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) != 8 {
		return nil
	}
	return raw
}
