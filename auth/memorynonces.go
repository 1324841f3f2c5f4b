package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"syncline/auth/signing"
)

// DefaultNonceCapacity is how many nonces MemoryNonces holds unless told
// otherwise: about 160 MB when full.
const DefaultNonceCapacity = 4_000_000

// ErrNonceMemoryFull is returned by a MemoryNonces that can hold no more. It
// never forgets early to make room.
var ErrNonceMemoryFull = errors.New("auth: nonce memory is full")

// bucketSeconds is how many seconds of expiry times share a bucket, which is
// dropped as a whole: nonces are remembered for up to that much longer.
const bucketSeconds = 30

// MemoryNonces is a NonceMemory in this process's memory. It forgets when the
// process ends.
type MemoryNonces struct {
	capacity int
	now      func() time.Time

	mu      sync.Mutex
	size    int
	buckets []nonceBucket // few: one for each bucketSeconds of the window
}

type nonceBucket struct {
	end  int64 // Unix seconds at which all in it may be forgotten
	seen map[nonceHash]struct{}
}

// nonceHash stands for a key and its nonce. Nobody can find another key's.
type nonceHash [16]byte

// NewMemoryNonces makes a memory for up to capacity nonces at a time.
func NewMemoryNonces(capacity int, now func() time.Time) *MemoryNonces {
	return &MemoryNonces{capacity: capacity, now: now}
}

// Remember implements NonceMemory.
func (m *MemoryNonces) Remember(_ context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	hash := hashNonce(key, nonce)
	now := m.now().Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	for _, b := range m.buckets {
		if _, ok := b.seen[hash]; ok {
			return ErrNonceReused
		}
	}
	if m.size >= m.capacity {
		return ErrNonceMemoryFull
	}
	m.bucket(until.Unix())[hash] = struct{}{}
	m.size++
	return nil
}

// Len is how many nonces are remembered now.
func (m *MemoryNonces) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size
}

func (m *MemoryNonces) sweep(now int64) {
	m.buckets = slices.DeleteFunc(m.buckets, func(b nonceBucket) bool {
		if now < b.end {
			return false
		}
		m.size -= len(b.seen)
		return true
	})
}

func (m *MemoryNonces) bucket(until int64) map[nonceHash]struct{} {
	end := (until/bucketSeconds + 1) * bucketSeconds
	for _, b := range m.buckets {
		if b.end == end {
			return b.seen
		}
	}
	seen := make(map[nonceHash]struct{})
	m.buckets = append(m.buckets, nonceBucket{end, seen})
	return seen
}

func hashNonce(key signing.PublicKey, nonce signing.Nonce) nonceHash {
	var both [len(key) + len(nonce)]byte
	copy(both[:], key[:])
	copy(both[len(key):], nonce[:])
	sum := sha256.Sum256(both[:])
	return nonceHash(sum[:16])
}
