package synckit

import (
	"context"
	"fmt"

	"syncline/synckit/errors"
)

// Transport reaches one peer. It is safe for concurrent use.
type Transport interface {
	// Push hands events to the peer, in order. nil says that the peer has stored
	// them all durably. A *PushError tells which it has stored; any other error
	// leaves open whether it has stored any.
	Push(ctx context.Context, events []EventWithVersion) error
	// Pull reads the peer's events after a version, in the order of its log; nil
	// or a zero version is the beginning (the manager passes a zero one, so that
	// its methods can be called). The next Pull begins after the last event's version.
	Pull(ctx context.Context, since Version) ([]EventWithVersion, error)
	// Subscribe calls handler when the peer has new events, and, if it can tell,
	// without events when a live connection stands (again). It may block until
	// ctx ends, or return at once and go on until then. What handler gets serves
	// as a hint: the manager pulls from its own cursor, so nothing is missed when
	// a subscription breaks. An error means that there is no live connection (any more).
	Subscribe(ctx context.Context, handler func([]EventWithVersion) error) error
	// Close releases what the transport holds. It may be called more than once.
	Close() error
}

// PagedTransport is a Transport whose peer's log is read in pages, by cursors of
// the transport's own making.
type PagedTransport interface {
	Transport
	// PullPage reads up to limit events after a cursor; empty is the beginning. Those that
	// came from here are among them: what was pushed and does not come is pushed once more.
	// An error of code CursorLost says that the peer's log is another than the
	// one the cursor was made for: the manager pulls from the beginning and
	// pushes all that it has again. With errors.LogKept in its metadata it says that the
	// cursor is too old, and the manager pulls from the beginning only. An error of code Erased
	// says that all that was before the cursor was erased on purpose: the manager returns
	// it once, and what it was still to push waits in the reviews.
	PullPage(ctx context.Context, since string, limit int) (Page, error)
}

// SkippingTransport is a PagedTransport that can tell after a push where its events
// stand in the peer's log, so that a manager need not read its own events back.
type SkippingTransport interface {
	PagedTransport
	// PushAfter is Push by somebody who has read the peer's log up to a cursor. If all of
	// the events are new to the log and stand right after the cursor, with nothing
	// between, end is the cursor after the last of them. It is empty where they do not, where
	// that is not known, and with an error.
	PushAfter(ctx context.Context, cursor string, events []EventWithVersion) (end string, err error)
}

// Page is a part of a peer's log.
type Page struct {
	Events []EventWithVersion
	Cursor string // resumes after Events
	More   bool   // there is more after Events now
	// Unreadable is what stands there beside Events.
	Unreadable []Unreadable
}

// Unreadable is an entry of a peer's log that is no event, or none that can be
// read here. The manager goes on without it: it is an error of the result, and
// waits in the reviews.
type Unreadable struct {
	// Name tells it from others in the peer's log: one that comes again under its
	// name takes the place of its review.
	Name string
	// Event is what could be read: all but the version; nil: nothing.
	Event Event
	// Err says what is wrong, and where it stands.
	Err error
}

func (u Unreadable) reason() error {
	if errors.CodeOf(u.Err) != "" {
		return u.Err
	}
	return errors.New(errors.InvalidEvent, "pull", u.Err, errors.Metadata{"entry": u.Name})
}

// NamedTransport is a Transport that names its peer. Cursors are kept by that
// name: it must stay the same from one run to the next.
type NamedTransport interface {
	Transport
	Peer() string
}

// ReadingTransport is a Transport of which it depends on more than the program what it can
// read, such as on keys.
type ReadingTransport interface {
	Transport
	// Reads names what can be read now. When it is another text than at the last pull, what
	// could not be read before is pulled again.
	Reads() string
}

// SealedType is the type of events whose content is encrypted: those of transport/sealed. To
// a node that cannot open them they say nothing: they are in no conflict and never count.
const SealedType = reservedPrefix + "sealed"

// CheckingTransport is a Transport that knows before a Push what the peer refuses. A
// manager asks it about what a decision made, so that no decision takes effect
// here that others would never learn of.
type CheckingTransport interface {
	Transport
	// Check tells why the peer will never take an event; nil: for all that is known
	// it will. Its error has the code TooLarge, or another one of an event's own; with
	// any other code it says that it is not known. It goes by what earlier calls have
	// learned, and does not call the peer: a decision that is made offline need not wait.
	Check(ctx context.Context, event EventWithVersion) error
}

// PushError tells what became of each event of a Push that did not store them all.
type PushError struct {
	// Stored are the IDs that the peer has stored durably.
	Stored []string
	// Refused are the IDs that it will never take, and why.
	Refused map[string]error
	// Err is why the rest was not stored; nil if there is no rest.
	Err error
}

// Error implements error.
func (e *PushError) Error() string {
	text := fmt.Sprintf("synckit: push: %d stored, %d refused", len(e.Stored), len(e.Refused))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives why the rest was not stored.
func (e *PushError) Unwrap() error { return e.Err }
