package budget

import (
	"runtime"
	"testing"
)

func TestGrowth(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct {
		alive, room int64
		want        int
	}{
		{0, 64 * mib, 400},
		{5 * mib, 64 * mib, 400},
		{16 * mib, 64 * mib, 300},
		{32 * mib, 64 * mib, 100},
		{200 * mib, 64 * mib, 100},
		{20 * mib, 256 * mib, 400},
		{100 * mib, 256 * mib, 156},
		{1, 0, 100},
	} {
		if got := growth(test.alive, test.room); got != test.want {
			t.Errorf("%d bytes alive, with room for %d: %d%%, want %d%%", test.alive, test.room, got, test.want)
		}
	}
}

// Collections are seen, one after the other, and what they found.
func TestAfterCollections(t *testing.T) {
	t.Parallel()
	const much = 16 << 20
	held := make([]byte, much)
	seen, done := make(chan int64), make(chan struct{})
	defer close(done)
	go afterCollections(func(alive int64) {
		select {
		case seen <- alive:
		case <-done:
		}
	})
	for found := 0; found < 3; {
		runtime.GC()
		select {
		case alive := <-seen:
			if alive >= much {
				found++
			}
		default:
		}
	}
	runtime.KeepAlive(held)
}
