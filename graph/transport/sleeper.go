package transport

import "sync"

// sleeper does its work in a goroutine when it is woken, in one at a time, and
// has none in between: a goroutine that only waits holds 4 to 8 kB.
type sleeper struct {
	work func()

	mu    sync.Mutex
	awake bool
	again bool // woken since the work was last begun
}

func newSleeper(work func()) *sleeper { return &sleeper{work: work} }

// wake has the work done, once more if it is being done. It does not wait.
func (s *sleeper) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = true
	if !s.awake {
		s.awake = true
		go s.run()
	}
}

func (s *sleeper) run() {
	for s.begin() {
		s.work()
	}
}

// begin is false if there is nothing to do: then the sleeper sleeps.
func (s *sleeper) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awake, s.again = s.again, false
	return s.awake
}
