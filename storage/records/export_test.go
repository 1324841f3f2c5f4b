package records

import (
	"context"

	"syncline/record"
)

// Hold has writes wait, in a store where none is under way, until release is
// called: then they are one batch, or several if they are too many.
func (s *Store) Hold() (release func()) { return s.engine.Pause() }

// Waiting is how many writes wait for a transaction.
func (s *Store) Waiting() int { return s.engine.Waiting() }

// Close refuses the writes that come from now on, and waits for those that came before.
func (s *Store) Close(ctx context.Context) { s.engine.Close(ctx) }

// Submit is Write without the waiting, so that a test knows in which order
// writes came.
func (s *Store) Submit(ctx context.Context, owner record.Owner, request record.Request) (wait func() (record.Result, error)) {
	return s.submit(ctx, owner, request)
}
