package recordtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"syncline/record"
)

var concurrencyCases = []testCase{
	{"one of many racers wins", testRacers},
	{"readers see no holes", testNoHoles},
	{"writers of many owners do not disturb each other", testManyOwners},
	{"new owners race", testNewOwnersRace},
	{"a request that ended before it began does nothing", testCancelledBefore},
	{"a request that ends is done whole or not begun", testCancelledMidway},
}

// testRacers has racers update one record from the same revision, and again
// from where that left it: at first their connections may not stand yet.
func testRacers(t *testing.T, w *world) {
	u := w.user(t, 1)
	current := u.put(set("a", "0", 0))
	for round := range 8 {
		results := make([]record.Result, 8)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				var err error
				if results[i], err = u.try(set("a", fmt.Sprint("racer", i), current)); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		winner := *u.record("a")
		won := 0
		for _, r := range results {
			if r.Status == record.Success {
				won++
			}
			if len(r.Results) == 1 {
				assertEqual(t, "what each racer sees", show(*r.Results[0].Record), show(winner))
			}
		}
		assertEqual(t, "winners", won, 1)
		assertEqual(t, "the winner's revision", winner.Revision, current+1)
		current = winner.Revision
	}
}

// testNoHoles has writers add records while readers follow: each must see
// revision 1, 2, 3 and so on, never 8 before 7.
func testNoHoles(t *testing.T, w *world) {
	const writers, each, readers = 6, 20, 3
	u := w.user(t, 1)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				if _, err := u.try(set(fmt.Sprintf("%d-%d", i, n), "x", 0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range readers {
		wg.Go(func() {
			if err := followToHead(ctx, u, writers*each); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assertEqual(t, "head", u.account().Head, writers*each)
}

func followToHead(ctx context.Context, u user, last record.Revision) error {
	var cursor record.Cursor
	seen := record.Revision(0)
	for seen < last {
		page, err := u.service.Changes(ctx, u.owner, cursor, 10)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			seen++
			if r.Revision != seen {
				return fmt.Errorf("revision %d comes before %d", r.Revision, seen)
			}
		}
		if !page.HasMore && page.Head != seen {
			return fmt.Errorf("the page ends at %d, the head is %d", seen, page.Head)
		}
		cursor = page.Cursor
	}
	return nil
}

func testManyOwners(t *testing.T, w *world) {
	var wg sync.WaitGroup
	for n := range byte(8) {
		u := w.user(t, n)
		wg.Go(func() {
			for i := range 10 {
				result, err := u.try(set(fmt.Sprint(i), "x", 0))
				if err != nil || result.Results[0].NewRevision != record.Revision(i+1) {
					t.Errorf("owner %d, write %d: %v, %v", n, i, result, err)
				}
			}
		})
	}
	wg.Wait()
}

func testNewOwnersRace(t *testing.T, w *world) {
	for n := range byte(10) {
		u := w.user(t, n)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if _, err := u.try(set(fmt.Sprint(i), "x", 0)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		a := u.account()
		if a.Head != 4 || a.RecordCount != 4 {
			t.Errorf("account %+v", a)
		}
	}
}

func testCancelledBefore(t *testing.T, w *world) {
	u := w.user(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.service.Write(ctx, u.owner, set("a", "", 0))
	assertIs(t, err, context.Canceled)
	_, err = w.service.Changes(ctx, u.owner, record.Cursor{}, 1)
	assertIs(t, err, context.Canceled)
	_, err = w.service.Account(ctx, u.owner)
	assertIs(t, err, context.Canceled)
	assertEqual(t, "head", u.account().Head, 0)
	u.put(set("a", "", 0))
}

// testCancelledMidway ends requests at random moments: an answer means that the
// write stands, the context's error that it does not.
func testCancelledMidway(t *testing.T, w *world) {
	u := w.user(t, 1)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("%d-%d", worker, i)
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Millisecond))
				_, err := w.service.Write(ctx, u.owner, set(id, "", 0))
				cancel()
				stands := u.record(id) != nil
				switch {
				case err == nil && !stands:
					t.Errorf("%s was answered and is not there", id)
				case err != nil && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("%s: %v", id, err)
				case err != nil && stands:
					t.Errorf("%s is there though its request ended before it began", id)
				}
			}
		})
	}
	wg.Wait()
	a := u.account()
	assertEqual(t, "head", a.Head, record.Revision(a.RecordCount))
}
