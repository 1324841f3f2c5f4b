// Package storagetest tells whether a store keeps the contract of
// synckit.EventStore, and of synckit.Log if it has its methods.
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) synckit.EventStore { return mystore.New() })
//	}
package storagetest

import (
	"testing"

	"syncline/synckit"
)

// Run checks a store. open returns a new, empty one each time; the suite closes
// it.
func Run(t *testing.T, open func(t *testing.T) synckit.EventStore) {
	t.Helper()
	store := open(t)
	_, isLog := store.(synckit.Log)
	noError(t, store.Close())

	for name, check := range eventStoreChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, opened(t, open))
		})
	}
	if !isLog {
		return
	}
	for name, check := range logChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, opened(t, open).(synckit.Log))
		})
	}
}

// RunDurable does what Run does, and closes stores and opens them again. open
// opens the store that is kept in a directory, or makes it there.
func RunDurable(t *testing.T, open func(t *testing.T, dir string) synckit.EventStore) {
	t.Helper()
	Run(t, func(t *testing.T) synckit.EventStore { return open(t, t.TempDir()) })
	for name, check := range durableChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			check(t, func() synckit.EventStore {
				return opened(t, func(t *testing.T) synckit.EventStore { return open(t, dir) })
			})
		})
	}
}

func opened(t *testing.T, open func(t *testing.T) synckit.EventStore) synckit.EventStore {
	t.Helper()
	store := open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

var eventStoreChecks = map[string]func(*testing.T, synckit.EventStore){
	"events come back as they were":             comeBack,
	"events come back in order":                 order,
	"the same event again changes nothing":      again,
	"an ID is not used for another event":       reused,
	"load after a version":                      loadAfter,
	"load after a version by aggregate":         loadAggregateAfter,
	"nothing comes after the latest version":    latest,
	"causal versions are kept":                  causal,
	"load after a causal version":               loadAfterCausal,
	"other versions are places in the log":      loadAfterPlace,
	"invalid events are refused":                invalid,
	"names may be hostile":                      hostile,
	"data may be big":                           big,
	"what is stored cannot be changed":          detached,
	"a context that has ended":                  ended,
	"a closed store says so":                    closed,
	"one of many writers of an ID stores it":    racingIDs,
	"concurrent writers lose nothing":           racingWriters,
	"reading beside writers finds a whole past": readingBeside,
}

var logChecks = map[string]func(*testing.T, synckit.Log){
	"log: pages of entries":                       pages,
	"log: entries of an aggregate":                aggregate,
	"log: a commit tells what was new":            committed,
	"log: a known event with an origin confirms":  confirms,
	"log: cursors":                                cursors,
	"log: what belongs to decisions":              trail,
	"log: a commit is all or nothing":             allOrNothing,
	"log: one event twice in a commit":            twiceInCommit,
	"log: reviews":                                reviews,
	"log: a review is found by its ID":            foundReview,
	"log: reviews that change have another mark":  markedReviews,
	"log: reviews are replaced in their place":    replacedReviews,
	"log: pages of reviews while they are ended":  pagesOfReviews,
	"log: one of many ends a review":              racingReviews,
	"log: changes wake":                           changes,
	"log: nothing appears behind a reader":        commitOrder,
	"log: overlapping commits append once":        racingCommits,
	"log: many events in pages":                   manyEvents,
	"log: a context that has ended":               endedLog,
	"log: a closed log says so":                   closedLog,
	"log: what was decided before stays refused":  endTwice,
	"log: hostile names of peers and reviews":     hostileLog,
	"log: stored reviews cannot be changed":       detachedReviews,
	"log: an entry's own version and its place":   ownVersions,
	"log: an empty commit":                        emptyCommit,
	"log: clocks are above what is known":         clocks,
	"log: clocks are no part of an event":         sameButClock,
	"log: times are above what is known":          times,
	"log: a commit relies on aggregates":          unchanged,
	"log: a commit ends and adds the same review": endAndAdd,
	"log: dropped entries":                        dropped,
	"log: dropped IDs that come again":            droppedAgain,
	"log: dropped entries are no change":          droppedUnchanged,
	"log: hostile names are dropped":              droppedHostile,
	"log: reading beside a drop":                  readingBesideDrop,
}

var durableChecks = map[string]func(*testing.T, func() synckit.EventStore){
	"durable: events":                       durableEvents,
	"durable: cursors, reviews and origins": durableLog,
	"durable: times go on":                  durableTimes,
	"durable: positions go on":              durablePositions,
	"durable: an unfinished commit":         durableNothing,
	"durable: dropped entries":              durableDropped,
}
