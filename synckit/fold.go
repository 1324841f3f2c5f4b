package synckit

import "fmt"

// Fold makes state of events, such as Manager.Effective gives: it applies one after
// the other to a state. It stops at the first error, which names the event.
func Fold[S any](events []EventWithVersion, state S, apply func(state S, e Event) (S, error)) (S, error) {
	for _, e := range events {
		next, err := apply(state, e.Event)
		if err != nil {
			return state, fmt.Errorf("synckit: fold event %.80q: %w", e.Event.ID(), err)
		}
		state = next
	}
	return state, nil
}
