package breez

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"syncline/auth"
	"syncline/internal/budget"
	"syncline/internal/input"
	"syncline/locks"
	"syncline/pubsub"
	"syncline/record"
)

func invalid(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}

// fail is an error as the client sees it. What clients must not see goes to the log.
func (s *Service) fail(ctx context.Context, err error) error {
	failure := asConnect(err)
	c := callOf(ctx)
	c.outcome = failure.Code().String()
	if failure.Code() == connect.CodeInternal || failure.Code() == connect.CodeUnavailable && !errors.Is(err, failure) {
		s.Log.WarnContext(ctx, "a call failed", "call", c.name, "error", err)
	}
	return failure
}

// asConnect gives an error its status.
func asConnect(err error) *connect.Error {
	if told, ok := errors.AsType[*connect.Error](err); ok {
		return told
	}
	if refusal, ok := errors.AsType[*auth.Error](err); ok {
		return connect.NewError(codeOf(refusal), errors.New(refusal.Message))
	}
	if bad, ok := errors.AsType[*input.Error](err); ok {
		return connect.NewError(connect.CodeInvalidArgument, bad)
	}
	if full, ok := errors.AsType[*record.QuotaExceededError](err); ok {
		return connect.NewError(connect.CodeResourceExhausted, full)
	}
	switch {
	case errors.Is(err, record.ErrUnknownOwner):
		return connect.NewError(connect.CodePermissionDenied, record.ErrUnknownOwner)
	case isUnavailable(err): // whatever it was that took too long inside
		return connect.NewError(connect.CodeUnavailable, errors.New("the server cannot answer now: try again"))
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the call was given up"))
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the call took too long"))
	}
	return connect.NewError(connect.CodeInternal, errors.New("internal error"))
}

func isUnavailable(err error) bool {
	_, ofRecords := errors.AsType[*record.UnavailableError](err)
	_, ofLocks := errors.AsType[*locks.UnavailableError](err)
	return ofRecords || ofLocks || errors.Is(err, budget.ErrFull) || errors.Is(err, pubsub.ErrClosed)
}

func codeOf(refusal *auth.Error) connect.Code {
	switch refusal.Code {
	case auth.CodeForbidden:
		return connect.CodePermissionDenied
	case auth.CodeRateLimited:
		return connect.CodeResourceExhausted
	case auth.CodeUnavailable:
		return connect.CodeUnavailable
	case auth.CodeBadUserInput:
		if refusal.Status == http.StatusRequestEntityTooLarge {
			return connect.CodeResourceExhausted
		}
		return connect.CodeInvalidArgument
	default:
		return connect.CodeUnauthenticated
	}
}
