package record

import "sync"

// Size is about how much an owner has to read.
type Size struct {
	Records int64 // tombstones too
	Bytes   int64 // of data
}

// maxSizes is of how many owners the size is remembered, at least: some 90 bytes
// each, twice.
const maxSizes = 8192

// sizes remembers those of the owners who were read or written lately. What other
// instances write meanwhile it learns when the owner is read next.
type sizes struct {
	mu          sync.Mutex
	young, aged map[Owner]Size
}

func newSizes() *sizes { return &sizes{young: make(map[Owner]Size)} }

// of is what is known of an owner, under the mutex.
func (s *sizes) of(owner Owner) (Size, bool) {
	size, ok := s.young[owner]
	if !ok {
		size, ok = s.aged[owner]
	}
	return size, ok
}

// set makes an owner one of the young. When these are many, they are the aged, and
// those who were are forgotten.
func (s *sizes) set(owner Owner, size Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(owner, size)
}

func (s *sizes) keep(owner Owner, size Size) {
	if len(s.young) >= maxSizes {
		s.young, s.aged = make(map[Owner]Size), s.young
	}
	s.young[owner] = size
}

// grow adds what was written, as if it replaced nothing.
func (s *sizes) grow(owner Owner, written []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok := s.of(owner)
	if !ok {
		return
	}
	size.Records += int64(len(written))
	for i := range written {
		size.Bytes += int64(len(written[i].Data))
	}
	s.keep(owner, size)
}

// KnownSize is how much the owner had to read when it was read or written last by
// this instance, or more. False if that is not remembered. It reads nothing.
func (s *Service) KnownSize(owner Owner) (Size, bool) {
	s.sizes.mu.Lock()
	defer s.sizes.mu.Unlock()
	return s.sizes.of(owner)
}
