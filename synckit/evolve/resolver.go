package evolve

import (
	"context"

	"syncline/synckit"
)

// Resolver has a resolver see events in the present shape only. What it keeps of them is
// kept as it was written. A conflict with an event of a newer release is left to a
// person, or to a node that was brought up to date.
func (s *Shapes) Resolver(inner synckit.ConflictResolver) synckit.ConflictResolver {
	return resolver{s, inner}
}

type resolver struct {
	shapes *Shapes
	inner  synckit.ConflictResolver
}

var _ synckit.StoreResolver = resolver{}

// ForStore implements synckit.StoreResolver: what inner reads of the store is lifted as well.
func (r resolver) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	if inner, ok := r.inner.(synckit.StoreResolver); ok {
		r.inner = inner.ForStore(liftedStore{store, r.shapes})
	}
	return r
}

// Resolve implements synckit.ConflictResolver.
func (r resolver) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	written := map[string]synckit.EventWithVersion{}
	var sides [2][]synckit.EventWithVersion
	for i, side := range [][]synckit.EventWithVersion{local, remote} {
		for _, e := range side {
			written[e.Event.ID()] = e
		}
		known, newer, err := r.shapes.LiftAll(side)
		if err != nil {
			return nil, err
		}
		if len(newer) > 0 {
			return nil, synckit.ErrReview
		}
		sides[i] = known
	}
	kept, err := r.inner.Resolve(ctx, sides[0], sides[1])
	if err != nil {
		return nil, err
	}
	answer := make([]synckit.EventWithVersion, len(kept))
	for i, e := range kept {
		answer[i] = e
		if e.Event == nil {
			continue
		}
		if as, is := written[e.Event.ID()]; is {
			answer[i] = as
		}
	}
	return answer, nil
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
