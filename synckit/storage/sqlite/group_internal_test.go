package sqlite

import (
	"context"
	stderrors "errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// held is a store that writes nothing yet, so that commits wait.
type held struct {
	*Store
	release func()
}

func hold(t *testing.T) held {
	t.Helper()
	s, err := NewWithDataSource("file:" + filepath.Join(t.TempDir(), "events.db") + "?_pragma=max_page_count(60)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Store(t.Context(), event("there", 0), nil); err != nil {
		t.Fatal(err)
	}
	s.queue.leaders.Wait()
	s.queue.leading = true // as if somebody were writing
	s.queue.leaders.Add(1)
	return held{s, func() {
		go func() {
			defer s.queue.leaders.Done()
			s.lead()
		}()
	}}
}

// until waits for a state of the queue.
func (h held) until(t *testing.T, is func(q *queue) bool) {
	t.Helper()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		h.queue.mu.Lock()
		reached := is(&h.queue)
		h.queue.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-ticks.C:
		case <-t.Context().Done():
			t.Fatal("the queue never got there")
		}
	}
}

func event(id string, data any) synckit.Event { return synckit.NewEvent(id, "T", "x", data, nil) }

// start stores each event at once; they come to wait together.
func (h held) start(t *testing.T, ctx context.Context, events ...synckit.Event) map[string]chan error {
	t.Helper()
	results := map[string]chan error{}
	for i, e := range events {
		result := make(chan error, 1)
		results[e.ID()] = result
		go func() { result <- h.Store.Store(ctx, e, nil) }()
		h.until(t, func(q *queue) bool { return len(q.waiting) == i+1 })
	}
	return results
}

func (h held) ids(t *testing.T) string {
	t.Helper()
	events, err := h.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = fmt.Sprint(e.Event.ID(), "@", synckit.ClockOf(e.Event))
	}
	return strings.Join(all, " ")
}

func TestARefusedCommitLeavesItsGroupAlone(t *testing.T) {
	t.Parallel()
	h := hold(t)
	results := h.start(t, t.Context(), event("a", 1), event("there", "another"), event("b", 1))
	h.release()
	for id, result := range results {
		if err := <-result; (id == "there") != (errors.CodeOf(err) == errors.EventIDReused) || id != "there" && err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if got := h.ids(t); got != "there@1 a@2 b@3" {
		t.Errorf("stored %s", got)
	}
}

// TestACommitThatFailsLeavesItsGroupAlone has one that is too large for the disk,
// which undoes the whole transaction.
func TestACommitThatFailsLeavesItsGroupAlone(t *testing.T) {
	t.Parallel()
	h := hold(t)
	changed := h.Changed()
	results := h.start(t, t.Context(), event("a", 1), event("big", strings.Repeat("b", 1<<20)), event("b", 1))
	h.release()
	for id, result := range results {
		if err := <-result; (id == "big") != (errors.CodeOf(err) == errors.StorageFailed) || id != "big" && err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if got := h.ids(t); got != "there@1 a@2 b@3" {
		t.Errorf("stored %s", got)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was woken")
	}
}

func TestWhoNoLongerWaitsIsNotWritten(t *testing.T) {
	t.Parallel()
	h := hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	results := h.start(t, ctx, event("gone", 1))
	cancel()
	if err := <-results["gone"]; !stderrors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	h.release()
	if err := h.Store.Store(t.Context(), event("next", 1), nil); err != nil {
		t.Error(err)
	}
	if got := h.ids(t); got != "there@1 next@2" {
		t.Errorf("stored %s", got)
	}
}

// TestCloseWaitsForCommits lets those that came before it end well.
func TestCloseWaitsForCommits(t *testing.T) {
	t.Parallel()
	h := hold(t)
	results := h.start(t, t.Context(), event("a", 1))
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	h.until(t, func(q *queue) bool { return q.closed })
	if err := h.Store.Store(t.Context(), event("late", 1), nil); errors.CodeOf(err) != errors.Closed {
		t.Errorf("got %v", err)
	}
	h.release()
	for what, result := range map[string]chan error{"a": results["a"], "close": closed} {
		if err := <-result; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
