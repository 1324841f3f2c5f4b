package client

import (
	"sync"
	"time"
)

// clock is the server's time as far as the client knows it. After a correction
// it goes on from there by the local monotonic clock, so that setting the local
// wall clock does not move it.
type clock struct {
	local func() time.Time
	// bound is how far the server may move the clock away from the local one.
	bound time.Duration

	mu sync.Mutex
	// At the local instant corrected the server's clock showed server.
	corrected, server time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.local()
	if c.server.IsZero() {
		return now
	}
	return c.server.Add(now.Sub(c.corrected))
}

// correct sets the clock by the server's, which an answer showed just now. It
// refuses what is too far from the local clock, whatever was corrected before:
// many small steps lead no farther than one.
func (c *clock) correct(server time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.local()
	if off := server.Sub(now).Abs(); off > c.bound {
		return &ClockError{Local: now, Server: server, Bound: c.bound}
	}
	c.corrected, c.server = now, server
	return nil
}
