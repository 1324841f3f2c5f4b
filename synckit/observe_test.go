package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// watcher writes down what it is told, indented by how deep the steps lie.
type watcher struct {
	mu    sync.Mutex
	lines []string
}

type depthKey struct{}

func (w *watcher) Begin(ctx context.Context, step synckit.Step) (context.Context, func(synckit.Outcome)) {
	depth, _ := ctx.Value(depthKey{}).(int)
	w.note(depth, "%s %s%s %d/%d at %s", step.Name, step.Operation, step.AggregateID, step.Local, step.Remote, step.Peer)
	return context.WithValue(ctx, depthKey{}, depth+1), func(o synckit.Outcome) {
		w.note(depth, "%s: pushed %d, pulled %d, conflicts %d, reviews %d, errors %d, ended by %q",
			step.Name, o.Pushed, o.Pulled, o.Conflicts, o.Reviews, len(o.Errors), errors.CodeOf(o.Err))
	}
}

func (w *watcher) note(depth int, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, strings.Repeat("  ", depth)+fmt.Sprintf(format, args...))
}

func (w *watcher) seen() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := strings.Join(w.lines, "\n")
	w.lines = nil
	return seen
}

func TestAnObserverSeesEachStep(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	w := &watcher{}
	transport := newScripted(hub)
	a := nodeOver(t, transport, synckit.SyncOptions{ConflictResolver: highest, Observer: w, MaxEventBytes: 500})
	b := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	b.write("x", "b1")
	b.write("y", "b2")
	b.sync()
	large := synckit.NewEvent("large", "Changed", "z", strings.Repeat("x", 600), nil)
	if err := a.store.Store(t.Context(), large, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "steps", w.seen(), `sync sync 0/0 at default
  pull  0/0 at default
    decide x 2/1 at default
    decide: pushed 0, pulled 0, conflicts 1, reviews 0, errors 0, ended by ""
  pull: pushed 0, pulled 2, conflicts 1, reviews 0, errors 0, ended by ""
  push  0/0 at default
  push: pushed 3, pulled 0, conflicts 0, reviews 1, errors 1, ended by ""
sync: pushed 3, pulled 2, conflicts 1, reviews 1, errors 1, ended by ""`)

	transport.push = func(context.Context, []synckit.EventWithVersion) error { return stderrors.New("cut") }
	a.write("x", "a3")
	if _, err := a.Push(t.Context()); err == nil {
		t.Fatal("a push over a line that is cut succeeds")
	}
	check(t, "steps of a failure", w.seen(), `sync push 0/0 at default
  push  0/0 at default
  push: pushed 0, pulled 0, conflicts 0, reviews 0, errors 0, ended by "UNAVAILABLE"
sync: pushed 0, pulled 0, conflicts 0, reviews 0, errors 0, ended by "UNAVAILABLE"`)
}

func TestAnObserverSeesWhatIsLeftToAPersonAndWhatItDecides(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	w := &watcher{}
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson, Observer: w})
	b := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1")
	b.write("x", "b1")
	b.sync()
	if _, err := a.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "steps", w.seen(), `sync pull 0/0 at hub
  pull  0/0 at hub
    decide x 1/1 at hub
    decide: pushed 0, pulled 0, conflicts 0, reviews 1, errors 0, ended by ""
  pull: pushed 0, pulled 0, conflicts 0, reviews 1, errors 0, ended by ""
sync: pushed 0, pulled 0, conflicts 0, reviews 1, errors 0, ended by ""`)
	review := a.onlyReview()
	if err := a.Decide(t.Context(), review.ID, review.Remote); err != nil {
		t.Fatal(err)
	}
	check(t, "the decision", w.seen(), `decide x 1/1 at hub
decide: pushed 0, pulled 0, conflicts 0, reviews 0, errors 0, ended by ""`)
}

type faultyObserver struct{ atEnd bool }

func (f faultyObserver) Begin(context.Context, synckit.Step) (context.Context, func(synckit.Outcome)) {
	if !f.atEnd {
		panic("begin")
	}
	return nil, func(synckit.Outcome) { panic("end") }
}

func TestAnObserverThatFailsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	for _, observer := range []synckit.Observer{faultyObserver{}, faultyObserver{atEnd: true}} {
		hub := newHub(t)
		a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest, Observer: observer})
		b := newNode(t, hub, synckit.SyncOptions{})
		a.write("x", "a1")
		b.write("x", "b1")
		b.sync()
		check(t, "pushed", a.sync().EventsPushed, 2)
	}
}
