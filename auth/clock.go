package auth

import (
	"log/slog"
	"sync"
	"time"
)

// Clock is the time that signatures are judged by where nonces are remembered in
// this process: the wall clock's, save that it never goes back. What was served once and
// forgotten, because its time was over, would be in time again. When the wall clock is
// set back, Clock goes on at half speed until the two meet: clients correct their own by
// what they are told, and are served. It is safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, running time.Duration)
	log  *slog.Logger

	mu      sync.Mutex
	now     time.Time
	running time.Duration // when it was so
	ahead   bool          // of the wall clock by so much that it was told
}

// aheadTold is by how much Clock is ahead before that is told in the log: by less, a
// client whose clock is right is served without a correction.
const aheadTold = 30 * time.Second

// NewClock starts a clock. read tells the wall clock's time and, by a clock that is
// never set, for how long this process has been running. nil: this machine's clocks.
func NewClock(read func() (wall time.Time, running time.Duration), log *slog.Logger) *Clock {
	if read == nil {
		started := time.Now()
		read = func() (time.Time, time.Duration) {
			now := time.Now()
			return now.Round(0), now.Sub(started) // without and by the monotonic clock
		}
	}
	c := &Clock{read: read, log: log}
	c.now, c.running = read()
	return c
}

// Now is the time. It is never before one that was given earlier.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, running := c.read()
	c.now, c.running = c.now.Add((running-c.running)/2), running
	if c.now.Before(wall) {
		c.now = wall
	}
	if ahead := c.now.Sub(wall); ahead > aheadTold && !c.ahead {
		c.ahead = true
		c.log.Error("this machine's clock was set back: until it has caught up, signatures are judged by the time before and clients have to correct their clocks",
			"by", ahead.Round(time.Second).String(), "caught_up_in", (2 * ahead).Round(time.Second).String())
	} else if ahead == 0 {
		c.ahead = false
	}
	return c.now
}
