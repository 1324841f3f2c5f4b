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

// correct sets the clock by the server's, which an answer showed just now.
func (c *clock) correct(server time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corrected, c.server = c.local(), server
}
