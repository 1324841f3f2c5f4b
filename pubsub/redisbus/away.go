package redisbus

import (
	"context"
	"time"
)

// awayInterval is how often readers poll while hints may be missed.
const awayInterval = time.Second

// WhileAway calls poll every second while hints of other instances may be
// missed. It returns the context's error when ctx ends.
func (b *Bus) WhileAway(ctx context.Context, poll func()) error {
	ticker := time.NewTicker(awayInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if b.Away() {
				poll()
			}
		}
	}
}
