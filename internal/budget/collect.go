package budget

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How far the heap grows over what is alive before the garbage collector runs, in per
// cent: Go's own default, and as long as there is room.
const (
	usualGrowth = 100
	mostGrowth  = 400
)

// mostRoom is how far the heap grows for the sake of fewer collections alone.
const mostRoom = 256 << 20

// CollectSeldom has the garbage collector run seldom while little memory is used: the heap
// may grow to five times what is alive in it, up to a quarter of the process's memory and to
// 256 MiB. A larger heap grows to twice what is alive, as ever. It lasts for the life of
// the process, and does nothing where GOGC says what is wanted.
func (m Memory) CollectSeldom() {
	if os.Getenv("GOGC") != "" {
		return
	}
	room := int64(unknown)
	if m.available > 0 {
		room = min(m.available/4, mostRoom)
	}
	percent := usualGrowth
	afterCollections(func(alive int64) {
		if wanted := growth(alive, room); wanted*10 > percent*11 || wanted*11 < percent*10 { // setting it stops the world
			percent = wanted
			debug.SetGCPercent(percent)
		}
	})
}

// growth is how far a heap may grow in which so many bytes are alive.
func growth(alive, room int64) (percent int) {
	return int(min(max((room-alive)*100/max(alive, 1), usualGrowth), mostGrowth))
}

// afterCollections has observe called after each garbage collection, one at a time, with
// the bytes that it found alive. Of collections in quick succession it may skip some.
func afterCollections(observe func(alive int64)) {
	type sentinel struct{ _ [2]uintptr } // large enough to be an object of its own
	var arm func(struct{})
	arm = func(struct{}) {
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(alive)
		observe(int64(alive[0].Value.Uint64()))
		runtime.AddCleanup(new(sentinel), arm, struct{}{})
	}
	arm(struct{}{})
}
