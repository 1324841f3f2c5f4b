package redisbus

import (
	"context"
	"errors"
	"strings"

	"syncline/pubsub"
)

// channel is one owner's. The bus's mutex guards it.
type channel struct {
	owner  pubsub.Owner
	topics map[pubsub.Topic]map[*subscription]struct{}
	heard  chan struct{} // closed while Redis is known to tell this instance of the owner
	missed bool          // there are readers that Redis may not have told of something
}

type subscription struct {
	bus     *Bus
	channel *channel
	topic   pubsub.Topic
	mailbox *pubsub.Mailbox
}

var errPatience = errors.New("redisbus: Redis does not answer")

// Hints implements pubsub.Subscription.
func (s *subscription) Hints() <-chan pubsub.Hint { return s.mailbox.Hints() }

// Notify implements pubsub.Subscription.
func (s *subscription) Notify(wake func()) { s.mailbox.Notify(wake) }

// Close implements pubsub.Subscription.
func (s *subscription) Close() {
	s.bus.remove(s)
	s.mailbox.Close()
}

func (b *Bus) add(owner pubsub.Owner, topic pubsub.Topic) (*subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, pubsub.ErrClosed
	}
	c := b.channels[owner]
	if c == nil {
		c = &channel{
			owner:  owner,
			topics: make(map[pubsub.Topic]map[*subscription]struct{}),
			heard:  make(chan struct{}),
		}
		b.channels[owner] = c
		b.link.changed(owner)
	}
	s := &subscription{bus: b, channel: c, topic: topic, mailbox: pubsub.NewMailbox()}
	if c.topics[topic] == nil {
		c.topics[topic] = make(map[*subscription]struct{})
	}
	c.topics[topic][s] = struct{}{}
	return s, nil
}

func (b *Bus) remove(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := s.channel
	delete(c.topics[s.topic], s)
	if len(c.topics[s.topic]) == 0 {
		delete(c.topics, s.topic)
	}
	if len(c.topics) == 0 && b.channels[c.owner] == c {
		delete(b.channels, c.owner)
		b.link.changed(c.owner)
	}
}

// awaitHeard waits until Redis tells of the subscription's owner, or is not to
// be waited for.
func (b *Bus) awaitHeard(ctx context.Context, s *subscription) error {
	b.mu.RLock()
	heard, lost := s.channel.heard, b.link.end()
	b.mu.RUnlock()
	select {
	case <-heard:
		return nil
	case <-lost:
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, errPatience) {
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return pubsub.ErrClosed
	}
	if !s.channel.isHeard() {
		s.channel.missed = true
	}
	return nil
}

func (c *channel) isHeard() bool {
	select {
	case <-c.heard:
		return true
	default:
		return false
	}
}

// nowHeard is called when Redis has confirmed the channel.
func (c *channel) nowHeard() {
	if !c.isHeard() {
		close(c.heard)
	}
	if c.missed {
		c.missed = false
		c.tellAll()
	}
}

// notHeard is called when the connection was lost.
func (c *channel) notHeard() {
	c.missed = true
	if c.isHeard() {
		c.heard = make(chan struct{})
	}
}

// tellAll asks every reader to look for itself.
func (c *channel) tellAll() {
	for topic, readers := range c.topics {
		for s := range readers {
			s.mailbox.Offer(pubsub.Hint{Owner: c.owner, Topic: topic})
		}
	}
}

func (c *channel) close() {
	for _, readers := range c.topics {
		for s := range readers {
			s.mailbox.Close()
		}
	}
}

// deliver tells this instance's readers. The caller holds the mutex.
func (b *Bus) deliver(hint pubsub.Hint) {
	if c := b.channels[hint.Owner]; c != nil {
		for s := range c.topics[hint.Topic] {
			s.mailbox.Offer(hint)
		}
	}
}

// receive handles what another instance published, or this one.
func (b *Bus) receive(name, payload string) {
	owner, ok := b.ownerOf(name)
	if !ok {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	from, hint, err := decode(owner, payload)
	switch c := b.channels[owner]; {
	case err == nil && from != b.id:
		b.deliver(hint)
	case err != nil && c != nil: // a later version's: something changed
		c.tellAll()
	}
}

// channelName has the owner as its hash tag.
func (b *Bus) channelName(owner pubsub.Owner) string {
	return b.prefix + ":{" + owner.String() + "}:hints"
}

func (b *Bus) ownerOf(channelName string) (pubsub.Owner, bool) {
	text, hasPrefix := strings.CutPrefix(channelName, b.prefix+":{")
	text, hasSuffix := strings.CutSuffix(text, "}:hints")
	owner, err := pubsub.ParseOwner(text)
	return owner, hasPrefix && hasSuffix && err == nil
}
