package transport

import (
	"net/netip"
	"sync"
)

// addressPart is which part of the WebSockets that are not let in yet may be those
// of one address: a quarter.
const addressPart = 4

// unacknowledged counts the WebSockets that are not let in yet.
type unacknowledged struct {
	most int // 0: no bound

	mu  sync.Mutex
	all int
	of  map[netip.Prefix]int
}

// place is what became of a request for one.
type place int

const (
	placeTaken place = iota
	placeFull        // there is none
	placeShare       // the address has its share of them
)

// take counts a WebSocket of an address. If it is known, and has its share, or if
// there are too many in all, it is not counted.
func (u *unacknowledged) take(from netip.Prefix) place {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.most > 0 {
		if from.IsValid() && u.of[from] >= max(1, u.most/addressPart) {
			return placeShare
		}
		if u.all >= u.most {
			return placeFull
		}
	}
	u.all++
	if from.IsValid() {
		if u.of == nil {
			u.of = make(map[netip.Prefix]int)
		}
		u.of[from]++
	}
	return placeTaken
}

// leave is called once for each place that was taken.
func (u *unacknowledged) leave(from netip.Prefix) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all--
	if !from.IsValid() {
		return
	}
	if u.of[from]--; u.of[from] == 0 {
		delete(u.of, from)
	}
}

// crowded tells whether more than half of the places are taken.
func (u *unacknowledged) crowded() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.most > 0 && u.all > u.most/2
}
