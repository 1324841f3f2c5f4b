// Package locks guards work that an owner's devices must not do at once.
//
// A lock is exclusive, or shared between holders. A hold ends by release or
// when its time to live runs out by the clock of the store that keeps it. Each
// grant that joins no live holder carries a new, higher token; writes that name
// the token are refused once a newer one was granted, which is what keeps data
// safe from a holder that does not know yet that it lost its lock (Kleppmann,
// "How to do distributed locking", 2016).
package locks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"syncline/internal/input"
	"syncline/pubsub"
)

// Owner is whose devices a lock stands between.
type Owner = pubsub.Owner

// Token orders the grants of an owner's locks. The first is 1.
type Token int64

// Limits.
const (
	MaxNameBytes       = 256
	MaxInstanceIDBytes = 64
	MinTTL             = time.Second
	MaxTTL             = 300 * time.Second // more is capped
	MaxHolders         = 100               // of a shared lock; one more finds it held
)

// InvalidError says which input is not acceptable, and why.
type InvalidError = input.Error

// UnavailableError says that the store of locks cannot answer now.
type UnavailableError struct {
	RetryAfter     time.Duration
	OutcomeUnknown bool  // the lock may have been granted or released
	Err            error // for the log, never for clients
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("locks unavailable: %v", e.Err) }

func (e *UnavailableError) Unwrap() error { return e.Err }

// ErrClosed is returned by a Watcher whose service stopped.
var ErrClosed = errors.New("locks: closed")

// Key names a lock.
type Key struct {
	Owner Owner
	Name  string
}

// Holder holds a lock.
type Holder struct {
	InstanceID string
	Token      Token
	ExpiresAt  time.Time // by the clock of the store that keeps the lock; UTC, whole microseconds
}

// Lock is the state of a lock at one instant.
type Lock struct {
	Name      string
	Exclusive bool      // false while nobody holds it
	Holders   []Holder  // live ones, by instance id
	ReadAt    time.Time // the instant, by the same clock as ExpiresAt
}

// Locked tells whether anybody holds the lock.
func (l Lock) Locked() bool { return len(l.Holders) > 0 }

func (l Lock) heldBy(instanceID string) bool {
	return slices.ContainsFunc(l.Holders, func(h Holder) bool { return h.InstanceID == instanceID })
}

// Request asks for a lock, or for renewal, upgrade or downgrade of a hold.
type Request struct {
	Name       string
	InstanceID string
	Exclusive  bool
	TTL        time.Duration
	// Renews is the token of the one grant that may be renewed; nothing is taken
	// if the instance does not hold it any more. 0: whatever is free may be taken.
	Renews Token
}

// Grant answers a Request.
type Grant struct {
	Acquired bool // false: nothing changed, as others hold the lock, or else Ended
	Ended    bool // the instance no longer holds the grant that was to be renewed
	// Renewed: a live holder kept its token (renewal, downgrade).
	Renewed   bool
	Token     Token     // 0 unless acquired
	ExpiresAt time.Time // zero unless acquired
	Lock      Lock      // the state after
}

// Locker keeps locks. It is safe for concurrent use. Before it answers a grant,
// joins and renewals too, the lock's fence in the store of records stands at or
// above the grant's token. Errors are *UnavailableError or the context's.
type Locker interface {
	// Acquire grants a valid request as Decide says, or tells who holds the lock.
	Acquire(ctx context.Context, owner Owner, request Request) (Grant, error)
	// Release ends the instance's hold, if there is one, and answers the state after.
	Release(ctx context.Context, key Key, instanceID string) (Lock, error)
	// Read reads many locks in one query, in the order asked.
	Read(ctx context.Context, keys []Key) ([]Lock, error)
}

// Forgetter is a Locker that keeps holds elsewhere than beside the owner's records.
type Forgetter interface {
	// Forget ends the holds of locks that were granted with tokens up to newest.
	Forget(ctx context.Context, keys []Key, newest Token) error
}
