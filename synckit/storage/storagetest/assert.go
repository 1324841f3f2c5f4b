package storagetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func hasCode(t *testing.T, what string, err error, want errors.Code) {
	t.Helper()
	if code := errors.CodeOf(err); code != want {
		t.Fatalf("%s: got code %q of %v, want %s", what, code, err, want)
	}
}

// note is an event with some data.
func note(id, aggregate string) synckit.Event {
	return synckit.NewEvent(id, "NoteTaken", aggregate, map[string]any{"text": "of " + id}, nil)
}

// notes are events id1, id2 and so on of one aggregate.
func notes(id, aggregate string, count int) []synckit.Event {
	events := make([]synckit.Event, count)
	for i := range events {
		events[i] = note(fmt.Sprint(id, i+1), aggregate)
	}
	return events
}

func storeAll(t *testing.T, store synckit.EventStore, events ...synckit.Event) {
	t.Helper()
	for _, e := range events {
		noError(t, store.Store(t.Context(), e, nil))
	}
}

func load(t *testing.T, store synckit.EventStore, since synckit.Version) []synckit.EventWithVersion {
	t.Helper()
	events, err := store.Load(t.Context(), since)
	noError(t, err)
	return events
}

func loadAggregate(t *testing.T, store synckit.EventStore, aggregate string, since synckit.Version) []synckit.EventWithVersion {
	t.Helper()
	events, err := store.LoadByAggregate(t.Context(), aggregate, since)
	noError(t, err)
	return events
}

func latestVersion(t *testing.T, store synckit.EventStore) synckit.Version {
	t.Helper()
	version, err := store.LatestVersion(t.Context())
	noError(t, err)
	return version
}

func ids(events []synckit.EventWithVersion) string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID()
	}
	return strings.Join(all, " ")
}

// same tells whether two events have the same content, whatever Go types their
// data has, and whatever their clocks.
func same(t *testing.T, got, want synckit.Event) {
	t.Helper()
	equal(t, "event", describe(t, got), describe(t, want))
}

func describe(t *testing.T, e synckit.Event) string {
	t.Helper()
	encoded, err := synckit.Encode(e)
	noError(t, err)
	encoded = encoded.WithClock(0)
	return fmt.Sprintf("%q %q %q %s %s", encoded.ID, encoded.Type, encoded.AggregateID, encoded.Data, encoded.Metadata)
}

// entries are what a peer sent, or what was written here if origin is empty.
func entries(origin string, events ...synckit.Event) []synckit.Entry {
	all := make([]synckit.Entry, len(events))
	for i, e := range events {
		all[i] = synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: e}, Origin: origin}
	}
	return all
}

func commit(t *testing.T, log synckit.Log, c synckit.Commit) synckit.Committed {
	t.Helper()
	done, err := log.Commit(t.Context(), c)
	noError(t, err)
	return done
}

func read(t *testing.T, log synckit.Log, after synckit.Position, limit int) []synckit.Entry {
	t.Helper()
	found, err := log.Read(t.Context(), after, limit)
	noError(t, err)
	for _, e := range found {
		if e.Position <= after {
			t.Fatalf("position %d after %d", e.Position, after)
		}
		after = e.Position
	}
	return found
}

// show writes the IDs of entries, with <origin, and ! if confirmed.
func show(entries []synckit.Entry) string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Event.ID()
		if e.Origin != "" {
			all[i] += "<" + e.Origin
		}
		if e.Confirmed {
			all[i] += "!"
		}
	}
	return strings.Join(all, " ")
}

// contents is all that a log has, for comparison.
func contents(t *testing.T, log synckit.Log, peers ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(show(read(t, log, 0, 1000)))
	for _, peer := range peers {
		for _, direction := range []synckit.Direction{synckit.Pushing, synckit.Pulling} {
			fmt.Fprintf(&b, "; %s %s %q", direction, peer, readCursor(t, log, peer, direction))
		}
	}
	b.WriteString("; " + showReviews(t, listReviews(t, log, "", 1000)))
	return b.String()
}

func readCursor(t *testing.T, log synckit.Log, peer string, direction synckit.Direction) string {
	t.Helper()
	value, err := log.Cursor(t.Context(), peer, direction)
	noError(t, err)
	return value
}

func listReviews(t *testing.T, log synckit.Log, after string, limit int) []synckit.Review {
	t.Helper()
	found, err := log.Reviews(t.Context(), after, limit)
	noError(t, err)
	return found
}

func showReviews(t *testing.T, reviews []synckit.Review) string {
	t.Helper()
	all := make([]string, len(reviews))
	for i, r := range reviews {
		text, err := json.Marshal([]string{
			r.ID, r.AggregateID, r.Peer, r.Reason, ids(r.Local), ids(r.Remote),
			r.Since.UTC().Format("15:04:05.000000"),
		})
		noError(t, err)
		all[i] = string(text)
	}
	return strings.Join(all, " ")
}

// closedNow tells whether somebody who waits was woken.
func closedNow(waiting <-chan struct{}) bool {
	select {
	case <-waiting:
		return true
	default:
		return false
	}
}
