package feed_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"syncline/feed"
	"syncline/record"
)

func TestFromNowOn(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 3)
		f := w.follow(alice, nil)
		live := w.next(f)
		if show(live) != "|" || live.Cursor.Position() != 3 {
			w.Errorf("first event %s at %d, want CaughtUp at the head 3", show(live), live.Cursor.Position())
		}
		w.write(alice, "a", []byte("x"))
		w.expect(f, "a:4")
		w.write(alice, "a", nil)
		w.expect(f, "-a:5")
	})
}

func TestFromNowOnBeforeTheFirstWrite(t *testing.T) {
	inBubble(t, func(w *world) {
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.write(alice, "a", []byte("x"))
		w.expect(f, "a:1")
	})
}

func TestReplay(t *testing.T) {
	for since, want := range map[string]string{
		"0": "1:1 3:3 5:5 |",
		"1": "3:3 -2:4 5:5 |",
		"3": "-2:4 5:5 |",
		"4": "5:5 |",
		"5": "|",
	} {
		t.Run("after "+since, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.fill(alice, 3)
				w.write(alice, "2", nil)
				w.write(alice, "5", []byte("x"))
				f := w.follow(alice, parse(w, since))
				w.expect(f, strings.Fields(want)...)
				w.write(alice, "6", []byte("x"))
				w.expect(f, "6:6")
			})
		})
	}
}

func TestReplayOfNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		f := w.follow(alice, start())
		w.expect(f, "|")
		w.write(alice, "a", []byte("x"))
		w.expect(f, "a:1")
	})
}

// What is forgotten for a slow reader is read again, without a hole and no more
// than that.
func TestForget(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 20)
		f := w.follow(alice, start())
		f.Forget()
		for i := 1; i <= 20; i++ {
			w.expect(f, fmt.Sprintf("%d:%d", i, i))
			if i%3 == 0 {
				f.Forget()
				f.Forget()
			}
		}
		w.expect(f, "|")
		f.Forget()
		w.write(alice, "a", []byte("x"))
		w.expect(f, "a:21")
		f.Forget()
		w.expectNothing(f, time.Hour)
	})
}

// Whatever event a client kept last, it goes on right after it.
func TestResumeAfterEachEvent(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 50)
		for _, id := range []string{"2", "30", "50"} {
			w.write(alice, id, nil)
		}
		var events []feed.Event
		f := w.follow(alice, start())
		for len(events) == 0 || events[len(events)-1].Kind != feed.CaughtUp {
			events = append(events, w.next(f))
			if len(events) == 10 { // a walk brings the tombstones of what was deleted meanwhile
				w.write(alice, "1", nil)
				w.write(alice, "49", nil)
			}
		}
		for i, event := range events {
			resumed := w.follow(alice, parse(w, event.Cursor.String()))
			for _, want := range events[i+1:] {
				if got := w.next(resumed); show(got) != show(want) || got.Cursor != want.Cursor {
					w.Fatalf("resumed after %s: got %s, want %s", show(event), show(got), show(want))
				}
			}
			if event.Kind == feed.CaughtUp {
				w.expect(resumed, "|")
			}
			w.expectNothing(resumed, 1)
			resumed.Close()
		}
	})
}

func TestManyPages(t *testing.T) {
	inBubble(t, func(w *world) {
		const n = 5000
		w.fill(alice, n)
		w.memory.count()
		f := w.follow(alice, start())
		for i := 1; i <= n; i++ {
			w.expect(f, fmt.Sprintf("%d:%d", i, i))
		}
		w.expect(f, "|")
		if c := w.memory.count(); c.changes > 12 || c.first > record.MaxPage {
			w.Errorf("%d pages of up to %d for %d small records", c.changes, c.first, n)
		}
	})
}

// Readers that are slow hold a page each, so pages of large records are short.
func TestPagesOfLargeRecordsAreSmall(t *testing.T) {
	inBubble(t, func(w *world) {
		const n = 400
		large := make([]byte, record.MaxDataBytes)
		for i := range n {
			w.write(alice, fmt.Sprint(i), large)
		}
		f := w.follow(alice, start())
		for range n / 2 {
			w.next(f)
		}
		w.memory.count()
		for range n / 2 {
			w.next(f)
		}
		w.expect(f, "|")
		if c := w.memory.count(); c.bytes > 128<<10 {
			w.Errorf("a page held %d bytes", c.bytes)
		}
	})
}

// What is written at any moment between Follow's steps is delivered, without
// waiting for a poll.
func TestNoWriteFallsBetweenReplayAndLive(t *testing.T) {
	t.Run("after the head is read", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.fill(alice, 2)
			w.memory.afterAccount = func() { w.write(alice, "a", []byte("x")) }
			f := w.follow(alice, nil)
			w.expect(f, "|", "a:3")
		})
	})
	t.Run("before each page", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.fill(alice, 2)
			n := 0
			w.memory.beforeChanges = func() {
				if n++; n <= 3 {
					w.write(alice, fmt.Sprint("during ", n), []byte("x"))
				}
			}
			f := w.follow(alice, start())
			w.expect(f, "1:1", "2:2", "during 1:3", "|")
			w.writeElsewhere(alice, "a", []byte("x"))
			w.expect(f, "a:4", "during 2:5")
			w.writeElsewhere(alice, "b", []byte("x"))
			w.expect(f, "b:6", "during 3:7")
			w.expectNothing(f, pollInterval/2)
		})
	})
	t.Run("before the first Next", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.fill(alice, 2)
			f := w.follow(alice, start())
			w.write(alice, "a", []byte("x"))
			w.expect(f, "1:1", "2:2", "a:3", "|")
			w.write(alice, "b", []byte("x"))
			w.expect(f, "b:4")
		})
	})
	t.Run("while a page is handed out", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.fill(alice, 3)
			f := w.follow(alice, start())
			w.expect(f, "1:1")
			w.write(alice, "1", []byte("x"))
			w.write(alice, "2", nil)
			w.expect(f, "2:2", "3:3", "|", "1:4", "-2:5")
		})
	})
}

// When CaughtUp comes, a client may drop what the replay did not bring. A
// record that is rewritten all along must have come by then, in some state.
func TestCaughtUpComesWhenNothingIsMissing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 100)
		present := w.memory.state(alice)
		n := 0
		w.memory.beforeChanges = func() { // the first records run ahead of the reader
			if n++; n <= 20 {
				w.write(alice, "1", []byte(fmt.Sprint(n)))
				w.write(alice, "2", []byte(fmt.Sprint(n)))
			}
		}
		f := w.follow(alice, start())
		for {
			event := w.next(f)
			if event.Kind == feed.CaughtUp {
				break
			}
			delete(present, event.Record.ID)
		}
		if len(present) > 0 {
			w.Errorf("caught up without %v", maps.Collect(maps.All(present)))
		}
	})
}

func TestCursorsThatCannotBeReadFrom(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 5)
		w.write(alice, "1", nil)
		w.memory.purge(alice, 6)
		w.fill(bob, 1)

		_, err := w.try(w.follow(alice, parse(w, "5")))
		if tooOld, ok := errors.AsType[*record.CursorTooOldError](err); !ok || tooOld.Floor != 6 {
			w.Errorf("below the floor: %v, want a CursorTooOldError with floor 6", err)
		}
		_, err = w.try(w.follow(alice, parse(w, "7")))
		if mismatch, ok := errors.AsType[*record.EpochMismatchError](err); !ok || mismatch.RestoredHead != 6 {
			w.Errorf("ahead of the head: %v, want an EpochMismatchError with head 6", err)
		}
		foreign := record.CursorAt(record.Epoch{9}, 6)
		_, err = w.try(w.follow(alice, &foreign))
		if _, ok := errors.AsType[*record.EpochMismatchError](err); !ok {
			w.Errorf("another epoch: %v, want an EpochMismatchError", err)
		}
		w.expect(w.follow(alice, start()), "2:2", "3:3", "4:4", "5:5", "|") // never too old
	})
}

func TestTheFloorOvertakesASlowReader(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 200)
		f := w.follow(alice, parse(w, "1"))
		w.expect(f, "2:2", "3:3")
		w.write(alice, "150", nil)
		w.memory.purge(alice, 201)
		for {
			event, err := w.try(f)
			if err == nil {
				if event.Kind == feed.CaughtUp {
					w.Fatal("the deletion was never told")
				}
				continue
			}
			if tooOld, ok := errors.AsType[*record.CursorTooOldError](err); !ok || tooOld.Floor != 201 {
				w.Fatalf("%v, want a CursorTooOldError with floor 201", err)
			}
			break
		}
	})
}

// A walk from the beginning is too old when the floor passes the head at which
// it began, wherever it stands.
func TestTheFloorOvertakesAWalk(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 200)
		f := w.follow(alice, start())
		w.expect(f, "1:1")
		w.memory.purge(alice, 200) // nothing that the walk needs
		for i := 2; i <= 100; i++ {
			w.expect(f, fmt.Sprintf("%d:%d", i, i))
		}
		w.writeElsewhere(alice, "1", nil) // this instance would remember the tombstone
		w.memory.purge(alice, 201)
		var err error
		for err == nil {
			_, err = w.try(f)
		}
		if _, ok := errors.AsType[*record.CursorTooOldError](err); !ok {
			w.Errorf("%v, want a CursorTooOldError", err)
		}
	})
}
