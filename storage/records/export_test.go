package records

import (
	"context"

	"syncline/record"
)

// Hold has writes wait, in a store where none is under way, until release is
// called: then they are one batch, or several if they are too many.
func (s *Store) Hold() (release func()) { return s.engine.Pause() }

// Submit is Write without the waiting, so that a test knows in which order
// writes came.
func (s *Store) Submit(ctx context.Context, owner record.Owner, request record.Request) (wait func() (record.Result, error)) {
	return s.submit(ctx, owner, request)
}
