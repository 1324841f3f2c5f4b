// Package errors has the errors of synckit: each with a code that programs act
// on, the operation that failed, and what it concerned.
package errors

import (
	"errors"
	"fmt"
	"time"
)

// Code tells kinds of errors apart. Codes are stable.
type Code string

// The codes. Those of Retryable may pass by themselves.
const (
	InvalidEvent    Code = "INVALID_EVENT"   // the event cannot be stored or sent as it is
	InvalidOptions  Code = "INVALID_OPTIONS" // the options contradict themselves or are out of range
	InvalidVersion  Code = "INVALID_VERSION" // a version or cursor that cannot be read
	EventIDReused   Code = "EVENT_ID_REUSED" // the ID is taken by an event with other content
	CursorLost      Code = "CURSOR_LOST"     // the peer's log is not the one that the cursor was made for
	Erased          Code = "ERASED"          // the owner of the peer's log erased all that was in it
	NotFound        Code = "NOT_FOUND"       // what was named is not there (any more)
	Outdated        Code = "OUTDATED"        // something newer came in between; read again and retry
	ConflictFailed  Code = "CONFLICT_FAILED" // the resolver failed, or gave events that it must not give
	TooLarge        Code = "TOO_LARGE"       // a size is above its limit
	Refused         Code = "REFUSED"         // the peer will never take it as it is
	Unauthenticated Code = "UNAUTHENTICATED" // the peer does not accept who asks
	Unsupported     Code = "UNSUPPORTED"     // the peer or the content is of a kind that is not understood
	StorageFailed   Code = "STORAGE_FAILED"  // the local store failed
	Unavailable     Code = "UNAVAILABLE"     // the peer cannot be reached, or not now
	Timeout         Code = "TIMEOUT"         // it took longer than it may
	Closed          Code = "CLOSED"          // it was closed
	Internal        Code = "INTERNAL"        // a fault in this library or at the peer
)

// Retryable tells whether the same call may succeed later without anything
// being mended.
func (c Code) Retryable() bool {
	switch c {
	case Unavailable, Timeout, StorageFailed, Outdated, Internal:
		return true
	default:
		return false
	}
}

// Metadata is what an error concerned, such as "event" or "peer".
type Metadata map[string]string

// RetryAfter is the name in an error's metadata of how long the peer asks to wait,
// as time.ParseDuration reads it.
const RetryAfter = "retry_after"

// LogKept is the name in the metadata of an error of code CursorLost that says, by any value, that
// the peer's log is still the one that the cursor was made for: it is too old to go on from there.
const LogKept = "log_kept"

// Error is an error with a code.
type Error struct {
	Code     Code
	Op       string   // what was being done, such as "pull"
	Err      error    // the cause; may be nil
	Metadata Metadata // may be nil
}

// New makes an Error. metadata may be left out.
func New(code Code, op string, cause error, metadata ...Metadata) *Error {
	e := &Error{Code: code, Op: op, Err: cause}
	if len(metadata) > 0 {
		e.Metadata = metadata[0]
	}
	return e
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("synckit: %s: %s", e.Op, e.Code)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is tells that two errors have the same code, so that errors.Is(err,
// &Error{Code: c}) asks for a code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Err == nil && t.Op == ""
}

// CodeOf is the code of the first Error in a chain; empty if there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// IsRetryable tells whether the same call may succeed later. Errors that are
// not of this package count as retryable: nothing says that they are final.
func IsRetryable(err error) bool {
	code := CodeOf(err)
	return err != nil && (code == "" || code.Retryable())
}

// RetryAfterOf is how long the peer asks to wait before the same call; 0: it does
// not say.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	asked, _ := time.ParseDuration(e.Metadata[RetryAfter])
	return max(asked, 0)
}

// KeepsLog tells whether an error has LogKept.
func KeepsLog(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Metadata[LogKept] != ""
}
