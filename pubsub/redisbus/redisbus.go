// Package redisbus is a pubsub.Bus between instances, over Redis.
//
// Each owner has one channel, PREFIX:{OWNER}:hints, to which an instance is
// subscribed only while that owner has a reader on it; topics are told apart
// here. All channels share one connection. A hint reaches the readers of its own
// instance at once, with or without Redis, and those of the others by way of
// Redis.
//
// Redis forgets what nobody hears, so when the connection was lost, every
// subscription gets a hint of Revision 0 as soon as it stands again. Meanwhile
// Away is true and readers depend on polling; hints that could not be published
// are kept, merged, and published later.
//
// The client must follow its calls' contexts (ContextTimeoutEnabled), as those of
// internal/redisclient do. It stays open when the bus is closed.
package redisbus

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/pubsub"
)

// subscribeTime is how long Subscribe waits for Redis.
const subscribeTime = 2 * time.Second

// Bus spreads hints between instances. Make one with New.
type Bus struct {
	client redis.UniversalClient
	prefix string
	id     string // marks what this instance published, which its readers know already
	log    *slog.Logger

	outbox  *outbox
	stop    context.CancelFunc
	running sync.WaitGroup
	tried   chan struct{} // closed when the first connection stands or has failed

	mu       sync.RWMutex
	closed   bool
	channels map[pubsub.Owner]*channel
	link     *link // nil while there is no connection
	away     bool  // the connection does not carry all channels
}

var _ pubsub.Bus = (*Bus)(nil)

// Option changes a Bus from its defaults.
type Option func(*Bus)

// WithPrefix replaces "syncline" at the beginning of the channels' names, which
// keeps two deployments apart that share one Redis.
func WithPrefix(prefix string) Option {
	return func(b *Bus) { b.prefix = prefix }
}

// New makes a bus and starts to connect it.
func New(client redis.UniversalClient, log *slog.Logger, options ...Option) *Bus {
	ctx, stop := context.WithCancel(context.Background())
	b := &Bus{
		client:   client,
		prefix:   "syncline",
		id:       rand.Text(),
		log:      log,
		outbox:   newOutbox(),
		stop:     stop,
		tried:    make(chan struct{}),
		channels: make(map[pubsub.Owner]*channel),
		away:     true,
	}
	for _, option := range options {
		option(b)
	}
	b.running.Go(func() { b.stayConnected(ctx) })
	b.running.Go(func() { b.publishWaiting(ctx) })
	return b
}

// Away tells whether hints of other instances may be missed at present, so that
// readers should poll often.
func (b *Bus) Away() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.away
}

// Publish implements pubsub.Publisher. It never waits for Redis. Errors are
// pubsub.ErrClosed, and that too many hints wait for Redis already.
func (b *Bus) Publish(_ context.Context, hint pubsub.Hint) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return pubsub.ErrClosed
	}
	b.deliver(hint)
	return b.outbox.put(hint)
}

// Subscribe implements pubsub.Subscriber. It returns when Redis has confirmed
// that it will tell this instance of the owner. If Redis is away, or does not
// answer for two seconds, it returns all the same; the subscription is completed
// later and then gets a hint of Revision 0. Errors are pubsub.ErrClosed and the
// context's.
func (b *Bus) Subscribe(ctx context.Context, owner pubsub.Owner, topic pubsub.Topic) (pubsub.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, subscribeTime, errPatience)
	defer cancel()
	select {
	case <-b.tried:
	case <-ctx.Done():
	}
	s, err := b.add(owner, topic)
	if err != nil {
		return nil, err
	}
	if err := b.awaitHeard(ctx, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends all subscriptions, after an attempt to publish what waits. It may
// be called more than once.
func (b *Bus) Close() {
	b.mu.Lock()
	b.closed = true
	for _, c := range b.channels {
		c.close()
	}
	clear(b.channels)
	b.mu.Unlock()
	b.stop()
	b.running.Wait()
}
