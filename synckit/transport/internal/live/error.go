package live

import (
	"context"
	stderrors "errors"

	"syncline/synckit/errors"
)

// Ended is the error of a call whose context ended: of code Timeout if time was
// up, else the context's own.
func Ended(ctx context.Context, op string) error {
	if stderrors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New(errors.Timeout, op, context.Cause(ctx))
	}
	return context.Cause(ctx)
}
