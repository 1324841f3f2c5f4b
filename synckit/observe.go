package synckit

import (
	"context"

	"syncline/synckit/errors"
)

// Observer watches what a manager does while it does it: otelsync draws spans with it. The
// manager waits for it. One that panics is told of no end of that step, and the log
// is told. It is safe for concurrent use.
type Observer interface {
	// Begin is told that a step begins. The step runs in the context that it gives, which
	// is the given one or made of it; end is called once when the step has ended. A nil
	// end is not called.
	Begin(ctx context.Context, step Step) (_ context.Context, end func(Outcome))
}

// StepName says what a step is.
type StepName string

// The steps. A sync has a pull and a push in it; a pull has a decision for each conflict.
// One that is decided again, for the app wrote to its aggregate meanwhile, has
// several. Decide, by which a person answers, is a decision by itself.
const (
	StepSync   StepName = "sync" // Sync, Push or Pull as a whole
	StepPull   StepName = "pull"
	StepDecide StepName = "decide"
	StepPush   StepName = "push"
)

// Step is what an Observer is told of when it begins.
type Step struct {
	Name StepName
	Peer string
	// Operation is what the app called, of StepSync: "sync", "push" or "pull".
	Operation string
	// AggregateID is of StepDecide, and so are Local and Remote: how many events each side
	// has.
	AggregateID   string
	Local, Remote int
}

// Outcome is what became of a step.
type Outcome struct {
	// Pushed and Pulled count events, Conflicts those that were resolved, Reviews those that
	// were left to a person, as SyncResult does. A decision has Conflicts or Reviews; what
	// it came to may still be tried again.
	Pushed, Pulled, Conflicts, Reviews int
	// Errors went wrong without ending the step.
	Errors []error
	// Err ended it; nil: it was done.
	Err error
}

// step runs a step of a sync under the eyes of the observer.
func (m *Manager) step(ctx context.Context, step Step, r *SyncResult, f func(context.Context) error) error {
	if m.options.Observer == nil {
		return f(ctx)
	}
	before := *r
	ctx, end := m.begin(ctx, step)
	err := f(ctx)
	end(Outcome{
		Pushed: r.EventsPushed - before.EventsPushed, Pulled: r.EventsPulled - before.EventsPulled,
		Conflicts: r.ConflictsResolved - before.ConflictsResolved, Reviews: r.ReviewsAdded - before.ReviewsAdded,
		Errors: r.Errors[len(before.Errors):], Err: err,
	})
	return err
}

// begin tells the observer of a step. What it gives is never nil.
func (m *Manager) begin(ctx context.Context, step Step) (_ context.Context, end func(Outcome)) {
	step.Peer = m.options.Peer
	inside, ended := ctx, func(Outcome) {}
	m.observe(func(o Observer) {
		within, done := o.Begin(ctx, step)
		if within != nil {
			inside = within
		}
		if done != nil {
			ended = func(outcome Outcome) { m.observe(func(Observer) { done(outcome) }) }
		}
	})
	return inside, ended
}

// tell tells the observer of decisions that are committed.
func (m *Manager) tell(ctx context.Context, decisions []Decision) {
	observer, ok := m.options.Observer.(DecisionObserver)
	if !ok {
		return
	}
	for _, d := range decisions {
		m.observe(func(Observer) { observer.Decided(ctx, d) })
	}
}

func (m *Manager) observe(tell func(Observer)) {
	if m.options.Observer == nil {
		return
	}
	err := guard("observe", errors.Internal, func() error { tell(m.options.Observer); return nil })
	if err != nil {
		m.options.Logger.Error("an observer of syncs failed", "error", err)
	}
}
