package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the code of an error that the service answered. Each is an error of
// its own, so that errors.Is(err, client.ErrFenced) tells what happened;
// errors.As with *Error gives the rest.
type Code string

// The service's codes.
const (
	ErrUnauthenticated  Code = "UNAUTHENTICATED"    // the signature does not verify
	ErrSignatureExpired Code = "SIGNATURE_EXPIRED"  // the clock is off; the client corrects it and tries once more by itself
	ErrNonceReused      Code = "NONCE_REUSED"       // the request was delivered before; the client signs anew and tries a few times by itself
	ErrForbidden        Code = "FORBIDDEN"          // the API-key certificate is missing or not acceptable
	ErrBadUserInput     Code = "BAD_USER_INPUT"     // Field says which
	ErrCursorTooOld     Code = "CURSOR_TOO_OLD"     // read from Beginning and drop what that does not bring
	ErrEpochMismatch    Code = "EPOCH_MISMATCH"     // the database was restored; RestoredHead says what was lost
	ErrMutationIDReused Code = "MUTATION_ID_REUSED" // the mutation id was used for another write
	ErrFenced           Code = "FENCED"             // the lock was granted anew since
	ErrUnknownOwner     Code = "UNKNOWN_OWNER"      // the server takes no new users
	ErrQuotaExceeded    Code = "QUOTA_EXCEEDED"     // the owner stores too much
	ErrRateLimited      Code = "RATE_LIMITED"       // too many requests; the client waits and tries again by itself
	ErrUnavailable      Code = "UNAVAILABLE"        // not now; the client tries again by itself
	ErrInternal         Code = "INTERNAL"           // a fault of the service
)

// Error makes a code an error.
func (c Code) Error() string {
	if c == "" {
		return "error without code"
	}
	return strings.ReplaceAll(strings.ToLower(string(c)), "_", " ")
}

// Outcome tells whether a write that failed was applied.
type Outcome string

// What is known of a failed write.
const (
	NotApplied Outcome = "NOT_APPLIED"
	Unknown    Outcome = "UNKNOWN"
)

// Error is an error that the service answered. It unwraps to its Code.
type Error struct {
	Code    Code
	Message string
	// Field is the dotted path of what is wrong with a BAD_USER_INPUT.
	Field string
	// Floor comes with CURSOR_TOO_OLD: deletions up to it are forgotten.
	Floor Revision
	// RestoredHead comes with EPOCH_MISMATCH. What the client has above it was
	// lost and is to be written again; what it has at or below it and the
	// service lacks was deleted.
	RestoredHead Revision
	// Erased comes with both: the owner erased all data after the cursor. Nothing that
	// the client has is there any more, and what waits to be written was made of it.
	Erased bool
	// RetryAfter comes with UNAVAILABLE and RATE_LIMITED.
	RetryAfter time.Duration
	// ServerTime comes with SIGNATURE_EXPIRED.
	ServerTime time.Time
	// Outcome comes with UNAVAILABLE.
	Outcome Outcome
}

func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text = string(e.Code) + ": " + text
	}
	if e.Field != "" && !strings.HasPrefix(e.Message, e.Field) {
		text += " (" + e.Field + ")"
	}
	return text
}

// Unwrap is the code.
func (e *Error) Unwrap() error { return e.Code }

// Errors that are not the service's words.
var (
	// ErrUnreachable says that no answer of the service arrived: the network
	// failed, or something in between answered in its place. A write may have
	// been applied all the same.
	ErrUnreachable = errors.New("service unreachable")
	// ErrProtocol says that what answered does not speak this API.
	ErrProtocol = errors.New("not an answer of this API")
	// ErrTooOldToRetry says that a write may have been applied, and is not sent again:
	// the server may have forgotten its mutation id (Limits.MutationRetentionSeconds),
	// and would take the copy for another write. Read the record. If it does not show
	// what was written, write it again at the revision that it has, under a new id.
	ErrTooOldToRetry = errors.New("too old to be sent again")
	// ErrNotFound says that a record was never written, or purged.
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that a record is not in the state that the write was
	// based on. errors.As with *ConflictError gives the present state.
	ErrConflict = errors.New("the record was changed meanwhile")
	// ErrHeld says that others hold a lock. errors.As with *HeldError tells who.
	ErrHeld = errors.New("the lock is held by others")
	// ErrLockLost says that a lease ended before it was released.
	ErrLockLost = errors.New("the lock was lost")
	// ErrReleased is the end of a lease that was released.
	ErrReleased = errors.New("the lock was released")
)

// ClockError says that the local clock and the server's are too far apart for the
// client to believe the server: see WithClockCorrection.
type ClockError struct {
	Local, Server time.Time
	Bound         time.Duration
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("the local clock shows %s and the server's %s: one of them is wrong, and a client follows the server's by at most %v",
		e.Local.UTC().Format(time.RFC3339), e.Server.UTC().Format(time.RFC3339), e.Bound)
}

// ConflictError says that a write was based on another state of its record than
// the present one. Nothing was written.
type ConflictError struct {
	// ID names the record, and Index the write within its batch.
	ID    string
	Index int
	// Current is the record as it is, which may be a tombstone. It is nil if
	// there is none: it was never written, or purged.
	Current *Record
}

func (e *ConflictError) Error() string {
	switch {
	case e.Current == nil:
		return fmt.Sprintf("record %q does not exist", e.ID)
	case e.Current.Deleted:
		return fmt.Sprintf("record %q was deleted at revision %d", e.ID, e.Current.Revision)
	default:
		return fmt.Sprintf("record %q is at revision %d", e.ID, e.Current.Revision)
	}
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// BatchConflictError says which writes of a batch conflict. Nothing was written.
type BatchConflictError struct {
	Conflicts []*ConflictError
}

func (e *BatchConflictError) Error() string {
	return fmt.Sprintf("%d of the writes conflict; first: %v", len(e.Conflicts), e.Conflicts[0])
}

// Unwrap is the conflicts.
func (e *BatchConflictError) Unwrap() []error {
	all := make([]error, len(e.Conflicts))
	for i, c := range e.Conflicts {
		all[i] = c
	}
	return all
}

// HeldError says who holds the lock, and until when.
type HeldError struct {
	Lock Lock
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lock %q is held by %d other(s)", e.Lock.Name, len(e.Lock.Holders))
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }
