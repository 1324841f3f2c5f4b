package live_test

import (
	"context"
	stderrors "errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
)

// script is a source that answers as it is told.
type script struct {
	steps  []step
	asked  []string
	limits []int
	times  []time.Time
}

type step struct {
	page  synckit.Page
	err   error
	takes time.Duration
}

func (s *script) next(asked string) (synckit.Page, error) {
	s.asked, s.times = append(s.asked, asked), append(s.times, time.Now())
	if len(s.steps) == 0 {
		return synckit.Page{}, errEnd
	}
	one := s.steps[0]
	s.steps = s.steps[1:]
	<-time.After(one.takes)
	return one.page, one.err
}

func (s *script) End(context.Context) (string, error) {
	page, err := s.next("end")
	return page.Cursor, err
}

func (s *script) Next(_ context.Context, cursor string, limit int) (synckit.Page, error) {
	s.limits = append(s.limits, limit)
	return s.next(cursor)
}

var (
	errEnd      = errors.New(errors.Unsupported, "test", nil)
	errGone     = errors.New(errors.Unavailable, "test", nil)
	errLost     = errors.New(errors.CursorLost, "test", nil)
	errBusy     = errors.New(errors.Unavailable, "test", nil, errors.Metadata{errors.RetryAfter: "20s"})
	errBoundary = errors.New(errors.Unavailable, "test", nil, errors.Metadata{errors.RetryAfter: "1000h"})
)

func page(cursor string, ids ...string) step {
	p := synckit.Page{Cursor: cursor}
	for _, id := range ids {
		p.Events = append(p.Events, synckit.EventWithVersion{Event: synckit.NewEvent(id, "", "", nil, nil)})
	}
	return step{page: p}
}

// follow runs a script to its end, and tells how many events each call brought.
func follow(t *testing.T, s *script) (calls []int) {
	t.Helper()
	err := live.Follow(t.Context(), s, func(events []synckit.EventWithVersion) error {
		calls = append(calls, len(events))
		return nil
	})
	if !stderrors.Is(err, errEnd) {
		t.Errorf("%v", err)
	}
	return calls
}

func TestItGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{page("1"), page("2", "a"), page("2"), {err: errGone}, {err: errGone}, page("4", "b", "c"), page("4")}}
		if calls := follow(t, s); !slices.Equal(calls, []int{0, 1, 2}) {
			t.Errorf("calls with %v events", calls)
		}
		if want := []string{"end", "1", "2", "2", "2", "2", "4", "4"}; !slices.Equal(s.asked, want) {
			t.Errorf("asked for %q, want %q", s.asked, want)
		}
	})
}

// A page that the line does not carry is not asked for again as it was.
func TestFailuresMakePagesSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := func(cursor string, n int) step { return page(cursor, make([]string, n)...) }
		s := &script{steps: []step{
			page("1"), {err: errGone}, {err: errGone}, page("2", "a"), full("3", 25), full("4", 50), page("5"),
		}}
		follow(t, s)
		if want := []int{100, 50, 25, 25, 50, 100, 100}; !slices.Equal(s.limits, want) {
			t.Errorf("asked for up to %v events, want %v", s.limits, want)
		}
		s = &script{steps: append([]step{page("1")}, slices.Repeat([]step{{err: errGone}}, 20)...)}
		follow(t, s)
		if last := s.limits[len(s.limits)-1]; last != 1 {
			t.Errorf("asked for up to %d events after many failures", last)
		}
	})
}

func TestAClientThatComesBackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{err: errGone}, page("1"), {err: errGone}, page("1")}}
		if calls := follow(t, s); !slices.Equal(calls, []int{0, 0}) {
			t.Errorf("calls with %v events", calls)
		}
	})
}

func TestALostCursorBeginsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{page("1"), {err: errLost}, page("9")}}
		if calls := follow(t, s); !slices.Equal(calls, []int{0, 0}) {
			t.Errorf("calls with %v events", calls)
		}
		if want := []string{"end", "1", "end", "9"}; !slices.Equal(s.asked, want) {
			t.Errorf("asked for %q, want %q", s.asked, want)
		}
	})
}

func TestPausesGrowAndAreAsLongAsThePeerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := slices.Repeat([]step{{err: errGone}}, 20)
		s := &script{steps: append(steps, step{err: errBusy}, step{err: errBoundary})}
		follow(t, s)
		pause := func(i int) time.Duration { return s.times[i+1].Sub(s.times[i]) }
		if first := pause(0); first < 50*time.Millisecond || first > 100*time.Millisecond {
			t.Errorf("first pause %v", first)
		}
		if last := pause(19); last < 5*time.Second || last > 10*time.Second {
			t.Errorf("last pause %v", last)
		}
		if busy := pause(20); busy < 20*time.Second || busy > 30*time.Second {
			t.Errorf("asked to wait 20 s, waited %v", busy)
		}
		if longest := pause(21); longest > 90*time.Second {
			t.Errorf("waited %v because the peer said so", longest)
		}
	})
}

// A connection that breaks right after its first message is not made again for ever at the
// shortest interval; one that has stood for a while, or has brought events, is.
func TestPausesGrowUntilAConnectionStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short := []step{page("1"), {err: errGone}}
		s := &script{steps: append(slices.Repeat(short, 20),
			page("1"), step{page: synckit.Page{Cursor: "1"}, takes: time.Minute}, step{err: errGone}, page("1"))}
		follow(t, s)
		pause := func(i int) time.Duration { return s.times[i+1].Sub(s.times[i]) }
		if last := pause(39); last < 5*time.Second {
			t.Errorf("after the 20th short connection it waits %v", last)
		}
		if last := pause(42); last > 100*time.Millisecond {
			t.Errorf("after a connection of a minute it waits %v", last)
		}
	})
}

func TestItEndsWithItsContextWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		err := live.Follow(ctx, &script{steps: []step{{err: errGone}}}, nil)
		if !stderrors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestALifetimeEndsWhatIsBoundToIt(t *testing.T) {
	t.Parallel()
	l := live.NewLifetime()
	ctx, release := l.Bind(t.Context())
	defer release()
	if l.Err() != nil || ctx.Err() != nil {
		t.Error("it has ended")
	}
	l.Close()
	l.Close()
	<-ctx.Done()
	if errors.CodeOf(context.Cause(ctx)) != errors.Closed || errors.CodeOf(l.Err()) != errors.Closed {
		t.Errorf("%v, %v", context.Cause(ctx), l.Err())
	}
}

func TestEndedTellsWhy(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	if err := live.Ended(late, "test"); errors.CodeOf(err) != errors.Timeout || !stderrors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := live.Ended(ended, "test"); !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
