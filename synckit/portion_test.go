package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// line is a transport over a slow line. It notes how many events each call was
// about.
type line struct {
	*scripted
	perEvent      time.Duration
	pulls, pushes []int
}

func newLine(hub synckit.EventStore, perEvent time.Duration) *line {
	l := &line{scripted: newScripted(hub), perEvent: perEvent}
	l.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		l.pulls = append(l.pulls, limit)
		page, err := l.PagedTransport.PullPage(ctx, since, limit)
		if err == nil {
			err = l.carry(ctx, len(page.Events))
		}
		return page, err
	}
	l.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		l.pushes = append(l.pushes, len(events))
		if err := l.carry(ctx, len(events)); err != nil {
			return err
		}
		return l.PagedTransport.Push(ctx, events)
	}
	return l
}

func (l *line) carry(ctx context.Context, events int) error {
	select {
	case <-time.After(time.Duration(events) * l.perEvent):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func numbered(t *testing.T, prefix string, n int, store func(synckit.Event) error) {
	t.Helper()
	for i := range n {
		if err := store(newEvent(fmt.Sprintf("%s%03d", prefix, i), "x")); err != nil {
			t.Fatal(err)
		}
	}
}

// What is too much for the line at once is not asked for, and not sent, again and
// again: it goes in smaller portions, which grow again with the line.
func TestPortionsFitTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events   int
		perEvent time.Duration
		portions []int // of each call until all is through
	}{
		"quick":     {250, 10 * time.Millisecond, []int{100, 100, 100}},
		"slow":      {40, 2 * time.Second, []int{100, 50, 25, 12, 12, 12, 12}},
		"very slow": {3, 20 * time.Second, []int{100, 50, 25, 12, 6, 3, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hub := newHub(t)
				l := newLine(hub, c.perEvent)
				a := nodeOver(t, l, synckit.SyncOptions{})
				numbered(t, "h", c.events, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
				through(t, a.Pull)
				check(t, "limits of the pulls", l.pulls, c.portions)
				for range 2 { // what comes later is no more than the line carries, either
					a.sync()
					check(t, "limit when idle", l.pulls[len(l.pulls)-1], c.portions[len(c.portions)-1])
				}
				if events, err := a.store.Load(t.Context(), nil); err != nil || len(events) != c.events {
					t.Errorf("%d events, %v", len(events), err)
				}
			})
		})
	}
}

// through calls until all is through: only time may run out before.
func through(t *testing.T, call func(context.Context) (*synckit.SyncResult, error)) {
	t.Helper()
	for range 10 {
		_, err := call(t.Context())
		if err == nil {
			return
		}
		checkCode(t, err, errors.Timeout)
	}
	t.Fatal("it is tried for ever")
}

func TestPushesFitTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		l := newLine(hub, 2*time.Second)
		a := nodeOver(t, l, synckit.SyncOptions{})
		numbered(t, "a", 40, func(e synckit.Event) error { return a.store.Store(t.Context(), e, nil) })
		through(t, a.Push)
		check(t, "pushes", l.pushes, []int{40, 40, 25, 12, 12, 12, 4})
		check(t, "hub", logOf(t, hub), a.log())
	})
}

func TestPortionsGrowWithTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		l := newLine(hub, 40*time.Second)
		a := nodeOver(t, l, synckit.SyncOptions{})
		numbered(t, "h", 300, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
		for range 9 {
			_, err := a.Pull(t.Context())
			checkCode(t, err, errors.Timeout)
		}
		l.perEvent, l.pulls = time.Millisecond, nil
		a.sync()
		check(t, "limits", l.pulls, []int{1, 2, 4, 8, 16, 32, 64, 100, 100})
		numbered(t, "a", 300, func(e synckit.Event) error { return a.store.Store(t.Context(), e, nil) })
		a.sync()
		check(t, "pushes", l.pushes, []int{100, 100, 100})
	})
}

// A line that breaks again and again carries less at once, too. A peer that
// refuses to talk says nothing about the line.
func TestPortionsOnALineThatBreaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(newHub(t), 0)
		var lives time.Duration
		var limits []int
		l.pullPage = func(_ context.Context, _ string, limit int) (synckit.Page, error) {
			limits = append(limits, limit)
			<-time.After(lives)
			return synckit.Page{}, stderrors.New("unexpected EOF")
		}
		a := nodeOver(t, l, synckit.SyncOptions{})
		for _, lives = range []time.Duration{0, 0, 20 * time.Second, 20 * time.Second, 0} {
			_, err := a.Pull(t.Context())
			checkCode(t, err, errors.Unavailable)
		}
		check(t, "limits", limits, []int{100, 100, 100, 50, 25})
	})
}
