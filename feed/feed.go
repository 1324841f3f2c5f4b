// Package feed follows an owner's records from a cursor: it replays what was
// written after it, tells when the reader has caught up, and goes on live.
//
// A follower is a position and at most one page of records, never a queue: it
// reads the store when its reader asks for more. A hint only tells it that
// there is something to read; Feed.Run finds out what hints that were lost
// would have told.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"syncline/pubsub"
	"syncline/record"
)

// ErrClosed is returned by a Follower that was closed, or whose bus was.
var ErrClosed = errors.New("feed: closed")

// Source is what a feed reads. record.Service is one.
type Source interface {
	// ChangesWithin reads up to first records after a cursor, and up to maxBytes of
	// data, but one record if there is any.
	ChangesWithin(ctx context.Context, owner record.Owner, since record.Cursor, first, maxBytes int) (record.Page, error)
	// Account reads the owner's head and the present epoch.
	Account(ctx context.Context, owner record.Owner) (record.Account, error)
	// Heads reads the heads of many owners in one query; one who never wrote may be missing.
	Heads(ctx context.Context, owners []record.Owner) (map[record.Owner]record.Revision, error)
	// OnCommit has a function called with each commit of this process, before
	// its hint is published.
	OnCommit(func(record.Commit))
}

// Feed makes followers, and polls on behalf of all of them.
type Feed struct {
	source       Source
	bus          pubsub.Subscriber
	pollInterval time.Duration
	log          *slog.Logger
	pollNow      chan struct{} // holds one request to poll before the interval is over
	recent       *recent
	reads        chan struct{} // has room for the reads of the store at any one time

	mu        sync.Mutex
	followers map[*Follower]struct{}
}

// New makes a feed. It depends on Run for what the bus loses.
func New(source Source, bus pubsub.Subscriber, pollInterval time.Duration, log *slog.Logger) *Feed {
	f := &Feed{
		source:       source,
		bus:          bus,
		pollInterval: pollInterval,
		log:          log,
		pollNow:      make(chan struct{}, 1),
		recent:       newRecent(recentBytes),
		reads:        make(chan struct{}, maxReads),
		followers:    make(map[*Follower]struct{}),
	}
	source.OnCommit(f.recent.commit)
	return f
}

// Follow begins to follow an owner after a cursor; nil means from now on. The
// hint subscription stands before anything is read, so that no write falls
// between what is replayed and what comes live. ctx bounds the call only; Close
// ends the follower. A cursor that cannot be read from is refused by the first
// Next, not here. Errors are the source's, the bus's or the context's.
func (f *Feed) Follow(ctx context.Context, owner record.Owner, since *record.Cursor) (*Follower, error) {
	hints, err := f.bus.Subscribe(ctx, owner, pubsub.Records)
	if err != nil {
		return nil, err
	}
	follower := newFollower(f, owner, hints)
	if since != nil {
		follower.startAfter(*since)
	} else if err := follower.startNow(ctx); err != nil {
		hints.Close()
		follower.shared.leave()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers[follower] = struct{}{}
	return follower, nil
}

// Followers is how many there are.
func (f *Feed) Followers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.followers)
}

func (f *Feed) remove(follower *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, follower)
}
