package records

import (
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
