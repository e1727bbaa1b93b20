package auth

import (
	"crypto/subtle"
	"hash/maphash"
	"sync/atomic"
)

// recentTokens remembers tokens whose signature was found good, because an agent sends the same one with every call. A
// token's slot is its hash, so the memory is bounded and no lock is needed: where two meet, the later one stays. The
// seed must be made.
type recentTokens struct {
	seed  maphash.Seed
	slots [64]atomic.Pointer[signedToken]
}

func (r *recentTokens) slot(token string) *atomic.Pointer[signedToken] {
	return &r.slots[maphash.String(r.seed, token)%uint64(len(r.slots))]
}

func (r *recentTokens) find(token string) (signedToken, bool) {
	s := r.slot(token).Load()
	if s == nil || subtle.ConstantTimeCompare([]byte(s.caller.Token), []byte(token)) == 0 {
		return signedToken{}, false
	}
	return *s, true
}

func (r *recentTokens) keep(s signedToken) { r.slot(s.caller.Token).Store(&s) }
