// Package inproc is a pubsub.Bus within one process.
package inproc

import (
	"context"
	"sync"

	"syncline/pubsub"
)

// Bus spreads hints between the goroutines of a process. A hint for a topic
// that nobody subscribed to costs one look into a map.
type Bus struct {
	mu            sync.RWMutex
	closed        bool
	subscriptions map[key]map[*subscription]struct{}
}

type key struct {
	owner pubsub.Owner
	topic pubsub.Topic
}

var _ pubsub.Bus = (*Bus)(nil)

// New returns an open bus.
func New() *Bus {
	return &Bus{subscriptions: make(map[key]map[*subscription]struct{})}
}

// Publish implements pubsub.Publisher. The only error is pubsub.ErrClosed.
func (b *Bus) Publish(_ context.Context, hint pubsub.Hint) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return pubsub.ErrClosed
	}
	for s := range b.subscriptions[key{hint.Owner, hint.Topic}] {
		s.mailbox.Offer(hint)
	}
	return nil
}

// Subscribe implements pubsub.Subscriber. Errors are pubsub.ErrClosed and the
// context's.
func (b *Bus) Subscribe(ctx context.Context, owner pubsub.Owner, topic pubsub.Topic) (pubsub.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, pubsub.ErrClosed
	}
	k := key{owner, topic}
	s := &subscription{bus: b, key: k, mailbox: pubsub.NewMailbox()}
	if b.subscriptions[k] == nil {
		b.subscriptions[k] = make(map[*subscription]struct{})
	}
	b.subscriptions[k][s] = struct{}{}
	return s, nil
}

// Close ends all subscriptions. It may be called more than once.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, group := range b.subscriptions {
		for s := range group {
			s.mailbox.Close()
		}
	}
	clear(b.subscriptions)
}

func (b *Bus) remove(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	group := b.subscriptions[s.key]
	delete(group, s)
	if len(group) == 0 {
		delete(b.subscriptions, s.key)
	}
}
