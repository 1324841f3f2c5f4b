package evolve

import (
	"context"
	"fmt"

	"syncline/synckit"
)

// Resolver has a resolver see events in the present shape only. What it keeps of them is
// kept as it was written. An event that it makes has the present shape, too: one without a
// version gets that of NewEvent, and "@" and the version behind its ID. A conflict with
// an event of a newer release is left to a person, or to a node that was brought up to date.
func (s *Shapes) Resolver(inner synckit.ConflictResolver) synckit.ConflictResolver {
	return resolver{s, inner}
}

type resolver struct {
	shapes *Shapes
	inner  synckit.ConflictResolver
}

var (
	_ synckit.StoreResolver      = resolver{}
	_ synckit.ExplainingResolver = resolver{}
)

// ForStore implements synckit.StoreResolver: what inner reads of the store is lifted as well.
func (r resolver) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	if inner, ok := r.inner.(synckit.StoreResolver); ok {
		r.inner = inner.ForStore(liftedStore{store, r.shapes})
	}
	return r
}

// Resolve implements synckit.ConflictResolver.
func (r resolver) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	kept, _, err := r.Explain(ctx, local, remote)
	return kept, err
}

// Explain implements synckit.ExplainingResolver: what inner says.
func (r resolver) Explain(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, synckit.Reason, error) {
	written := map[string]synckit.EventWithVersion{}
	var sides [2][]synckit.EventWithVersion
	for i, side := range [][]synckit.EventWithVersion{local, remote} {
		for _, e := range side {
			written[e.Event.ID()] = e
		}
		known, newer, err := r.shapes.LiftAll(side)
		if err != nil {
			return nil, synckit.Reason{}, err
		}
		if len(newer) > 0 {
			return nil, synckit.Reason{Why: "an event of a newer release"}, synckit.ErrReview
		}
		sides[i] = known
	}
	kept, reason, err := synckit.ResolveExplained(ctx, r.inner, sides[0], sides[1])
	if err != nil {
		return nil, reason, err
	}
	answer := make([]synckit.EventWithVersion, len(kept))
	for i, e := range kept {
		if e.Event == nil {
			answer[i] = e
		} else if as, is := written[e.Event.ID()]; is {
			answer[i] = as
		} else {
			answer[i] = synckit.EventWithVersion{Event: r.shapes.made(e.Event), Version: e.Version}
		}
	}
	return answer, reason, nil
}

// made gives what a resolver made of lifted events the version of their shape. A node that
// lifts nothing may make the same event without one, so its ID is another.
func (s *Shapes) made(e synckit.Event) synckit.Event {
	newest := s.newest[e.Type()]
	if newest == 0 || ShapeOf(e).Version > 0 {
		return e
	}
	return s.NewEvent(fmt.Sprintf("%s@%d", e.ID(), newest), e.Type(), e.AggregateID(), e.Data(), e.Metadata())
}

// liftedStore reads events in their present shape.
type liftedStore struct {
	synckit.EventStore
	shapes *Shapes
}

func (s liftedStore) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.lift(s.EventStore.Load(ctx, since))
}

func (s liftedStore) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.lift(s.EventStore.LoadByAggregate(ctx, aggregateID, since))
}

func (s liftedStore) lift(events []synckit.EventWithVersion, err error) ([]synckit.EventWithVersion, error) {
	if err != nil {
		return nil, err
	}
	known, newer, err := s.shapes.LiftAll(events)
	return append(known, newer...), err
}
