package redisbus

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/pubsub"
)

// How the connection is watched. Silence is counted in intervals, not by a
// clock: that may be set, and a process that was stopped has heard nothing.
const (
	writeTime     = 2 * time.Second
	watchInterval = 500 * time.Millisecond
	pingAfter     = 2 // intervals of silence
	maxSilence    = 6 // intervals; then the connection is given up
)

var errSilent = errors.New("redisbus: Redis stopped answering")

// link is one connection that listens to the channels. go-redis would renew it
// unnoticed; a link ends with its first error instead, so that everybody can be
// told what they may have missed.
type link struct {
	bus     *Bus
	pubSub  *redis.PubSub
	mark    string        // a ping that Redis answers after it has subscribed to all
	silence atomic.Int32  // intervals since the last word from Redis
	wake    chan struct{} // holds one word that there are changes
	lost    chan struct{} // closed when the link is no more

	// The bus's mutex guards these.
	changes map[pubsub.Owner]struct{} // whose channel may have to be sent
	sent    map[pubsub.Owner]*sent
}

// serve writes until something fails, beside a reader.
func (l *link) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		cancel(l.read(ctx))
	}()
	defer func() {
		cancel(nil)
		_ = l.pubSub.Close() // ends the reader
		<-read
	}()
	if err := l.hearProbes(ctx); err != nil {
		return err
	}
	if err := l.sendChanges(ctx); err != nil {
		return err
	}
	if err := l.ping(ctx, l.mark); err != nil {
		return err
	}
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.wake:
			err = l.sendChanges(ctx)
		case <-watch.C:
			err = l.watch(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// hearProbes subscribes to a channel that is always there. Where that is forbidden,
// the connection fails now, not with the first reader.
func (l *link) hearProbes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return l.pubSub.Subscribe(ctx, l.bus.probeChannel())
}

// watch finds out whether Redis still answers.
func (l *link) watch(ctx context.Context) error {
	switch silence := l.silence.Add(1); {
	case silence > maxSilence:
		return errSilent
	case silence > pingAfter:
		return l.ping(ctx, "")
	default:
		return nil
	}
}

// ping connects first, where there is no connection: to any node of a cluster,
// for each of them tells of all channels.
func (l *link) ping(ctx context.Context, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return l.pubSub.Ping(ctx, payload)
}

// gone is the end of a link that is not there.
var gone = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// end is closed when the link is no more, or never was.
func (l *link) end() <-chan struct{} {
	if l == nil {
		return gone
	}
	return l.lost
}

// read handles what comes until the connection fails.
func (l *link) read(ctx context.Context) error {
	for {
		message, err := l.pubSub.Receive(ctx)
		if err != nil {
			return err
		}
		l.silence.Store(0)
		switch m := message.(type) {
		case *redis.Message:
			l.bus.receive(m.Channel, m.Payload)
		case *redis.Subscription:
			l.confirmed(m.Channel)
		case *redis.Pong:
			if m.Payload == l.mark {
				l.bus.established(ctx)
			}
		}
	}
}
