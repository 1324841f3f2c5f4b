package transport

import (
	"testing"
	"testing/synctest"
)

func TestSleeperLosesNoWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		works, working, proceed := 0, 0, make(chan struct{})
		s := newSleeper(func() {
			works++
			if working++; working > 1 {
				t.Error("works twice at a time")
			}
			<-proceed
			working--
		})
		s.wake()
		synctest.Wait()
		s.wake() // while it works: once more
		s.wake()
		synctest.Wait()
		for range 2 {
			proceed <- struct{}{}
			synctest.Wait()
		}
		if works != 2 || working != 0 {
			t.Errorf("worked %d times, want 2; still at it: %d", works, working)
		}
		s.wake()
		synctest.Wait()
		proceed <- struct{}{}
		synctest.Wait()
		if works != 3 {
			t.Errorf("worked %d times, want 3", works)
		}
	})
}
