package synckit_test

import (
	"testing"

	"syncline/synckit"
)

// What another manager of the store has seen the peer hold is in no conflict with what was
// written by whoever knew of it.
func TestWhatAnotherManagerSawConfirmed(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	other := b.another(hub, highest)
	a.write("x", "a1")
	a.sync()
	b.write("x", "b1")
	check(t, "conflicts", b.sync().ConflictsResolved, 1)
	other.sync()
	a.sync()
	a.write("x", "a2")
	a.sync()
	check(t, "conflicts of what was known", b.sync().ConflictsResolved, 0)
	check(t, "b", b.counts("x"), "b1 a2")
}
