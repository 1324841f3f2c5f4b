package main

import (
	"sync"

	"syncline/synckit"
)

// totals add up the results of a device's syncs.
type totals struct {
	mu                        sync.Mutex
	pushed, pulled, conflicts int
}

func (t *totals) add(r *synckit.SyncResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed += r.EventsPushed
	t.pulled += r.EventsPulled
	t.conflicts += r.ConflictsResolved
}

func (t *totals) get() (pushed, pulled, conflicts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pushed, t.pulled, t.conflicts
}
