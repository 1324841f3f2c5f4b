package redisbus

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"time"

	"syncline/pubsub"
)

// How long to wait before the next attempt to connect, or to publish.
const (
	firstDelay = 50 * time.Millisecond
	maxDelay   = time.Second
)

// stayConnected connects, and again when the connection was lost, until ctx ends.
func (b *Bus) stayConnected(ctx context.Context) {
	delay := firstDelay
	for ctx.Err() == nil {
		established, err := b.connectOnce(ctx)
		if established {
			delay = firstDelay
		}
		if ctx.Err() == nil && (established || delay == firstDelay) {
			b.log.WarnContext(ctx, "no connection to Redis; live feeds and watched locks depend on polling until it is back", "error", err)
		}
		pause(ctx, delay)
		delay = min(2*delay, maxDelay)
	}
}

// pause waits for d and up to half as long again, so that the instances which
// an outage cut off do not all come back at once.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d + mathrand.N(d/2)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// connectOnce returns when a connection could not be made, or was lost after it
// was established.
func (b *Bus) connectOnce(ctx context.Context) (established bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{
		bus:     b,
		pubSub:  b.client.Subscribe(ctx), // to nothing: it does not connect yet
		mark:    rand.Text(),
		wake:    make(chan struct{}, 1),
		lost:    make(chan struct{}),
		changes: make(map[pubsub.Owner]struct{}),
		sent:    make(map[pubsub.Owner]*sent),
	}
	defer func() {
		cancel() // first, or Close would wait for what go-redis does about a lost connection
		_ = l.pubSub.Close()
	}()
	if err := l.ping(ctx, ""); err != nil {
		b.triedOnce()
		return false, err
	}
	b.attach(l)
	b.triedOnce()
	err = l.serve(ctx)
	return b.detach(l), err
}

func (b *Bus) triedOnce() {
	select {
	case <-b.tried:
	default:
		close(b.tried)
	}
}

func (b *Bus) attach(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link = l
	for owner := range b.channels {
		l.changed(owner)
	}
	l.rouse()
}

func (b *Bus) detach(l *link) (wasEstablished bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasEstablished = !b.away
	b.link, b.away = nil, true
	close(l.lost)
	for _, c := range b.channels {
		c.notHeard()
	}
	return wasEstablished
}

// established is called when all channels of a link's start are confirmed.
func (b *Bus) established(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = false
	b.log.InfoContext(ctx, "connected to Redis", "channels", len(b.channels))
}
