package transport

import (
	"sync"
	"time"
)

// repeater calls a function again and again, without a goroutine in between.
type repeater struct {
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
}

// repeat calls f every interval until f says no more.
func repeat(interval time.Duration, f func() (more bool)) *repeater {
	r := &repeater{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(interval, func() {
		if !f() {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.stopped {
			r.timer.Reset(interval)
		}
	})
	return r
}

// Stop does not wait for a call that runs.
func (r *repeater) Stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.timer.Stop()
}
