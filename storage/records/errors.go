package records

import (
	"context"
	"errors"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/failure"
)

// unavailable turns an error into an *record.UnavailableError if the database is
// at fault. Other errors pass.
func unavailable(err error) error {
	f, ok := errors.AsType[*commit.Failure](failure.Of(err))
	if !ok {
		return err
	}
	return &record.UnavailableError{RetryAfter: f.RetryAfter, OutcomeUnknown: f.Outcome == commit.Unknown, Err: err}
}

// notCarriedOut is what became of a unit of work that failed. If its client left
// while it waited, the error is that of ctx: the database is not at fault.
func notCarriedOut(ctx context.Context, err error) error {
	if _, failed := errors.AsType[*commit.Failure](err); !failed && ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}
