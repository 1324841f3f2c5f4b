package synckit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

// The later write wins, though the app gives its events no time, whoever syncs first
// and whatever the events are called.
func TestTheLaterWriteWinsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		options := synckit.SyncOptions{ConflictResolver: resolve.LastWriteWins{}}
		a, b := newNode(t, hub, options), newNode(t, hub, options)
		for round := range 40 {
			x := fmt.Sprint("x", round)
			first, second := a, b
			if round&1 > 0 {
				first, second = b, a
			}
			early, late := "early", "late"
			if round&2 > 0 {
				early, late = "z-early", "a-late"
			}
			first.write(x, early+x)
			<-time.After(time.Second)
			second.write(x, late+x)
			if round&4 > 0 {
				first, second = second, first
			}
			first.sync()
			second.sync()
			first.sync()
			check(t, x, a.counts(x), late+x)
			check(t, x, b.counts(x), late+x)
		}
	})
}
