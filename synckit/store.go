package synckit

import (
	"context"
	"time"
)

// EventStore keeps events. It is safe for concurrent use.
//
// A store that implements Log as well syncs exactly: durable cursors, bounded
// memory, no event sent back to where it came from. With one that does not, the
// manager keeps its cursors in memory, loads what is there at once, and depends
// on Store refusing or ignoring an ID that it has.
type EventStore interface {
	// Store appends an event. An ID that is stored already with the same content
	// changes nothing; with other content it is an error of code EventIDReused.
	// version is the event's own if it has one; nil lets the store choose. A Log
	// sets the event's clock and time (ClockKey, TimeKey), whatever it came with.
	Store(ctx context.Context, event Event, version Version) error
	// Load reads events after a version, in the order of the log. nil or a zero
	// version is the beginning.
	Load(ctx context.Context, since Version) ([]EventWithVersion, error)
	// LoadByAggregate is Load for one aggregate's events.
	LoadByAggregate(ctx context.Context, aggregateID string, since Version) ([]EventWithVersion, error)
	// LatestVersion is the version after which Load finds nothing.
	LatestVersion(ctx context.Context) (Version, error)
	// Close releases what the store holds. It may be called more than once.
	Close() error
}

// Position is where an event stands in one node's log: 1 for the first, growing
// in the order of commits, never used again. 0 is before the first.
type Position uint64

// Entry is an event in a log.
type Entry struct {
	EventWithVersion
	Position Position
	// Origin is the peer that the event came from; empty for one written here.
	Origin string
	// Confirmed says that some peer's log was seen to hold the event.
	Confirmed bool
}

// Direction is which way events go.
type Direction string

// The two directions.
const (
	Pushing Direction = "push"
	Pulling Direction = "pull"
)

// Log is an EventStore that commits events together with the cursors that cover
// them.
type Log interface {
	EventStore
	// Read reads up to limit entries after a position, in order. No entry ever
	// appears at or below a position that was read before; entries may be dropped (Dropper).
	Read(ctx context.Context, after Position, limit int) ([]Entry, error)
	// Aggregate reads all entries of one aggregate, in order.
	Aggregate(ctx context.Context, aggregateID string) ([]Entry, error)
	// Cursor is what the last Commit stored for a peer and direction; empty
	// before the first.
	Cursor(ctx context.Context, peer string, direction Direction) (string, error)
	// Commit applies all of a commit in one durable transaction, or nothing.
	Commit(ctx context.Context, commit Commit) (Committed, error)
	// Reviews lists the reviews that wait for a decision, oldest first, from
	// after an id (empty: the beginning), up to limit.
	Reviews(ctx context.Context, after string, limit int) ([]Review, error)
	// Changed returns a channel that is closed when something is committed
	// after the call.
	Changed() <-chan struct{}
}

// ReviewFinder is what a Log can be as well, so that nobody need go through all
// reviews to find one.
type ReviewFinder interface {
	// Review gives a review that waits for a decision. Its error has the code
	// NotFound if there is none of this ID, and Unsupported if it must be looked for
	// in Reviews.
	Review(ctx context.Context, id string) (Review, error)
}

// ReviewMarker is what a Log can be as well, so that nobody need go through the reviews
// to learn that there is nothing new among them.
type ReviewMarker interface {
	// ReviewMark is another text after each commit that has added a review under a new
	// ID or ended one. Its error has the code Unsupported if that cannot be told.
	ReviewMark(ctx context.Context) (string, error)
}

// ForkFinder is what a store can be that gives versions itself. It finds out when its node
// was restored from a backup, or reinstalled under its old name: versions then stand for
// two events each, one of either life.
type ForkFinder interface {
	// Ambiguous tells which versions of events written here others may count for other
	// events, knowing what was stored and seen, which is about to be.
	Ambiguous(seen []Version) func(own Version) bool
}

// Commit is what becomes durable together.
type Commit struct {
	// Append are events new to the log, in order. One whose ID is there is left
	// out if its content is the same, and then counts as confirmed if it has an
	// origin; other content is an error of code EventIDReused for the whole, with
	// the ID as "event" in its metadata. One without origin that has no clock
	// gets one (ClockKey) and a time (TimeKey); clocks that are there stay as they are.
	Append []Entry // Position and Confirmed are not read
	// Cursors are set to new values; empty forgets one.
	Cursors []Cursor
	// AddReviews keeps conflicts that wait for a decision; one whose ID is there
	// is replaced.
	AddReviews []Review
	// EndReviews takes reviews out, by ID. One that is not there is an error of
	// code NotFound for the whole: somebody else has decided it.
	EndReviews []string
	// Unchanged has the newest position of aggregates (0: no entry) that the
	// commit relies on. Where one has a newer entry by now, the whole is an error
	// of code Outdated: what was decided did not know of that entry.
	Unchanged map[string]Position
}

// Cursor is how far a manager has come with a peer.
type Cursor struct {
	Peer      string
	Direction Direction
	Value     string
}

// Committed tells what a commit did.
type Committed struct {
	// Appended are the IDs that were new, in order.
	Appended []string
	// Latest is the position of the log's newest entry.
	Latest Position
}

// Review is a conflict that waits for somebody's decision, or an event that a
// peer refused for good.
type Review struct {
	ID          string // follows from the events, so that one conflict is one review
	AggregateID string
	Peer        string
	Reason      string
	// Local are events of this log that are in conflict; Remote are the peer's,
	// which are not in the log until the review is decided.
	Local, Remote []EventWithVersion
	Since         time.Time
}
