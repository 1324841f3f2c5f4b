package ratelimit

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxSubjects bounds a table: some 500 bytes each.
	maxSubjects = 20_000
	// crowdSize is how many places the subjects share for which there is no room.
	crowdSize = 256
	// sweepPause is the least time between two sweeps.
	sweepPause = time.Second
)

// table has the subjects of one kind, owners or addresses, that took something
// lately. One that has everything left and holds nothing is forgotten, which
// changes nothing for it. While the table is full of others, those who come
// share a few places by a secret hash: no number of keys makes room by pushing
// out somebody else.
type table struct {
	name   string
	bounds bounds
	now    func() time.Time
	seed   maphash.Seed

	mu       sync.Mutex
	subjects map[string]*subject
	crowd    [crowdSize]*subject
	swept    time.Time
}

// subject is an owner or an address, and what it took.
type subject struct {
	rates [rates]*rate.Limiter // nil: no limit
	held  [holds]int

	// For instances that share limits: see share.go.
	taken     [rates]int64
	told      figures
	toldAt    time.Time
	others    map[string]heard
	elsewhere [holds]int // what is open on other instances, as heardAt
	heardAt   time.Time
}

func newTable(name string, b bounds, now func() time.Time) *table {
	return &table{name: name, bounds: b, now: now, seed: maphash.MakeSeed(), subjects: make(map[string]*subject)}
}

// wait is how long it takes until the first kinds named have something left
// again, and which of them it is that lacks; 0 if none.
func (t *table) wait(key string, kinds ...kind) (lacks kind, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, now := t.of(key), t.now()
	for _, k := range kinds {
		if w := s.wait(k, now); w > wait {
			lacks, wait = k, w
		}
	}
	return lacks, wait
}

// charge takes n, whether it is there or not.
func (t *table) charge(key string, k kind, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(key).charge(k, n, t.now())
}

// take takes one if there is one. Otherwise it tells how long that takes.
func (t *table) take(key string, k kind) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, now := t.of(key), t.now()
	if wait = s.wait(k, now); wait == 0 {
		s.charge(k, 1, now)
	}
	return wait
}

// hold has one more of a kind open, until release is called once. False if the
// limit is reached.
func (t *table) hold(key string, k kind) (release func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, most := t.of(key), t.bounds.holds[k]
	open := s.held[k]
	if t.now().Sub(s.heardAt) < believed {
		open += s.elsewhere[k]
	}
	if most > 0 && open >= most {
		return nil, false
	}
	s.held[k]++ // so it stays in the table
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		s.held[k]--
	}, true
}

// of finds a subject its place, under the mutex.
func (t *table) of(key string) *subject {
	if s, ok := t.subjects[key]; ok {
		return s
	}
	if now := t.now(); len(t.subjects) >= maxSubjects && now.Sub(t.swept) >= sweepPause {
		t.sweep(now)
	}
	if len(t.subjects) < maxSubjects {
		s := t.newSubject()
		t.subjects[strings.Clone(key)] = s
		return s
	}
	place := &t.crowd[maphash.String(t.seed, key)%crowdSize]
	if *place == nil {
		*place = t.newSubject()
	}
	return *place
}

func (t *table) newSubject() *subject {
	s := &subject{}
	for k, bound := range t.bounds.rates {
		if bound.each > 0 {
			s.rates[k] = rate.NewLimiter(bound.each, max(1, bound.burst))
		}
	}
	return s
}

// tidy sweeps if that was long ago.
func (t *table) tidy() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.swept) >= sweepInterval {
		t.sweep(now)
	}
}

// sweep forgets whom forgetting does not change, under the mutex.
func (t *table) sweep(now time.Time) {
	t.swept = now
	for key, s := range t.subjects {
		if s.idle(now) {
			delete(t.subjects, key)
		}
	}
}

func (s *subject) idle(now time.Time) bool {
	for _, held := range s.held {
		if held > 0 {
			return false
		}
	}
	for _, limiter := range s.rates {
		if limiter != nil && limiter.TokensAt(now) < float64(limiter.Burst()) {
			return false
		}
	}
	return true
}

// wait is how long it takes until there is one left.
func (s *subject) wait(k kind, now time.Time) time.Duration {
	limiter := s.rates[k]
	if limiter == nil {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Millisecond, time.Duration(missing/float64(limiter.Limit())*float64(time.Second)))
}

func (s *subject) charge(k kind, n int, now time.Time) {
	if s.rates[k] != nil {
		s.taken[k] += int64(n)
		s.owe(k, n, now)
	}
}

// owe takes n from a limit, whose rest may become negative.
func (s *subject) owe(k kind, n int, now time.Time) {
	limiter := s.rates[k]
	for most := limiter.Burst(); n > 0; n -= most {
		limiter.ReserveN(now, min(n, most))
	}
}
