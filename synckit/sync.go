package synckit

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// SyncManager syncs one store with one peer.
type SyncManager interface {
	// Sync pulls, resolves conflicts, then pushes. What was done before an error
	// stands, and the result tells of it. Calls that overlap wait for one another.
	Sync(ctx context.Context) (*SyncResult, error)
	// Push only pushes.
	Push(ctx context.Context) (*SyncResult, error)
	// Pull only pulls.
	Pull(ctx context.Context) (*SyncResult, error)
	// StartAutoSync syncs at once, then at each interval, soon after something is
	// stored here or the peer tells of something new, until StopAutoSync, Close or
	// the end of ctx. After a failure it waits with exponential backoff.
	StartAutoSync(ctx context.Context) error
	// StopAutoSync returns when nothing runs any more.
	StopAutoSync() error
	// Subscribe has handler called after each sync, in order, with its result. It
	// must return soon, and neither stop auto sync nor close the manager.
	Subscribe(handler func(*SyncResult)) error
	// Close ends auto sync and waits for calls to end. It closes neither store nor transport, but
	// those that an option of NewManager has opened.
	Close() error
}

// SyncOptions say how to sync. The zero value syncs everything both ways.
type SyncOptions struct {
	// PushOnly and PullOnly restrict Sync and auto sync to one way. Not both.
	PushOnly, PullOnly bool
	// ConflictResolver decides conflicts; nil keeps all events of both sides.
	ConflictResolver ConflictResolver
	// Filter tells which events sync; nil: all. An event that does not pass when
	// its turn comes is not looked at again. Resolutions and snapshots always pass.
	Filter func(Event) bool
	// BatchSize is how many events go in one call and one transaction; 0: 100.
	// While the line does not carry that many within Timeout there are fewer.
	BatchSize int
	// SyncInterval is auto sync's; 0: 30 s.
	SyncInterval time.Duration

	// Peer is the name under which cursors are kept; empty: the transport's own
	// name, or "default". It must stay the same from one run to the next.
	Peer string
	// Timeout bounds one call of the transport or store; 0: 30 s.
	Timeout time.Duration
	// MaxRetryDelay bounds auto sync's backoff after failures, and what a peer may
	// ask for on top; 0: 5 min.
	MaxRetryDelay time.Duration
	// MaxEventBytes bounds an event's encoding; 0: 1 MiB. A larger one is neither
	// pushed nor pulled: it is an error of the result, and waits in the reviews.
	MaxEventBytes int
	// Validate refuses events for reasons of the app's own, before they are pushed
	// and before they are stored, as MaxEventBytes does; nil: none. Resolutions
	// and events that Filter leaves out are not asked about.
	Validate func(Event) error
	// Release names the program and its version; empty: what its build tells. When it is
	// another than at the last pull, what could not be taken before, for it could not
	// be read or was refused by Validate or MaxEventBytes, is pulled again.
	Release string
	// Metrics counts; nil: nothing.
	Metrics MetricsCollector
	// Observer watches the steps of syncs; nil: nobody.
	Observer Observer
	// Logger gets what somebody should know; nil: nothing.
	Logger *slog.Logger
}

// SyncResult tells what a sync did.
type SyncResult struct {
	EventsPushed      int      // stored by the peer
	EventsPulled      int      // new here
	ConflictsResolved int      // decided by the resolver
	ReviewsAdded      int      // left to a person
	Erased            bool     // the peer's log was found to be erased by its owner; the error has the code Erased
	Aggregates        []string // in which something is new here, pulled or decided, each once
	Errors            []error  // what went wrong without ending the sync, and what ended it
	StartTime         time.Time
	Duration          time.Duration
	named             idSet // Aggregates
}

// ErrReview is what a ConflictResolver returns to leave a conflict to a person.
var ErrReview = errors.New("synckit: left for review")

// MetricsCollector counts what a manager does. It is safe for concurrent use.
type MetricsCollector interface {
	// RecordSyncDuration takes how long "sync", "push" or "pull" took.
	RecordSyncDuration(operation string, duration time.Duration)
	// RecordSyncEvents takes how many events moved.
	RecordSyncEvents(pushed, pulled int)
	// RecordSyncErrors takes a failure of "sync", "push" or "pull", by code.
	RecordSyncErrors(operation, code string)
	// RecordConflicts takes how many conflicts were resolved.
	RecordConflicts(resolved int)
}
