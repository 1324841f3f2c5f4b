package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// writers and each say how many write at once, and how much.
const (
	writers = 8
	each    = 25
)

// together runs all writers and waits for them.
func together(write func(writer int)) {
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() { write(w) })
	}
	done.Wait()
}

func racingWriters(t *testing.T, store synckit.EventStore) {
	together(func(w int) {
		for i := range each {
			if err := store.Store(t.Context(), note(fmt.Sprintf("%d.%03d", w, i), fmt.Sprint(w)), nil); err != nil {
				t.Error(err)
			}
		}
	})
	equal(t, "events", len(load(t, store, nil)), writers*each)
	for w := range writers {
		own := ids(loadAggregate(t, store, fmt.Sprint(w), nil))
		if !slices.IsSorted(strings.Fields(own)) {
			t.Fatalf("one writer's events are out of order: %s", own)
		}
	}
}

// racingIDs has each writer claim the same IDs for content of its own.
func racingIDs(t *testing.T, store synckit.EventStore) {
	var won [each]int
	var mu sync.Mutex
	together(func(w int) {
		for i := range each {
			err := store.Store(t.Context(), note(fmt.Sprint(i), fmt.Sprint(w)), nil)
			if err != nil && errors.CodeOf(err) != errors.EventIDReused {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won[i]++
				mu.Unlock()
			}
		}
	})
	for i, count := range won {
		equal(t, fmt.Sprint("writers of ", i), count, 1)
	}
	equal(t, "events", len(load(t, store, nil)), each)
}

// readingBeside loads while others write: what is loaded later begins with what
// was loaded before.
func readingBeside(t *testing.T, store synckit.EventStore) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		together(func(w int) {
			for i := range each {
				if err := store.Store(t.Context(), note(fmt.Sprint(w, ".", i), "x"), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}()
	before := ""
	for open := true; open; {
		select {
		case <-finished:
			open = false
		default:
		}
		now := ids(load(t, store, nil))
		if !strings.HasPrefix(now, before) {
			t.Fatalf("loaded %s\nafter  %s", now, before)
		}
		before = now
	}
	equal(t, "events", len(strings.Fields(before)), writers*each)
}

// commitOrder follows the log while others write to it, from the position last
// seen: it sees all, once, in order.
func commitOrder(t *testing.T, log synckit.Log) {
	var done sync.WaitGroup
	done.Go(func() {
		together(func(w int) {
			for i := range each {
				c := synckit.Commit{Append: entries("p", note(fmt.Sprint(w, ".", i, "a"), "x"), note(fmt.Sprint(w, ".", i, "b"), "x"))}
				if _, err := log.Commit(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	})
	seen := follow(t, log, writers*each*2)
	done.Wait()
	equal(t, "followed", show(seen), show(read(t, log, 0, writers*each*2+1)))
	for i := 0; i < len(seen); i += 2 { // commits are never torn apart
		equal(t, "second of a commit", seen[i+1].Event.ID(), strings.TrimSuffix(seen[i].Event.ID(), "a")+"b")
	}
}

func follow(t *testing.T, log synckit.Log, count int) []synckit.Entry {
	t.Helper()
	var seen []synckit.Entry
	var after synckit.Position
	for len(seen) < count {
		changed := log.Changed()
		page := read(t, log, after, 7)
		if len(page) == 0 {
			select {
			case <-changed:
			case <-t.Context().Done():
				t.Fatalf("saw %d of %d: %s", len(seen), count, show(seen))
			}
			continue
		}
		after = page[len(page)-1].Position
		seen = append(seen, page...)
	}
	return seen
}

// racingCommits has all writers commit the same events, as pulls from several
// peers do.
func racingCommits(t *testing.T, log synckit.Log) {
	var appended int
	var mu sync.Mutex
	together(func(w int) {
		for i := range each {
			peer := fmt.Sprint("p", w)
			done, err := log.Commit(t.Context(), synckit.Commit{
				Append:  entries(peer, notes(fmt.Sprint("e", i, "."), "x", 3)...),
				Cursors: []synckit.Cursor{{Peer: peer, Direction: synckit.Pulling, Value: fmt.Sprint(i)}},
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			appended += len(done.Appended)
			mu.Unlock()
		}
	})
	equal(t, "appended", appended, each*3)
	equal(t, "entries", len(read(t, log, 0, 1000)), each*3)
	for w := range writers {
		equal(t, "cursor", readCursor(t, log, fmt.Sprint("p", w), synckit.Pulling), fmt.Sprint(each-1))
	}
}

// manyEvents reads a history in pages of a bounded size.
func manyEvents(t *testing.T, log synckit.Log) {
	const total, batch, page = 10_000, 500, 300
	for i := 0; i < total; i += batch {
		events := notes(fmt.Sprintf("e%05d.", i), fmt.Sprint("a", i%1000), batch)
		commit(t, log, synckit.Commit{Append: entries("p", events...)})
	}
	var after synckit.Position
	found := 0
	for {
		entries := read(t, log, after, page)
		if len(entries) == 0 {
			break
		}
		if len(entries) > page {
			t.Fatalf("a page of %d", len(entries))
		}
		found += len(entries)
		after = entries[len(entries)-1].Position
	}
	equal(t, "found", found, total)
	equal(t, "of one aggregate", len(loadAggregate(t, log, "a500", nil)), total/2)
}
