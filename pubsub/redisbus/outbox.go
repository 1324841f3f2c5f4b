package redisbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/pubsub"
)

const (
	publishTime = 2 * time.Second // for one batch
	lastTime    = time.Second     // for what waits when the bus is closed
	maxBatch    = 500
	maxWaiting  = 100_000
)

var errFull = errors.New("redisbus: too many hints wait for Redis")

// outbox holds the hints that Redis has not got yet, one for each topic.
type outbox struct {
	wake chan struct{} // holds one word that there are hints

	mu      sync.Mutex
	waiting map[key]pubsub.Hint
}

type key struct {
	owner pubsub.Owner
	topic pubsub.Topic
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), waiting: make(map[key]pubsub.Hint)}
}

func (o *outbox) put(hint pubsub.Hint) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := key{hint.Owner, hint.Topic}
	if waiting, ok := o.waiting[k]; ok {
		hint = hint.Merge(waiting)
	} else if len(o.waiting) >= maxWaiting {
		return errFull
	}
	o.waiting[k] = hint
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

func (o *outbox) take() []pubsub.Hint {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := make([]pubsub.Hint, 0, min(len(o.waiting), maxBatch))
	for k, hint := range o.waiting {
		if len(batch) == maxBatch {
			break
		}
		batch = append(batch, hint)
		delete(o.waiting, k)
	}
	return batch
}

// publishWaiting brings hints to Redis, those that came while it was busy with
// others as one batch.
func (b *Bus) publishWaiting(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			b.publishLast()
			return
		case <-b.outbox.wake:
		}
		b.publishAll(ctx)
	}
}

// publishAll returns when nothing waits any more, or ctx ends.
func (b *Bus) publishAll(ctx context.Context) {
	delay := firstDelay
	for ctx.Err() == nil {
		batch := b.outbox.take()
		if len(batch) == 0 {
			return
		}
		if b.publish(ctx, batch) == nil {
			delay = firstDelay
			continue
		}
		b.putBack(batch)
		pause(ctx, delay)
		delay = min(2*delay, maxDelay)
	}
}

func (b *Bus) publish(ctx context.Context, batch []pubsub.Hint) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	_, err := b.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, hint := range batch {
			pipe.Publish(ctx, b.channelName(hint.Owner), encode(b.id, hint))
		}
		return nil
	})
	return err
}

// putBack keeps hints that Redis did not take, as far as there is room: readers
// who miss one find out by polling.
func (b *Bus) putBack(batch []pubsub.Hint) {
	for _, hint := range batch {
		_ = b.outbox.put(hint)
	}
}

// publishLast is for the writes just before the end, whose readers on other
// instances would else wait for their next poll.
func (b *Bus) publishLast() {
	ctx, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	for batch := b.outbox.take(); len(batch) > 0; batch = b.outbox.take() {
		if err := b.publish(ctx, batch); err != nil {
			b.log.Warn("hints not published; their readers learn by polling", "hints", len(batch), "error", err)
			return
		}
	}
}

// encode writes a hint as its publisher, with its trace if it has one, revision and topic. Versions that
// know no traces take both for a publisher that is not themselves.
func encode(from string, hint pubsub.Hint) string {
	if hint.Trace != "" {
		from += traceMark + hint.Trace
	}
	return fmt.Sprintf("%s %d %s", from, hint.Revision, hint.Topic)
}

// traceMark is in no publisher's name.
const traceMark = ";"

func decode(owner pubsub.Owner, payload string) (from string, hint pubsub.Hint, err error) {
	from, rest, _ := strings.Cut(payload, " ")
	revision, topic, ok := strings.Cut(rest, " ")
	hint = pubsub.Hint{Owner: owner, Topic: pubsub.Topic(topic)}
	from, hint.Trace, _ = strings.Cut(from, traceMark)
	if hint.Revision, err = strconv.ParseInt(revision, 10, 64); err == nil && !ok {
		err = errors.New("redisbus: a message without a topic")
	}
	return from, hint, err
}
