package storagetest

import (
	"context"
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func durableEvents(t *testing.T, open func() synckit.EventStore) {
	store := open()
	storeAll(t, store, notes("e", "x", 3)...)
	noError(t, store.Store(t.Context(), note("v", "x"), vector(t, `{"A":1}`)))
	before := latestVersion(t, store)
	noError(t, store.Close())

	store = open()
	got := load(t, store, nil)
	equal(t, "loaded", ids(got), "e1 e2 e3 v")
	equal(t, "version", got[3].Version.String(), `{"A":1}`)
	same(t, got[0].Event, note("e1", "x"))
	equal(t, "latest", latestVersion(t, store).String(), before.String())
	hasCode(t, "reuse", store.Store(t.Context(), note("e1", "y"), nil), errors.EventIDReused)
	storeAll(t, store, note("e1", "x"), note("e4", "x"))
	equal(t, "after the latest before", ids(load(t, store, before)), "e4")
}

func durableLog(t *testing.T, open func() synckit.EventStore) {
	log, ok := open().(synckit.Log)
	if !ok {
		return // the store promises events only
	}
	commit(t, log, synckit.Commit{
		Append: append(entries("", note("e1", "x"), note("e2", "x")), entries("p", note("e3", "x"))...),
		Cursors: []synckit.Cursor{
			{Peer: "p", Direction: synckit.Pushing, Value: "1"}, {Peer: "p", Direction: synckit.Pulling, Value: "2"},
		},
		AddReviews: []synckit.Review{review("r1"), review("r2"), review("r3")},
	})
	commit(t, log, synckit.Commit{Append: entries("p", note("e1", "x")), EndReviews: []string{"r1"}})
	before := contents(t, log, "p")
	noError(t, log.Close())

	log = open().(synckit.Log)
	equal(t, "opened again", contents(t, log, "p"), before)
	equal(t, "after an ended review", reviewIDs(listReviews(t, log, "r1", 10)), "r2 r3")
	addReviews(t, log, "r4")
	equal(t, "reviews", reviewIDs(listReviews(t, log, "", 10)), "r2 r3 r4")
}

func durablePositions(t *testing.T, open func() synckit.EventStore) {
	var before synckit.Position
	for i := range 3 {
		store := open()
		log, ok := store.(synckit.Log)
		if !ok {
			return // the store promises events only
		}
		done := commit(t, log, synckit.Commit{Append: entries("", note(fmt.Sprint("e", i), "x"))})
		if done.Latest <= before {
			t.Fatalf("position %d after %d", done.Latest, before)
		}
		before = done.Latest
		noError(t, store.Close())
	}
	equal(t, "read", show(read(t, open().(synckit.Log), 0, 10)), "e0 e1 e2")
}

// durableNothing fails in several ways before it opens again.
func durableNothing(t *testing.T, open func() synckit.EventStore) {
	store := open()
	log, ok := store.(synckit.Log)
	if !ok {
		return // the store promises events only
	}
	storeAll(t, log, note("e1", "x"))
	_, err := log.Commit(t.Context(), synckit.Commit{Append: entries("", note("e2", "x"), note("e1", "y"))})
	hasCode(t, "reused", err, errors.EventIDReused)
	_, err = log.Commit(t.Context(), synckit.Commit{Append: entries("", note("e2", "x")), EndReviews: []string{"r1"}})
	hasCode(t, "not found", err, errors.NotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := log.Commit(ctx, synckit.Commit{Append: entries("", note("e2", "x"))}); err == nil {
		t.Fatal("committed after the end of the context")
	}
	noError(t, log.Close())
	equal(t, "opened again", show(read(t, open().(synckit.Log), 0, 10)), "e1")
}
