package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// drop drops from a log, if it can.
func drop(t *testing.T, log synckit.Log, aggregate string, ids ...string) (can bool) {
	t.Helper()
	dropper, ok := log.(synckit.Dropper)
	var err error
	if ok {
		err = dropper.Drop(t.Context(), aggregate, ids)
	}
	if !ok || errors.CodeOf(err) == errors.Unsupported {
		t.Log("left out, for the log cannot drop")
		return false
	}
	noError(t, err)
	return true
}

func dropped(t *testing.T, log synckit.Log) {
	storeAll(t, log, note("x1", "x"), note("y1", "y"), note("x2", "x"), note("x3", "x"), note("y2", "y"))
	waiting := log.Changed()
	if !drop(t, log, "x", "x1", "x3", "never", "y1", "x1") {
		return
	}
	if closedNow(waiting) {
		t.Fatal("woken by a drop")
	}
	equal(t, "all", show(read(t, log, 0, 10)), "y1 x2 y2")
	equal(t, "pages of one", show(read(t, log, 0, 1))+show(read(t, log, 2, 1))+show(read(t, log, 3, 1)), "y1x2y2")
	equal(t, "positions", fmt.Sprint(read(t, log, 0, 1)[0].Position, read(t, log, 2, 1)[0].Position, read(t, log, 3, 1)[0].Position), "2 3 5")
	equal(t, "loaded", ids(load(t, log, nil)), "y1 x2 y2")
	equal(t, "loaded of x", ids(loadAggregate(t, log, "x", nil)), "x2")
	found, err := log.Aggregate(t.Context(), "x")
	noError(t, err)
	equal(t, "of x", show(found), "x2")
	equal(t, "after the latest", ids(load(t, log, latestVersion(t, log))), "")

	drop(t, log, "y", "y1", "y2")
	equal(t, "the newest stays", show(read(t, log, 0, 10)), "x2 y2")
	drop(t, log, "x", "x2")
	found, err = log.Aggregate(t.Context(), "x")
	noError(t, err)
	equal(t, "all of x", show(found), "")
	storeAll(t, log, note("x4", "x"))
	newest := read(t, log, 5, 10)
	equal(t, "a position of its own", fmt.Sprint(show(newest), " ", newest[0].Position), "x4 6")
	if clock := synckit.ClockOf(newest[0].Event); clock < 4 {
		t.Fatalf("the clock %d is not above those of what was dropped", clock)
	}
	noError(t, log.(synckit.Dropper).Drop(t.Context(), "x", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.(synckit.Dropper).Drop(ctx, "x", []string{"x4"}); err == nil {
		t.Fatal("a drop on a context that has ended")
	}
	noError(t, log.Close())
	hasCode(t, "closed", log.(synckit.Dropper).Drop(t.Context(), "x", []string{"x4"}), errors.Closed)
}

// droppedAgain is what was dropped, and comes again from a peer or the app.
func droppedAgain(t *testing.T, log synckit.Log) {
	storeAll(t, log, note("x1", "x"), note("x2", "x"))
	if !drop(t, log, "x", "x1") {
		return
	}
	storeAll(t, log, note("x1", "x"))
	done := commit(t, log, synckit.Commit{Append: entries("p", note("x1", "x"), note("x3", "x"), note("x1", "x"))})
	equal(t, "appended", strings.Join(done.Appended, " "), "x3")
	equal(t, "read", show(read(t, log, 0, 10)), "x2 x3<p!")
}

// droppedUnchanged has commits rely on the newest entry that is left.
func droppedUnchanged(t *testing.T, log synckit.Log) {
	storeAll(t, log, note("x1", "x"), note("x2", "x"), note("y1", "y"))
	if !drop(t, log, "x", "x2") {
		return
	}
	commit(t, log, synckit.Commit{Unchanged: map[string]synckit.Position{"x": 1}, Append: entries("", note("z1", "z"))})
	drop(t, log, "x", "x1")
	commit(t, log, synckit.Commit{Unchanged: map[string]synckit.Position{"x": 0}, Append: entries("", note("x3", "x"))})
	_, err := log.Commit(t.Context(), synckit.Commit{Unchanged: map[string]synckit.Position{"x": 0}, Append: entries("", note("x4", "x"))})
	hasCode(t, "changed", err, errors.Outdated)
}

func droppedHostile(t *testing.T, log synckit.Log) {
	for _, name := range hostileNames {
		storeAll(t, log, note(name, name))
	}
	storeAll(t, log, note("last", "last"))
	for _, name := range hostileNames {
		if !drop(t, log, name, hostileNames...) {
			return
		}
	}
	equal(t, "left", show(read(t, log, 0, 1000)), "last")
}

// readingBesideDrop reads while entries are dropped: what is left is always read.
func readingBesideDrop(t *testing.T, log synckit.Log) {
	const many = 300
	var all []synckit.Event
	for i := range many {
		all = append(all, note(fmt.Sprint("gone", i), "x"), note(fmt.Sprint("left", i), "x"))
	}
	commit(t, log, synckit.Commit{Append: entries("", all...)})
	if !drop(t, log, "x") {
		return
	}
	done := make(chan error, 1)
	go func() {
		for i := range many {
			if err := log.(synckit.Dropper).Drop(t.Context(), "x", []string{fmt.Sprint("gone", i)}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			noError(t, err)
			running = false
		default:
		}
		found, err := log.Aggregate(t.Context(), "x")
		noError(t, err)
		left := 0
		for _, e := range found {
			if strings.HasPrefix(e.Event.ID(), "left") {
				left++
			}
		}
		equal(t, "left", left, many)
	}
	equal(t, "in the end", len(read(t, log, 0, 2*many)), many)
}

func durableDropped(t *testing.T, open func() synckit.EventStore) {
	log, ok := open().(synckit.Log)
	if !ok {
		return
	}
	storeAll(t, log, note("x1", "x"), note("x2", "x"), note("x3", "x"))
	can := drop(t, log, "x", "x1", "x2")
	noError(t, log.Close())
	if !can {
		return
	}
	log = open().(synckit.Log)
	storeAll(t, log, note("x1", "x"), note("x4", "x"))
	found := read(t, log, 0, 10)
	equal(t, "read", show(found), "x3 x4")
	equal(t, "position", found[1].Position, 4)
}
