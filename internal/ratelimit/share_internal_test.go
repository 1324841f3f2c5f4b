package ratelimit

import (
	"testing"
	"time"
)

// A client that goes from one instance to another, and waits until that has forgotten
// it, takes no more in all than the limit: each is told of what it takes at the other.
func TestWhatAnInstanceForgotCountsOnOthers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	const each, minutes = 100, 20 // a second, and how long
	b := bounds{}
	b.rates[cost] = perSecond(each)
	clock := func() time.Time { return now }
	instances := map[string]*table{"a": newTable("owner", b, clock), "b": newTable("owner", b, clock)}
	lines := map[string]string{}
	exchange := func() {
		for name, table := range instances {
			if mine, _ := table.tell(); len(mine) > 0 {
				lines[name] = mine[0].Line
				table.hear("client", lines, name)
			}
		}
	}
	var taken int
	take := func(table *table, most int) {
		for ; most > 0 && spare(table); most-- {
			table.charge("client", cost, 10)
			taken += 10
		}
	}
	for second := range minutes * 60 {
		// Always as much as it gets at the one, and now and then a burst at the other,
		// which by then knows nothing of it any more.
		take(instances["a"], each)
		if second%120 == 119 {
			take(instances["b"], 60*each)
		}
		exchange()
		for name, table := range instances {
			if table.tidy(); len(table.subjects) == 0 {
				delete(lines, name) // after a minute
			}
		}
		now = now.Add(time.Second)
	}
	// What it may take in that time, and what it held at the beginning at both.
	if most := each*60*minutes + 2*60*each + 60*each; taken > most {
		t.Errorf("%d was taken, more than %d", taken, most)
	}
}

// spare tells whether the client has something left at an instance.
func spare(t *table) bool {
	_, wait := t.wait("client", cost)
	return wait == 0
}
