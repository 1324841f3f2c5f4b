package feed_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"syncline/feed"
	"syncline/record"
)

// Changes that another instance made are read once, whoever many wait for them.
func TestFollowersOfOneOwnerShareAReading(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 3)
		got := make(chan string, 1000)
		for range 100 {
			f := w.follow(alice, nil)
			w.expect(f, "|")
			go func() {
				for event, err := f.Next(w.Context()); err == nil; event, err = f.Next(w.Context()) {
					got <- show(event)
				}
			}()
		}
		synctest.Wait()
		w.memory.count()
		w.writeElsewhere(alice, "a", []byte("x"))
		w.writeElsewhere(alice, "b", []byte("x"))
		synctest.Wait()
		if n := len(got); n != 200 {
			w.Errorf("%d events, want 200", n)
		}
		if c := w.memory.count(); c.changes > 2 {
			w.Errorf("%d readings for 100 followers", c.changes)
		}
	})
}

// A thousand who reconnect with cursors of a moment ago cost a few readings,
// not one each or two.
func TestReconnectingFollowersShareTheirReadings(t *testing.T) {
	inBubble(t, func(w *world) {
		stays := w.follow(alice, nil)
		w.expect(stays, "|")
		w.fill(alice, 3)
		var cursors []record.Cursor
		for range 3 {
			cursors = append(cursors, w.next(stays).Cursor)
		}
		w.memory.count()
		caughtUp := make(chan struct{}, 1000)
		arrived := make(chan struct{})
		w.memory.beforeChanges = func() { <-arrived }
		for i := range 1000 {
			f := w.follow(alice, &cursors[i%3])
			go func() {
				for event, err := f.Next(w.Context()); err == nil; event, err = f.Next(w.Context()) {
					if event.Kind == feed.CaughtUp {
						caughtUp <- struct{}{}
					}
				}
			}()
		}
		synctest.Wait()
		close(arrived)
		synctest.Wait()
		if n := len(caughtUp); n != 1000 {
			w.Errorf("%d of 1000 have caught up", n)
		}
		if c := w.memory.count(); c.changes > 2 {
			w.Errorf("%d readings for 1000 followers", c.changes)
		}
	})
}

// A store that is away is asked by one follower at a time, and the others take
// its answer: an outage does not make a queue of a thousand time-outs.
func TestFollowersOfOneOwnerShareAnOutage(t *testing.T) {
	inBubble(t, func(w *world) {
		got := make(chan string, 100)
		for range 100 {
			f := w.follow(alice, nil)
			w.expect(f, "|")
			go func() {
				if event, err := f.Next(w.Context()); err == nil {
					got <- show(event)
				}
			}()
		}
		synctest.Wait()
		w.memory.count()
		slow := make(chan struct{})
		w.memory.beforeChanges = func() { <-slow }
		w.writeElsewhere(alice, "a", []byte("x"))
		synctest.Wait()
		w.memory.setDown(true)
		close(slow)
		synctest.Wait()
		if c := w.memory.count(); c.changes > 2 {
			w.Errorf("%d readings of a store that is away", c.changes)
		}
		w.memory.setDown(false)
		for range 100 {
			if event := <-got; event != "a:1" {
				w.Errorf("got %s", event)
			}
		}
	})
}

// The memory knows what this instance wrote; who has just come hears of what
// another one wrote before too, and only then that he has caught up.
func TestCaughtUpComesFromTheStore(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 1)
		stays := w.follow(alice, start())
		first := w.next(stays)
		w.expect(stays, "|")
		w.write(alice, "2", []byte("x"))
		w.expect(stays, "2:2")
		w.bus.lose()
		w.writeElsewhere(alice, "3", []byte("x"))
		w.expect(w.follow(alice, &first.Cursor), "2:2", "3:3", "|")
	})
}

// Who comes while another reads is not told what was true before.
func TestAReadingDoesNotAnswerWhoCameLater(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 1)
		stays := w.follow(alice, start())
		cursor := w.next(stays).Cursor
		w.expect(stays, "|")
		w.bus.lose()
		later := make(chan string, 3)
		w.memory.afterChanges = func() { // the page is read, and says that there is nothing
			w.memory.afterChanges = nil
			w.writeElsewhere(alice, "2", []byte("x"))
			f := w.follow(alice, &cursor)
			go func() {
				for range 2 {
					event, err := f.Next(w.Context())
					if err != nil {
						return
					}
					later <- show(event)
				}
			}()
			synctest.Wait() // until it waits for its turn
		}
		w.expect(w.follow(alice, &cursor), "|")
		if got := []string{<-later, <-later}; !slices.Equal(got, []string{"2:2", "|"}) {
			w.Errorf("got %v", got)
		}
	})
}

// A hint of another instance's write is not forgotten over what the memory has.
func TestWhatTheMemoryLacksComesAtOnceToo(t *testing.T) {
	t.Run("after a hint", func(t *testing.T) {
		inBubble(t, func(w *world) {
			f := w.follow(alice, nil)
			w.expect(f, "|")
			w.write(alice, "a", []byte("x"))
			w.writeElsewhere(alice, "b", []byte("x"))
			w.expect(f, "a:1", "b:2")
		})
	})
	t.Run("after a poll", func(t *testing.T) {
		inBubble(t, func(w *world) {
			f := w.follow(alice, nil)
			w.expect(f, "|")
			w.bus.lose()
			w.write(alice, "a", []byte("x"))
			w.writeElsewhere(alice, "b", []byte("x"))
			w.expectAfter(pollInterval, f, "a:1", "b:2")
		})
	})
}

// One commit of this instance overtakes another on its way to the memory, or
// never comes there: nothing is left out or comes twice.
func TestWhatAFollowerGetsIsWhatTheStoreGives(t *testing.T) {
	inBubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(4, 2))
		followers := make([]*follower, 8)
		for i := range followers {
			followers[i] = &follower{Follower: w.follow(alice, start())}
		}
		for range 300 {
			for range random.IntN(20) {
				id, data := fmt.Sprint(random.IntN(9)), []byte(fmt.Sprint(random.Uint64()))
				if random.IntN(4) == 0 && w.exists(alice, id) {
					data = nil
				}
				if random.IntN(3) == 0 {
					w.bus.lose()
				}
				if random.IntN(3) == 0 {
					w.writeElsewhere(alice, id, data)
				} else {
					w.write(alice, id, data)
				}
				w.bus.publish = nil
			}
			if random.IntN(10) == 0 {
				f := followers[random.IntN(len(followers))]
				f.Close()
				f.Follower, f.began = w.follow(alice, &f.cursor), false
			}
			pass(2 * pollInterval)
			for _, f := range followers {
				if random.IntN(3) > 0 {
					f.drain(w)
				}
			}
		}
		for _, f := range followers {
			f.drain(w)
		}
	})
}

// follower compares what it gets with what the store gives.
type follower struct {
	*feed.Follower
	cursor record.Cursor
	began  bool // it has caught up
}

// drain takes all there is. Of the states that it gets, those that are current
// are the store's, in its order; others were so before.
func (f *follower) drain(w *world) {
	w.Helper()
	page, err := w.service.Changes(w.Context(), alice, f.cursor, record.MaxPage)
	if err != nil {
		w.Fatal(err)
	}
	var want, got []string
	current := make(map[record.Revision]bool)
	for i := range page.Records {
		want = append(want, show(feed.Event{Kind: feed.Changed, Record: &page.Records[i]})+string(page.Records[i].Data))
		current[page.Records[i].Revision] = true
	}
	for f.cursor.Position() < page.Head || !f.began {
		event := w.next(f.Follower)
		if event.Cursor.Position() < f.cursor.Position() {
			w.Fatalf("%d after %d", event.Cursor.Position(), f.cursor.Position())
		}
		f.cursor = event.Cursor
		if event.Kind == feed.CaughtUp {
			f.began = true
		} else if current[event.Record.Revision] {
			got = append(got, show(event)+string(event.Record.Data))
		}
	}
	if !slices.Equal(got, want) {
		w.Fatalf("got %v, the store has %v", got, want)
	}
	w.expectNothing(f.Follower, time.Millisecond)
}

func (w *world) exists(owner record.Owner, id string) bool {
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	r, ok := w.memory.of(owner).records[id]
	return ok && !r.Deleted
}

// Whoever reads on after an erasure is told that its cursor is too old, also where
// the memory had what comes after it; whoever begins then finds nothing of before.
func TestWhatWasErasedIsNotRemembered(t *testing.T) {
	inBubble(t, func(w *world) {
		for name, instance := range map[string]*record.Service{"here": w.service, "elsewhere": w.other} {
			owner := record.Owner{0: 2, 32: byte(len(name))}
			idle := w.follow(owner, nil)
			w.expect(idle, "|")
			w.fill(owner, 5)
			first := w.next(idle)
			w.expect(idle, "2:2", "3:3", "4:4", "5:5")
			erasure, _, err := instance.EraseAccount(w.Context(), owner, owner.String(), nil)
			if err != nil {
				w.Fatal(err)
			}
			var tooOld *record.CursorTooOldError
			if _, err := w.try(idle); !errors.As(err, &tooOld) || tooOld.Floor != erasure.Revision {
				w.Errorf("%s: who had read all is told %v", name, err)
			}
			if event, err := w.try(w.follow(owner, &first.Cursor)); !errors.As(err, &tooOld) {
				w.Errorf("%s: who reads on is told %v, %v", name, event, err)
			}
			w.expect(w.follow(owner, start()), "|")
			after := erasure.Cursor()
			going := w.follow(owner, &after)
			w.expect(going, "|")
			w.write(owner, "new", []byte("x"))
			w.expect(going, "new:7")
		}
	})
}

// A page that was read before the erasure, and came after it, is not learnt from.
func TestAReadingFromBeforeAnErasureIsNotRemembered(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 5)
		cursor := record.CursorAt(record.Epoch{1}, 2)
		reads := w.follow(alice, &cursor)
		w.memory.afterChanges = func() {
			w.memory.afterChanges = nil
			if _, _, err := w.service.EraseAccount(w.Context(), alice, alice.String(), nil); err != nil {
				w.Error(err)
			}
		}
		w.expect(reads, "3:3") // it was read before
		exact := record.CursorAt(record.Epoch{1}, 3)
		if event, err := w.try(w.follow(alice, &exact)); err == nil {
			w.Errorf("who comes later got %s", show(event))
		}
		w.expect(reads, "4:4", "5:5", "|")
		if event, err := w.try(reads); err == nil {
			w.Errorf("who read on got %s", show(event))
		}
	})
}
