package synclinetransport

import (
	"context"
	stderrors "errors"
	"strings"

	"syncline/client"
	"syncline/synckit/errors"
)

// failure is the error that a client's is here. Conflicts stay as they are.
func failure(op string, err error) error {
	if stderrors.Is(err, client.ErrConflict) {
		return err
	}
	failed := errors.New(codeOf(err), op, err)
	var e *client.Error
	if !stderrors.As(err, &e) {
		return failed
	}
	failed.Metadata = errors.Metadata{}
	if e.RetryAfter > 0 {
		failed.Metadata[errors.RetryAfter] = e.RetryAfter.String()
	}
	if e.Code == client.ErrCursorTooOld { // what was deleted is forgotten, nothing else is
		failed.Metadata[errors.LogKept] = "true"
	}
	return failed
}

// codeOf is what a client's error means. A quota that is used up passes when the
// owner makes room.
func codeOf(err error) errors.Code {
	if e, ok := stderrors.AsType[*client.Error](err); ok && e.Erased {
		return errors.Erased
	}
	for code, causes := range map[errors.Code][]error{
		errors.Unauthenticated: {client.ErrUnauthenticated, client.ErrSignatureExpired, client.ErrNonceReused, client.ErrForbidden},
		errors.CursorLost:      {client.ErrCursorTooOld, client.ErrEpochMismatch},
		errors.Unavailable:     {client.ErrUnavailable, client.ErrRateLimited, client.ErrQuotaExceeded, client.ErrUnreachable},
		errors.Unsupported:     {client.ErrProtocol},
		errors.Refused:         {client.ErrMutationIDReused, client.ErrFenced},
	} {
		for _, cause := range causes {
			if stderrors.Is(err, cause) {
				return code
			}
		}
	}
	switch {
	case isBadInput(err, "since"):
		return errors.InvalidVersion
	case isBadInput(err, ""): // what the client was made with, such as its name
		return errors.InvalidOptions
	case stderrors.Is(err, context.DeadlineExceeded):
		return errors.Timeout
	default:
		return errors.Internal
	}
}

// isBadInput tells whether the service finds fault with a field, or with one of
// those in it.
func isBadInput(err error, field string) bool {
	e, ok := stderrors.AsType[*client.Error](err)
	return ok && e.Code == client.ErrBadUserInput && strings.HasPrefix(e.Field, field)
}
