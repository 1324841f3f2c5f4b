package feed

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"syncline/pubsub"
	"syncline/record"
)

// EventKind tells what an Event means.
type EventKind uint8

// The kinds of an Event.
const (
	// Changed brings a record, or its tombstone, in its latest state.
	Changed EventKind = iota + 1
	// CaughtUp comes once: the reader now knows the owner's records as they were
	// at one instant after Follow. What comes later is live.
	CaughtUp
)

// Event is one step of a feed.
type Event struct {
	Kind   EventKind
	Record *record.Record // of Changed; else nil. Its data is shared: nobody may change it
	Cursor record.Cursor  // resumes right after this event
	Heard  *Heard         // of the record's last write, if that is traced; else nil
}

// Heard is a hint with a trace.
type Heard struct {
	Trace    string // pubsub.Hint's
	At       time.Time
	revision record.Revision
}

// Follower is one reader's place in an owner's feed. Next and Poll are for one
// goroutine at a time; Close may be called from any.
type Follower struct {
	feed  *Feed
	owner record.Owner
	hints pubsub.Subscription

	shared *shared                // with the owner's other followers
	woken  chan struct{}          // holds one word from Run that the store has moved
	wake   atomic.Pointer[func()] // what Notify was given
	closed chan struct{}
	close  sync.Once

	// position is the revision up to which everything is read, if nothing was
	// left then; else reading. Run looks at it.
	position atomic.Int64

	cursor   record.Cursor // where the next page begins
	page     record.Page   // read and not yet handed out; empty while idle
	taken    int           // records of the page that were handed out
	size     int           // records to ask for
	behind   bool          // the store may hold more than was read
	caughtUp bool          // CaughtUp was handed out
	heard    *Heard        // the newest, whose record was not handed out; nil if there is none
}

// reading is the position of a follower that knows that it is behind.
const reading = -1

func newFollower(feed *Feed, owner record.Owner, hints pubsub.Subscription) *Follower {
	return &Follower{
		feed:   feed,
		owner:  owner,
		hints:  hints,
		shared: feed.recent.join(owner),
		woken:  make(chan struct{}, 1),
		closed: make(chan struct{}),
		size:   firstPageSize,
	}
}

func (f *Follower) startAfter(since record.Cursor) {
	f.cursor = since
	f.behind = true
	f.position.Store(reading)
}

func (f *Follower) startNow(ctx context.Context) error {
	if err := f.enter(ctx, f.feed.reads); err != nil {
		return err
	}
	defer func() { <-f.feed.reads }()
	account, err := f.feed.source.Account(ctx, f.owner)
	if err != nil {
		return err
	}
	f.shared.begin(account)
	f.cursor = record.CursorAt(account.Epoch, account.Head)
	f.position.Store(int64(account.Head))
	return nil
}

// Next waits for the next event. Records come in ascending order of revision,
// without holes, each in its latest state: states in between may be left out.
//
// Errors are ErrClosed, the context's, and those of record.Service.Changes:
// *record.CursorTooOldError also when the floor overtakes a slow reader. A
// store that is unavailable is tried again for a while before its
// *record.UnavailableError is returned. No error loses the reader's place:
// calling Next again goes on from there.
func (f *Follower) Next(ctx context.Context) (Event, error) {
	for {
		if event, ok, err := f.Poll(ctx); ok || err != nil {
			return event, err
		}
		if err := f.awaitChange(ctx); err != nil {
			return Event{}, err
		}
	}
}

// Poll is Next for a reader that does not wait for changes: it is false where
// Next would. It may well wait for the store.
func (f *Follower) Poll(ctx context.Context) (event Event, ok bool, err error) {
	for {
		if err := f.ended(ctx); err != nil {
			return Event{}, false, err
		}
		if event, ok := f.take(); ok {
			return event, true, nil
		}
		if err := f.lookForChange(); err != nil || !f.behind {
			return Event{}, false, err
		}
		if err := f.read(ctx); err != nil {
			return Event{}, false, err
		}
	}
}

// Notify has wake called each time that Poll may have come to answer something
// else, until the follower is closed. It is called once, before a first Poll.
// wake neither waits nor calls back.
func (f *Follower) Notify(wake func()) {
	f.wake.Store(&wake)
	f.hints.Notify(wake)
}

// Forget lets go of records that were read and not handed out: the next Poll or
// Next reads them again. It is for a reader that turns out to be slow, and is
// called instead of these, not beside them.
func (f *Follower) Forget() {
	if f.taken == 0 { // nothing, or all of it
		return
	}
	f.cursor = f.page.Cursors[f.taken-1]
	f.page, f.taken = record.Page{}, 0
	f.size = minPageSize
	f.behind = true
	f.position.Store(reading)
}

// Close ends the follower, and a Next that waits. It may be called more than once.
func (f *Follower) Close() {
	f.close.Do(func() {
		close(f.closed)
		f.feed.remove(f)
		f.hints.Close()
		f.shared.leave()
	})
}

func (f *Follower) ended(ctx context.Context) error {
	select {
	case <-f.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// take hands out what is at hand.
func (f *Follower) take() (Event, bool) {
	if f.taken < len(f.page.Records) {
		return f.takeRecord(), true
	}
	if !f.behind && !f.caughtUp {
		f.caughtUp = true
		return Event{Kind: CaughtUp, Cursor: f.cursor}, true
	}
	return Event{}, false
}

func (f *Follower) takeRecord() Event {
	r := f.page.Records[f.taken]
	f.page.Records[f.taken] = record.Record{} // the page does not keep what its reader has
	event := Event{Kind: Changed, Record: &r, Cursor: f.page.Cursors[f.taken]}
	f.taken++
	if f.heard != nil && f.heard.revision <= r.Revision {
		if f.heard.revision == r.Revision {
			event.Heard = f.heard
		}
		f.heard = nil
	}
	if f.taken == len(f.page.Records) {
		f.page = record.Page{}
		f.taken = 0
	}
	return event
}

// lookForChange tells by behind whether the store may hold more than was read.
func (f *Follower) lookForChange() error {
	for !f.behind {
		select {
		case hint, open := <-f.hints.Hints():
			if err := f.onHint(hint, open); err != nil {
				return err
			}
		case <-f.woken:
			f.behind = true
		default:
			return nil
		}
	}
	return nil
}

// awaitChange returns when the store may hold more than was read, or earlier,
// for a hint that was none.
func (f *Follower) awaitChange(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return ErrClosed
	case hint, open := <-f.hints.Hints():
		return f.onHint(hint, open)
	case <-f.woken:
		f.behind = true
		return nil
	}
}

// onHint takes what came from the hints: one of them, or that they are closed.
func (f *Follower) onHint(hint pubsub.Hint, open bool) error {
	switch {
	case !open:
		return ErrClosed
	case hint.Revision == 0: // hints were lost, likely everyone's: one query answers all
		f.feed.PollSoon()
	case hint.Revision > f.position.Load():
		f.shared.note(record.Revision(hint.Revision))
		f.behind = true
		if hint.Trace != "" {
			f.heard = &Heard{Trace: hint.Trace, At: time.Now(), revision: record.Revision(hint.Revision)}
		}
	}
	return nil
}

// rouse tells a follower that the store has moved. It never waits.
func (f *Follower) rouse() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
	if wake := f.wake.Load(); wake != nil {
		(*wake)()
	}
}

// idleAt is the revision up to which the follower has read everything; false if
// it knows that there is more.
func (f *Follower) idleAt() (record.Revision, bool) {
	position := f.position.Load()
	return record.Revision(position), position != reading
}
