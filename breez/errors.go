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

// What calls end with, in figures and in the log, beside the codes of the API's errors.
const (
	outcomeOK = "ok"
	// outcomeHeld is of a lock that another holds: over GraphQL it is no error.
	outcomeHeld = "HELD"
	// outcomeEnded is of a stream that was to end, or whose client left.
	outcomeEnded = "ended"
	// outcomeCanceled is of a call that its client gave up, or to which it gave less time than it took.
	outcomeCanceled = "canceled"

	codeBadUserInput  = string(auth.CodeBadUserInput)
	codeUnavailable   = string(auth.CodeUnavailable)
	codeQuotaExceeded = "QUOTA_EXCEEDED"
	codeUnknownOwner  = "UNKNOWN_OWNER"
	codeInternal      = "INTERNAL"
)

// failure is how a call fails: what its client is told, and what it counts as.
type failure struct {
	told    *connect.Error
	outcome string
}

func (f *failure) Error() string { return f.told.Error() }

func (f *failure) Unwrap() error { return f.told }

func failed(code connect.Code, outcome, message string) *failure {
	return &failure{connect.NewError(code, errors.New(message)), outcome}
}

func invalid(format string, args ...any) error {
	return failed(connect.CodeInvalidArgument, codeBadUserInput, fmt.Sprintf(format, args...))
}

// fail notes how a call failed, and is the error as its client sees it. What clients must
// not see goes to the log.
func (s *Service) fail(ctx context.Context, err error) error {
	f := describe(err)
	c := callOf(ctx)
	c.outcome = f.outcome
	if _, own := errors.AsType[*failure](err); !own && (f.outcome == codeInternal || f.outcome == codeUnavailable) {
		s.Log.WarnContext(ctx, "a call failed", "call", c.name, "error", err)
	}
	return f.told
}

// describe is the one map from errors to what clients are told and what calls count as.
func describe(err error) *failure {
	if own, ok := errors.AsType[*failure](err); ok {
		return own
	}
	if refusal, ok := errors.AsType[*auth.Error](err); ok {
		return failed(codeOf(refusal), string(refusal.Code), refusal.Message)
	}
	if bad, ok := errors.AsType[*input.Error](err); ok {
		return failed(connect.CodeInvalidArgument, codeBadUserInput, bad.Error())
	}
	if full, ok := errors.AsType[*record.QuotaExceededError](err); ok {
		return failed(connect.CodeResourceExhausted, codeQuotaExceeded, full.Error())
	}
	switch {
	case errors.Is(err, record.ErrUnknownOwner):
		return failed(connect.CodePermissionDenied, codeUnknownOwner, record.ErrUnknownOwner.Error())
	case isUnavailable(err): // whatever it was that took too long inside
		return failed(connect.CodeUnavailable, codeUnavailable, "the server cannot answer now: try again")
	case errors.Is(err, context.Canceled):
		return failed(connect.CodeCanceled, outcomeCanceled, "the call was given up")
	case errors.Is(err, context.DeadlineExceeded): // which the client had set
		return failed(connect.CodeDeadlineExceeded, outcomeCanceled, "the call took too long")
	}
	return failed(connect.CodeInternal, codeInternal, "internal error")
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
