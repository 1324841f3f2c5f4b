package storagetest

import (
	"context"
	stderrors "errors"
	"math"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func pages(t *testing.T, log synckit.Log) {
	equal(t, "empty", show(read(t, log, 0, 10)), "")
	storeAll(t, log, notes("e", "x", 5)...)
	all := read(t, log, 0, 10)
	equal(t, "all", show(all), "e1 e2 e3 e4 e5")
	equal(t, "first position", all[0].Position, 1)
	equal(t, "first page", show(read(t, log, 0, 2)), "e1 e2")
	equal(t, "second page", show(read(t, log, all[1].Position, 2)), "e3 e4")
	equal(t, "last page", show(read(t, log, all[3].Position, 2)), "e5")
	equal(t, "after the end", show(read(t, log, all[4].Position, 2)), "")
	equal(t, "far after the end", show(read(t, log, 1<<62, 2)), "")
	equal(t, "after the last that can be", show(read(t, log, math.MaxUint64, 2)), "")
	equal(t, "nothing asked", show(read(t, log, 0, 0)), "")
}

func aggregate(t *testing.T, log synckit.Log) {
	commit(t, log, synckit.Commit{Append: entries("", note("a1", "a"), note("b1", "b"))})
	commit(t, log, synckit.Commit{Append: entries("peer", note("a2", "a"))})
	found, err := log.Aggregate(t.Context(), "a")
	noError(t, err)
	equal(t, "entries of a", show(found), "a1 a2<peer!")
	none, err := log.Aggregate(t.Context(), "c")
	noError(t, err)
	equal(t, "entries of c", show(none), "")
}

func committed(t *testing.T, log synckit.Log) {
	done := commit(t, log, synckit.Commit{Append: entries("", notes("e", "x", 3)...)})
	appended(t, log, "first", done, "e1 e2 e3")
	done = commit(t, log, synckit.Commit{Append: entries("p", note("e2", "x"), note("e4", "x"))})
	appended(t, log, "one of them known", done, "e4")
	done = commit(t, log, synckit.Commit{Append: entries("p", note("e1", "x"))})
	appended(t, log, "known", done, "")
}

// appended checks what a commit told.
func appended(t *testing.T, log synckit.Log, what string, got synckit.Committed, want string) {
	t.Helper()
	equal(t, what, strings.Join(got.Appended, " "), want)
	equal(t, what+": after the latest position", show(read(t, log, got.Latest, 10)), "")
	if got.Latest > 0 {
		equal(t, what+": the latest", len(read(t, log, got.Latest-1, 10)), 1)
	}
}

// confirms keeps where an event came from first: it must not be sent back there.
func confirms(t *testing.T, log synckit.Log) {
	commit(t, log, synckit.Commit{Append: entries("", note("e1", "x"), note("e2", "x"))})
	commit(t, log, synckit.Commit{Append: entries("p", note("e3", "x"))})
	storeAll(t, log, note("e1", "x"))
	commit(t, log, synckit.Commit{Append: entries("", note("e1", "x"))})
	equal(t, "before", show(read(t, log, 0, 10)), "e1 e2 e3<p!")
	commit(t, log, synckit.Commit{Append: entries("p", note("e1", "x"))})
	commit(t, log, synckit.Commit{Append: entries("q", note("e3", "x"))})
	equal(t, "after", show(read(t, log, 0, 10)), "e1! e2 e3<p!")
	found, err := log.Aggregate(t.Context(), "x")
	noError(t, err)
	equal(t, "of x", show(found), "e1! e2 e3<p!")
	storeAll(t, log, note("e1", "x"))
	equal(t, "for good", show(read(t, log, 0, 1)), "e1!")
}

func cursors(t *testing.T, log synckit.Log) {
	set := func(cursors ...synckit.Cursor) { commit(t, log, synckit.Commit{Cursors: cursors}) }
	equal(t, "before the first", readCursor(t, log, "p", synckit.Pulling), "")
	set(synckit.Cursor{Peer: "p", Direction: synckit.Pulling, Value: "5"},
		synckit.Cursor{Peer: "p", Direction: synckit.Pushing, Value: "7"},
		synckit.Cursor{Peer: "q", Direction: synckit.Pushing, Value: "9"})
	set(synckit.Cursor{Peer: "p", Direction: synckit.Pulling, Value: "6"})
	equal(t, "set", contents(t, log, "p", "q"), `; push p "7"; pull p "6"; push q "9"; pull q ""; `)
	set(synckit.Cursor{Peer: "p", Direction: synckit.Pushing})
	set(synckit.Cursor{Peer: "never", Direction: synckit.Pushing})
	equal(t, "forgotten", contents(t, log, "p", "q"), `; push p ""; pull p "6"; push q "9"; pull q ""; `)
	set(synckit.Cursor{Peer: "p", Direction: synckit.Pulling, Value: "a"},
		synckit.Cursor{Peer: "p", Direction: synckit.Pulling, Value: "b"})
	equal(t, "the later of two", readCursor(t, log, "p", synckit.Pulling), "b")
}

// trail keeps what belongs to a decision, as a manager does: as a cursor whose direction is the
// ID of the resolution.
func trail(t *testing.T, log synckit.Log) {
	const peer, first, second = "synckit.decisions", synckit.ResolutionType + ":first", synckit.ResolutionType + ":second"
	long := `{"sides":"` + strings.Repeat("lr", 5000) + `"}`
	commit(t, log, synckit.Commit{Append: entries("", note("e1", "x")), Cursors: []synckit.Cursor{{Peer: peer, Direction: first, Value: long}}})
	commit(t, log, synckit.Commit{Cursors: []synckit.Cursor{{Peer: peer, Direction: second, Value: "2"}}})
	equal(t, "the first", readCursor(t, log, peer, first), long)
	equal(t, "the second", readCursor(t, log, peer, second), "2")
	equal(t, "of another", readCursor(t, log, peer, synckit.ResolutionType+":third"), "")
	equal(t, "cursors", contents(t, log, peer), `e1; push synckit.decisions ""; pull synckit.decisions ""; `)
}

// allOrNothing breaks each part of a commit that otherwise does much.
func allOrNothing(t *testing.T, log synckit.Log) {
	commit(t, log, synckit.Commit{
		Append: entries("", notes("old", "x", 2)...), AddReviews: []synckit.Review{review("r1")},
		Cursors: []synckit.Cursor{{Peer: "p", Direction: synckit.Pulling, Value: "1"}},
	})
	before := contents(t, log, "p")
	changed := log.Changed()
	good := func() synckit.Commit {
		return synckit.Commit{
			Append: entries("p", note("old1", "x"), note("new1", "x"), note("new2", "x")), EndReviews: []string{"r1"},
			AddReviews: []synckit.Review{review("r2")}, Cursors: []synckit.Cursor{{Peer: "p", Direction: synckit.Pulling, Value: "2"}},
		}
	}
	for what, c := range map[string]struct {
		spoil func(*synckit.Commit)
		code  errors.Code
	}{
		"reused":           {func(c *synckit.Commit) { c.Append = append(c.Append, entries("p", note("old2", "y"))...) }, errors.EventIDReused},
		"reused inside":    {func(c *synckit.Commit) { c.Append = append(c.Append, entries("p", note("new1", "y"))...) }, errors.EventIDReused},
		"invalid":          {func(c *synckit.Commit) { c.Append = append(c.Append, entries("p", note("", "y"))...) }, errors.InvalidEvent},
		"not found":        {func(c *synckit.Commit) { c.EndReviews = append(c.EndReviews, "never") }, errors.NotFound},
		"ended twice":      {func(c *synckit.Commit) { c.EndReviews = append(c.EndReviews, "r1") }, errors.NotFound},
		"added only now":   {func(c *synckit.Commit) { c.EndReviews = append(c.EndReviews, "r2") }, errors.NotFound},
		"invalid reviewed": {func(c *synckit.Commit) { c.AddReviews[0].Local[0].Event = note("", "x") }, errors.InvalidEvent},
	} {
		spoiled := good()
		c.spoil(&spoiled)
		_, err := log.Commit(t.Context(), spoiled)
		hasCode(t, what, err, c.code)
		equal(t, "after "+what, contents(t, log, "p"), before)
	}
	if closedNow(changed) {
		t.Fatal("a commit that failed woke those who wait")
	}
	commit(t, log, good())
	equal(t, "after a good one", contents(t, log, "p"),
		`old1! old2 new1<p! new2<p!; push p ""; pull p "2"; `+showReviews(t, []synckit.Review{review("r2")}))
}

func twiceInCommit(t *testing.T, log synckit.Log) {
	done := commit(t, log, synckit.Commit{Append: append(entries("", note("e1", "x"), note("e1", "x")), entries("p", note("e1", "x"))...)})
	appended(t, log, "committed", done, "e1")
	equal(t, "read", show(read(t, log, 0, 10)), "e1!")
}

func emptyCommit(t *testing.T, log synckit.Log) {
	appended(t, log, "empty log", commit(t, log, synckit.Commit{}), "")
	storeAll(t, log, note("e1", "x"))
	appended(t, log, "a log", commit(t, log, synckit.Commit{}), "")
}

func changes(t *testing.T, log synckit.Log) {
	waiting, sibling := log.Changed(), log.Changed()
	read(t, log, 0, 1)
	if closedNow(waiting) {
		t.Fatal("woken by a read")
	}
	storeAll(t, log, note("e1", "x"))
	if !closedNow(waiting) || !closedNow(sibling) {
		t.Fatal("an event does not wake all who wait")
	}
	waiting = log.Changed()
	if closedNow(waiting) {
		t.Fatal("woken by what was committed before the call")
	}
	commit(t, log, synckit.Commit{Append: entries("p", note("e2", "x"))})
	if !closedNow(waiting) {
		t.Fatal("a commit does not wake")
	}
	waiting = log.Changed()
	commit(t, log, synckit.Commit{AddReviews: []synckit.Review{review("r1")}})
	if !closedNow(waiting) {
		t.Fatal("a review does not wake")
	}
}

// ownVersions finds a version of an event's own, or a position, in each entry.
func ownVersions(t *testing.T, log synckit.Log) {
	all := entries("p", note("e1", "x"), note("e2", "x"))
	all[0].Version = vector(t, `{"A":1}`)
	commit(t, log, synckit.Commit{Append: all})
	found := read(t, log, 0, 10)
	equal(t, "own", found[0].Version.String(), `{"A":1}`)
	if found[1].Version == nil || found[1].Version.IsZero() {
		t.Fatalf("version %v", found[1].Version)
	}
	equal(t, "after the latest", ids(load(t, log, latestVersion(t, log))), "")
}

func hostileLog(t *testing.T, log synckit.Log) {
	for _, name := range hostileNames {
		r := review(name)
		r.AggregateID, r.Peer, r.Reason = name, name, name
		commit(t, log, synckit.Commit{
			Append: entries(name, note(name, name)), AddReviews: []synckit.Review{r},
			Cursors: []synckit.Cursor{{Peer: name, Direction: synckit.Pushing, Value: name}},
		})
	}
	for i, e := range read(t, log, 0, 1000) {
		equal(t, "origin", e.Origin, hostileNames[i])
		equal(t, "cursor", readCursor(t, log, hostileNames[i], synckit.Pushing), hostileNames[i])
		equal(t, "no cursor", readCursor(t, log, hostileNames[i], synckit.Pulling), "")
	}
	for i, r := range listReviews(t, log, "", 1000) {
		for _, text := range []string{r.ID, r.AggregateID, r.Peer, r.Reason} {
			equal(t, "review", text, hostileNames[i])
		}
	}
	commit(t, log, synckit.Commit{EndReviews: hostileNames})
	equal(t, "reviews", len(listReviews(t, log, "", 1000)), 0)
}

func endedLog(t *testing.T, log synckit.Log) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, call := range logCalls(log) {
		if err := call(ctx); !stderrors.Is(err, context.Canceled) {
			t.Fatalf("%s with a cancelled context: %v", what, err)
		}
	}
	equal(t, "after", contents(t, log, "p"), `; push p ""; pull p ""; `)
}

func closedLog(t *testing.T, log synckit.Log) {
	waiting := log.Changed()
	noError(t, log.Close())
	for what, call := range logCalls(log) {
		hasCode(t, what, call(t.Context()), errors.Closed)
	}
	if closedNow(waiting) {
		t.Fatal("close says that something was committed")
	}
	log.Changed()
}

func logCalls(log synckit.Log) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"read":      func(ctx context.Context) error { _, err := log.Read(ctx, 0, 1); return err },
		"aggregate": func(ctx context.Context) error { _, err := log.Aggregate(ctx, "x"); return err },
		"cursor":    func(ctx context.Context) error { _, err := log.Cursor(ctx, "p", synckit.Pulling); return err },
		"reviews":   func(ctx context.Context) error { _, err := log.Reviews(ctx, "", 1); return err },
		"commit": func(ctx context.Context) error {
			_, err := log.Commit(ctx, synckit.Commit{Append: entries("", note("e1", "x"))})
			return err
		},
	}
}
