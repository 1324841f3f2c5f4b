package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"syncline/auth/signing"
	"syncline/internal/clientaddr"
)

// DefaultNonceCapacity is how many nonces MemoryNonces holds unless told
// otherwise: about 160 MB when full.
const DefaultNonceCapacity = 4_000_000

// ErrNonceMemoryFull is returned by a MemoryNonces that can hold no more. It
// never forgets early to make room.
var ErrNonceMemoryFull = errors.New("auth: nonce memory is full")

// ErrNonceShare is returned by a MemoryNonces in which a key, or the keys of one
// address together, have as much as they may: others still have room.
var ErrNonceShare = errors.New("auth: too many nonces of one key or address")

// The parts of the memory that one key and one address may fill; minShare nonces
// are never too many.
const (
	keyPart     = 16
	addressPart = 2
	minShare    = 1000
)

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
	of   map[nonceHolder]int // how many of those seen are whose
}

// nonceHolder is a key, by a part of it, or an address.
type nonceHolder struct {
	key     [8]byte
	address netip.Prefix
}

// nonceHash stands for a key and its nonce. Nobody can find another key's.
type nonceHash [16]byte

// NewMemoryNonces makes a memory for up to capacity nonces at a time.
func NewMemoryNonces(capacity int, now func() time.Time) *MemoryNonces {
	return &MemoryNonces{capacity: capacity, now: now}
}

// Remember implements NonceMemory.
func (m *MemoryNonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
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
	ofKey := nonceHolder{key: [8]byte(key[1:9])}
	ofAddress := nonceHolder{address: clientaddr.Network(clientaddr.FromContext(ctx))}
	if m.count(ofKey) >= max(m.capacity/keyPart, minShare) ||
		ofAddress.address.IsValid() && m.count(ofAddress) >= max(m.capacity/addressPart, minShare) {
		return ErrNonceShare
	}
	b := m.bucket(until.Unix())
	b.seen[hash] = struct{}{}
	b.of[ofKey]++
	if ofAddress.address.IsValid() {
		b.of[ofAddress]++
	}
	m.size++
	return nil
}

// count is how many nonces are remembered of a holder.
func (m *MemoryNonces) count(h nonceHolder) (n int) {
	for _, b := range m.buckets {
		n += b.of[h]
	}
	return n
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

func (m *MemoryNonces) bucket(until int64) nonceBucket {
	end := (until/bucketSeconds + 1) * bucketSeconds
	for _, b := range m.buckets {
		if b.end == end {
			return b
		}
	}
	b := nonceBucket{end, make(map[nonceHash]struct{}), make(map[nonceHolder]int)}
	m.buckets = append(m.buckets, b)
	return b
}

func hashNonce(key signing.PublicKey, nonce signing.Nonce) nonceHash {
	var both [len(key) + len(nonce)]byte
	copy(both[:], key[:])
	copy(both[len(key):], nonce[:])
	sum := sha256.Sum256(both[:])
	return nonceHash(sum[:16])
}
