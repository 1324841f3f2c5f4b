package storagetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// at is an event that was given a clock elsewhere.
func at(clock int, id, aggregate string) synckit.Event {
	return synckit.NewEvent(id, "NoteTaken", aggregate, map[string]any{"text": "of " + id}, map[string]any{synckit.ClockKey: clock})
}

// clocksOf shows an aggregate's events as id@clock.
func clocksOf(t *testing.T, log synckit.Log, aggregate string) string {
	t.Helper()
	found, err := log.Aggregate(t.Context(), aggregate)
	noError(t, err)
	all := make([]string, len(found))
	for i, e := range found {
		all[i] = fmt.Sprintf("%s@%d", e.Event.ID(), synckit.ClockOf(e.Event))
	}
	return strings.Join(all, " ")
}

// clocks are above those of all events of their aggregate that the log holds.
func clocks(t *testing.T, log synckit.Log) {
	storeAll(t, log, note("a1", "a"), note("b1", "b"), note("a2", "a"))
	equal(t, "stored", clocksOf(t, log, "a")+" "+clocksOf(t, log, "b"), "a1@1 a2@2 b1@1")
	commit(t, log, synckit.Commit{Append: entries("p", at(9, "a3", "a"), at(4, "a4", "a"), note("a5", "a"))})
	equal(t, "from a peer", clocksOf(t, log, "a"), "a1@1 a2@2 a3@9 a4@4 a5@0")
	storeAll(t, log, note("a6", "a"))
	commit(t, log, synckit.Commit{Append: append(entries("", note("a7", "a"), at(3, "a8", "a"), at(40, "a9", "a")),
		append(entries("p", at(50, "a10", "a")), entries("", note("a11", "a"), note("b2", "b"))...)...)})
	equal(t, "committed", clocksOf(t, log, "a"), "a1@1 a2@2 a3@9 a4@4 a5@0 a6@10 a7@11 a8@3 a9@40 a10@50 a11@51")
	equal(t, "of another aggregate", clocksOf(t, log, "b"), "b1@1 b2@2")
	storeAll(t, log, at(7, "b3", "b"), at(2, "b4", "b"))
	equal(t, "stored with a clock of elsewhere", clocksOf(t, log, "b"), "b1@1 b2@2 b3@3 b4@4")
}

// sameButClock stores an event that comes back with the clock it was given here
// or elsewhere: the first stays.
func sameButClock(t *testing.T, log synckit.Log) {
	event := note("e1", "x")
	storeAll(t, log, event, event, at(5, "e1", "x"))
	done := commit(t, log, synckit.Commit{Append: append(entries("p", at(8, "e1", "x"), event), entries("", at(6, "e1", "x"))...)})
	appended(t, log, "known", done, "")
	equal(t, "clock", clocksOf(t, log, "x"), "e1@1")
	storeAll(t, log, note("e2", "x"))
	equal(t, "clocks of known events do not count", clocksOf(t, log, "x"), "e1@1 e2@2")
}

// timed is an event that was given a time elsewhere.
func timed(id string, at time.Time) synckit.Event {
	return synckit.NewEvent(id, "NoteTaken", "x", nil, map[string]any{synckit.ClockKey: 1, synckit.TimeKey: int(at.UnixMicro())})
}

func timeOf(t *testing.T, log synckit.Log, id string) time.Time {
	t.Helper()
	found, err := log.Aggregate(t.Context(), "x")
	noError(t, err)
	for _, e := range found {
		if e.Event.ID() == id {
			return synckit.TimeOf(e.Event)
		}
	}
	t.Fatalf("there is no %s", id)
	return time.Time{}
}

// times are those of the wall clock, and above all that the log has seen; but one that
// cannot be true is not followed.
func times(t *testing.T, log synckit.Log) {
	begun := time.Now().Truncate(time.Microsecond)
	storeAll(t, log, note("a", "x"), note("b", "x"))
	a, b := timeOf(t, log, "a"), timeOf(t, log, "b")
	if a.Before(begun) || !b.After(a) || b.After(time.Now()) {
		t.Errorf("from %v on: %v, %v", begun, a, b)
	}
	ahead, wrong := begun.Add(time.Hour), begun.AddDate(9, 0, 0)
	commit(t, log, synckit.Commit{Append: entries("p", timed("ahead", ahead), timed("wrong", wrong))})
	equal(t, "a peer's time", timeOf(t, log, "wrong").Equal(wrong), true)
	storeAll(t, log, note("c", "x"), timed("d", begun))
	c, d := timeOf(t, log, "c"), timeOf(t, log, "d")
	if !c.After(ahead) || !d.After(c) || d.After(begun.AddDate(1, 0, 0)) {
		t.Errorf("after %v: %v, %v", ahead, c, d)
	}
}

// durableTimes go on after a restart, though the wall clock is behind.
func durableTimes(t *testing.T, open func() synckit.EventStore) {
	log, ok := open().(synckit.Log)
	if !ok {
		return // the store promises events only
	}
	ahead, years := time.Now(), time.Now().AddDate(9, 0, 0)
	for i, newest := range []func() time.Time{ // whatever the time of the newest event
		func() time.Time { return ahead },
		func() time.Time { return years },
		func() time.Time { return ahead.Add(-time.Hour) },
	} {
		ahead = ahead.Add(time.Hour)
		commit(t, log, synckit.Commit{Append: entries("p", timed(fmt.Sprint("a", i), ahead), timed(fmt.Sprint("b", i), newest()))})
		noError(t, log.Close())
		log = open().(synckit.Log)
		own := fmt.Sprint("c", i)
		storeAll(t, log, note(own, "x"))
		if at := timeOf(t, log, own); !at.After(ahead) || !at.Before(years) {
			t.Errorf("newest event's time %v: %v is not after %v", newest(), at, ahead)
		}
	}
}

// unchanged refuses a commit that relies on what is no longer so.
func unchanged(t *testing.T, log synckit.Log) {
	commit(t, log, synckit.Commit{Append: entries("", note("a1", "a"), note("b1", "b"))})
	all := read(t, log, 0, 10)
	a, b := all[0].Position, all[1].Position
	relying := func(id string, on map[string]synckit.Position) synckit.Commit {
		return synckit.Commit{Append: entries("p", note(id, "a")), AddReviews: []synckit.Review{review(id)}, Unchanged: on}
	}
	commit(t, log, relying("a2", map[string]synckit.Position{"a": a, "b": b, "none": 0}))
	before := contents(t, log)
	for what, on := range map[string]map[string]synckit.Position{
		"one of two":  {"a": a, "b": b},
		"none before": {"b": 0},
	} {
		_, err := log.Commit(t.Context(), relying("a3", on))
		hasCode(t, what, err, errors.Outdated)
		equal(t, what, contents(t, log), before)
	}
	newest := read(t, log, b, 10)[0].Position
	commit(t, log, relying("a3", map[string]synckit.Position{"a": newest, "b": newest}))
}
