package ratelimit

import (
	"sync"

	"syncline/auth/signing"
)

// maxFamiliar is how many owners are remembered, at least: some 60 bytes each,
// twice.
const maxFamiliar = 16_384

// familiar remembers owners who have an account, or were let in to begin one;
// those who came lately.
type familiar struct {
	mu          sync.Mutex
	young, aged map[signing.PublicKey]struct{}
}

func newFamiliar() *familiar { return &familiar{young: make(map[signing.PublicKey]struct{})} }

func (f *familiar) has(owner signing.PublicKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.young[owner]; ok {
		return true
	}
	if _, ok := f.aged[owner]; !ok {
		return false
	}
	f.keep(owner)
	return true
}

func (f *familiar) add(owner signing.PublicKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(owner)
}

// keep makes an owner one of the young. When these are many, they are the aged,
// and those who were are forgotten.
func (f *familiar) keep(owner signing.PublicKey) {
	if len(f.young) >= maxFamiliar {
		f.young, f.aged = make(map[signing.PublicKey]struct{}), f.young
	}
	f.young[owner] = struct{}{}
}
