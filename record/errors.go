package record

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a write that no retry mends.
var (
	// ErrMutationIDReused says that a mutation id came with other content than before.
	ErrMutationIDReused = errors.New("this mutation id was used for another write")
	// ErrFenced says that the lock was granted anew since the fence token was handed out.
	ErrFenced = errors.New("the fence token is older than the lock's newest grant")
)

// CursorTooOldError says that tombstones after the cursor were purged already:
// the reader must walk from the beginning and drop what the walk does not bring.
type CursorTooOldError struct {
	Floor Revision
	// Erased: the owner erased all data after the cursor, so nothing that the reader
	// has is there any more, and what it made of it is not to come back unasked.
	Erased bool
}

func (e *CursorTooOldError) Error() string {
	return fmt.Sprintf("deletions up to revision %d are forgotten and the cursor is older: read from the beginning", e.Floor)
}

// EpochMismatchError says that the cursor is from a history that a restore cut off.
type EpochMismatchError struct {
	// RestoredHead is the newest revision that the restored history shares with
	// the cursor's: what a client has above it was lost and is to be written
	// again; what it has at or below and the server lacks was deleted.
	RestoredHead Revision
	// Ahead: the cursor is of the present history, but ahead of the owner's newest
	// revision, which is RestoredHead.
	Ahead bool
	// Erased is as in CursorTooOldError.
	Erased bool
}

func (e *EpochMismatchError) Error() string {
	if e.Ahead {
		return fmt.Sprintf("the cursor is ahead of your newest revision, %d: it is of another account, or was made up, or the database lost what came after", e.RestoredHead)
	}
	return "the cursor belongs to another history of this database: it was restored from a backup"
}

// UnavailableError says that a store cannot answer now.
type UnavailableError struct {
	RetryAfter time.Duration
	// OutcomeUnknown: the write may have been applied. It is safe to send it
	// again only with a mutation id.
	OutcomeUnknown bool
	Err            error // for the log, never for clients
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("store unavailable: %v", e.Err) }

func (e *UnavailableError) Unwrap() error { return e.Err }
