// Package pubsub tells live readers that something of an owner changed.
//
// What travels is a hint, never data: a reader that is woken reads the store
// from its own cursor. A hint may be lost, delayed, repeated or reordered
// without harm beyond delay, because every reader also polls.
package pubsub

import (
	"context"
	"errors"
)

// ErrClosed is returned by a Bus that was closed.
var ErrClosed = errors.New("pubsub: bus is closed")

// Topic names what of an owner changed.
type Topic string

// Records is the topic of an owner's records.
const Records Topic = "records"

// LockTopic is the topic of one of an owner's locks.
func LockTopic(name string) Topic { return Topic("lock:" + name) }

// Hint says that a topic of an owner changed.
type Hint struct {
	Owner Owner
	Topic Topic
	// Revision is the owner's revision after the change, or 0 where the topic
	// has none or the bus does not know: then the reader must look for itself.
	Revision int64
	// Trace names the span of the change's trace that the hint belongs to, in the form of W3C's
	// traceparent; empty where there is none. It is of the newest of hints that were merged.
	Trace string
}

// Publisher spreads hints.
type Publisher interface {
	// Publish tells every subscription to the hint's owner and topic, on every
	// instance that the bus spans. It is called after commit, never before, and
	// never waits for a subscriber. An error means that the hint may be lost;
	// the write that it tells of stands all the same.
	Publish(ctx context.Context, hint Hint) error
}

// Subscriber receives hints.
type Subscriber interface {
	// Subscribe starts to collect hints for one topic of one owner. Every
	// Publish that begins after it returned reaches the subscription, unless
	// the broker loses it. ctx bounds the call only; Close ends the subscription.
	Subscribe(ctx context.Context, owner Owner, topic Topic) (Subscription, error)
}

// Subscription collects hints for one reader. It holds at most one: hints that
// nobody has taken yet merge into the newest, so a slow reader costs no queue
// and delays nobody.
type Subscription interface {
	// Hints delivers the merged hint. A Revision of 0 says that hints may have
	// been lost (a broker reconnected). It is closed when the bus or the
	// subscription is closed.
	Hints() <-chan Hint
	// Notify has wake called each time that Hints has got something to take, or
	// was closed, from then on: for a reader that keeps no goroutine to wait in.
	// wake is called by whoever publishes, and neither waits nor calls back.
	Notify(wake func())
	// Close ends the subscription. It may be called more than once.
	Close()
}

// Bus is both ends.
type Bus interface {
	Publisher
	Subscriber
}
