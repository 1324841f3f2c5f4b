package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"syncline/auth/signing"
	"syncline/internal/clientaddr"
)

// DefaultNonceCapacity is how many nonces MemoryNonces holds unless told
// otherwise: at most 280 MB when full, if each is of a key of its own.
const DefaultNonceCapacity = 4_000_000

// ErrNonceMemoryFull is returned by a MemoryNonces that can hold no more. It
// never forgets early to make room.
var ErrNonceMemoryFull = errors.New("auth: nonce memory is full")

// ErrNonceShare is returned by a MemoryNonces in which a key, or the keys of one
// address together, have as much as they may: others still have room.
var ErrNonceShare = errors.New("auth: too many nonces of one key or address")

const (
	// keyPart is the part of the memory that one key may fill, of what others leave.
	keyPart = 16
	// minShare is how many nonces of a key or an address are never too many, while
	// there is room: about one a second.
	minShare = 300
)

// bucketSeconds is how many seconds of expiry times share a bucket, which is
// dropped as a whole: nonces are remembered for up to that much longer.
const bucketSeconds = 30

// MemoryNonces is a NonceMemory in this process's memory. It forgets when the
// process ends.
type MemoryNonces struct {
	capacity int
	now      func() time.Time
	seed     maphash.Seed // of holders

	mu      sync.Mutex
	size    int
	buckets []nonceBucket // few: one for each bucketSeconds of the window
}

type nonceBucket struct {
	end  int64 // Unix seconds at which all in it may be forgotten
	seen map[nonceHash]struct{}
	of   map[nonceHolder]uint32 // how many of those seen are whose
}

// nonceHolder stands for a key or an address. Its bytes come from a hash with a
// seed of this process: nobody can look for two that share one. It is small and
// without pointers, for there may be one for each nonce.
type nonceHolder [8]byte

// nonceHash stands for a key and its nonce. Nobody can find another key's.
type nonceHash [16]byte

// NewMemoryNonces makes a memory for up to capacity nonces at a time.
func NewMemoryNonces(capacity int, now func() time.Time) *MemoryNonces {
	return &MemoryNonces{capacity: capacity, now: now, seed: maphash.MakeSeed()}
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
	ofKey := m.holder(string(key[:]))
	if m.count(ofKey) >= m.keyShare() {
		return ErrNonceShare
	}
	network := clientaddr.Network(clientaddr.FromContext(ctx))
	ofAddress := m.holder(network.String())
	if network.IsValid() && m.count(ofAddress) >= m.addressShare() {
		return ErrNonceShare
	}
	b := m.bucket(until.Unix())
	b.seen[hash] = struct{}{}
	b.of[ofKey]++
	if network.IsValid() {
		b.of[ofAddress]++
	}
	m.size++
	return nil
}

// keyShare is how many nonces a key may have now. It comes to a keyPart of the
// memory for the first one that takes all it can.
func (m *MemoryNonces) keyShare() int {
	return max((m.capacity-m.size)/(keyPart-1), minShare)
}

// addressShare is how many nonces the keys of an address may have now: half of the
// memory for the first one that takes all it can, and much less for the next. It
// shrinks with the cube of what is free, so that hundreds of addresses leave room
// for others. By halves, a dozen would be enough to fill it.
func (m *MemoryNonces) addressShare() int {
	if m.size == 0 {
		return m.capacity
	}
	free := float64(m.capacity - m.size)
	ratio := free / float64(m.size)
	return max(int(min(free*ratio*ratio, float64(m.capacity))), minShare)
}

func (m *MemoryNonces) holder(name string) nonceHolder {
	var h nonceHolder
	binary.LittleEndian.PutUint64(h[:], maphash.String(m.seed, name))
	return h
}

// count is how many nonces are remembered of a holder.
func (m *MemoryNonces) count(h nonceHolder) (n int) {
	for _, b := range m.buckets {
		n += int(b.of[h])
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
	b := nonceBucket{end, make(map[nonceHash]struct{}), make(map[nonceHolder]uint32)}
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
