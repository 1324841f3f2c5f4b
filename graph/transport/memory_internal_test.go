package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/budget"
)

// While others wait for memory, a follower is not cut off because it had nothing to
// take for long, nor because the server is slow to write; one that takes nothing is.
func TestFollowersHaveASecondForAnEvent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takes time.Duration
		cut   bool
	}{
		"slow":    {500 * time.Millisecond, false},
		"stalled": {2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pool := budget.New(1 << 20)
				for range 2 { // all that there is for large ones
					if _, err := pool.Acquire(t.Context(), 384<<10); err != nil {
						t.Fatal(err)
					}
				}
				var reader budget.Progress
				reader.Made()
				<-time.After(time.Hour)
				go func() { _, _ = pool.Acquire(t.Context(), 384<<10) }()
				synctest.Wait()

				gone, cut := make(chan struct{}), false
				time.AfterFunc(test.takes, func() { close(gone) })
				transports := New(Config{Output: pool})
				ctx, _ := withOperation(t.Context())
				transports.attend(ctx, 1000, true, gone, &reader, func() { cut = true })
				if cut != test.cut {
					t.Errorf("cut off: %v", cut)
				}
				<-time.After(time.Minute) // until nobody waits
			})
		})
	}
}
