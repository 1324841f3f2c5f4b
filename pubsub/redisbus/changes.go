package redisbus

import (
	"context"
	"slices"

	"syncline/pubsub"
)

// maxNames bounds the channels of one command.
const maxNames = 500

// sent is what Redis was last told of a channel.
type sent struct {
	subscribed bool
	unanswered int // commands that Redis has not confirmed yet
}

// sendChanges tells Redis which channels are to be heard from now on.
func (l *link) sendChanges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	subscribe, unsubscribe := l.takeChanges()
	for names := range slices.Chunk(unsubscribe, maxNames) {
		if err := l.pubSub.Unsubscribe(ctx, names...); err != nil {
			return err
		}
	}
	for names := range slices.Chunk(subscribe, maxNames) {
		if err := l.pubSub.Subscribe(ctx, names...); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) takeChanges() (subscribe, unsubscribe []string) {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	for owner := range l.changes {
		s, c := l.sent[owner], l.bus.channels[owner]
		if s == nil {
			s = &sent{}
			l.sent[owner] = s
		}
		switch wanted := c != nil; {
		case wanted && !s.subscribed:
			subscribe = append(subscribe, l.bus.channelName(owner))
			s.subscribed = true
			s.unanswered++
		case !wanted && s.subscribed:
			unsubscribe = append(unsubscribe, l.bus.channelName(owner))
			s.subscribed = false
			s.unanswered++
		}
		l.conclude(owner, s)
	}
	clear(l.changes)
	return subscribe, unsubscribe
}

// conclude acts on what holds once Redis has confirmed all that it was told of
// a channel. Only the last of several commands in flight may be taken for what
// holds.
func (l *link) conclude(owner pubsub.Owner, s *sent) {
	if s.unanswered > 0 {
		return
	}
	if c := l.bus.channels[owner]; s.subscribed && c != nil {
		c.nowHeard()
	}
	if !s.subscribed {
		delete(l.sent, owner)
	}
}

// changed takes note that an owner's channel came or went. The caller holds the
// bus's mutex. On a nil link it does nothing: the next link begins with all.
func (l *link) changed(owner pubsub.Owner) {
	if l != nil {
		l.changes[owner] = struct{}{}
		l.rouse()
	}
}

func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// confirmed is called for each channel of each command that Redis carried out.
func (l *link) confirmed(channelName string) {
	owner, ok := l.bus.ownerOf(channelName)
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	if s := l.sent[owner]; ok && s != nil {
		s.unanswered--
		l.conclude(owner, s)
	}
}
