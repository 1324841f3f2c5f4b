package load

import (
	"runtime"
	"sync"
)

// Supply hands each worker requests that were signed beforehand, so that the
// signing of clients, which are other machines in real life, does not take the
// processors from the server. Where they run out, requests are signed in the run.
type Supply struct {
	produce func(worker int) (Request, error)
	ready   [][]Request // by worker
}

// NewSupply makes an empty supply for so many workers. produce makes the next
// request of a worker; it is called by one goroutine at a time for each.
func NewSupply(workers int, produce func(worker int) (Request, error)) *Supply {
	return &Supply{produce: produce, ready: make([][]Request, workers)}
}

// Fill replaces what is left by n requests for each worker, on all processors.
func (s *Supply) Fill(n int) error {
	errs := make([]error, len(s.ready))
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range s.ready {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			errs[w] = s.fill(w, n)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Supply) fill(w, n int) error {
	s.ready[w] = make([]Request, 0, n)
	for range n {
		r, err := s.produce(w)
		if err != nil {
			return err
		}
		s.ready[w] = append(s.ready[w], r)
	}
	return nil
}

// Next is the next request of a worker.
func (s *Supply) Next(worker int) (Request, error) {
	if left := s.ready[worker]; len(left) > 0 {
		s.ready[worker] = left[1:]
		return left[0], nil
	}
	return s.produce(worker)
}
