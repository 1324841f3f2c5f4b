package redis

import (
	"cmp"
	"context"
	_ "embed" // scripts
	stderrors "errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/synckit"
)

//go:embed find.lua
var findSource string

var findScript = redis.NewScript(findSource)

// tell wakes those who wait, unless they were told of this change of the log already: by
// the answer to the commit, or by the channel.
func (s *Store) tell(change int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change > s.changes {
		s.changes = change
		s.changed.Raise()
	}
}

// look finds out whether something was missed.
func (s *Store) look() error {
	found, err := s.client.HGet(s.ctx, s.keys.state(), "changes").Int64()
	if err != nil && !stderrors.Is(err, redis.Nil) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found != s.changes { // lower: Redis has lost something
		s.changes = found
		s.changed.Raise()
	}
	return nil
}

// startListening begins to listen, and returns once nothing is missed any more. Its error is
// why it cannot: at once if the user may not, else what failed last when ctx ended.
func (s *Store) startListening(ctx context.Context) error {
	listening, failed := make(chan struct{}), make(chan error, 1)
	s.running.Go(func() { s.listen(listening, failed) })
	var last error
	for {
		select {
		case <-listening:
			return nil
		case last = <-failed:
			if redis.IsPermissionError(last) {
				return last
			}
		case <-ctx.Done():
			return cmp.Or(last, context.Cause(ctx))
		}
	}
}

// listen wakes those who wait at each commit of any process, until Close. begun is closed
// once it hears. failed gets why a connection broke, if somebody takes it.
func (s *Store) listen(begun chan struct{}, failed chan<- error) {
	var once sync.Once
	for s.ctx.Err() == nil {
		err := s.hear(func() { once.Do(func() { close(begun) }) })
		if s.ctx.Err() != nil {
			return
		}
		s.logger.Printf("listening on %s: %v", s.keys.channel(), err)
		select {
		case failed <- err:
		default:
		}
		timer := time.NewTimer(s.reconnect)
		select {
		case <-s.ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

var errSilent = stderrors.New("the server does not answer")

// hear listens on one connection until it breaks.
func (s *Store) hear(begun func()) error {
	subscription := s.client.Subscribe(s.ctx, s.keys.channel())
	closing := sync.OnceFunc(func() { _ = subscription.Close() }) // it ends either way
	defer closing()
	stop := context.AfterFunc(s.ctx, closing) // go-redis reads on, whatever becomes of a context
	defer stop()
	asked := false // for a sign of life
	for {
		told, err := subscription.ReceiveTimeout(s.ctx, s.poll)
		if failed, ok := stderrors.AsType[net.Error](err); ok && failed.Timeout() {
			if asked {
				return errSilent
			}
			asked = true
			err = subscription.Ping(s.ctx)
			if err == nil {
				err = s.look()
			}
		}
		if err != nil {
			return err
		}
		switch told := told.(type) {
		case *redis.Subscription:
			if err := s.look(); err != nil { // what was committed while nobody listened
				return err
			}
			begun()
		case *redis.Message:
			change, err := strconv.ParseInt(told.Payload, 10, 64)
			if err != nil {
				return fmt.Errorf("somebody else uses the channel: %w", err)
			}
			s.tell(change)
		}
		if told != nil {
			asked = false
		}
	}
}

// NotificationPayload tells of an event that was committed.
type NotificationPayload struct {
	Version                    int64 // its position
	ID, AggregateID, EventType string
	Entry                      synckit.Entry // all of it
}

// SubscribeToAll has handler called for each event that is committed from now on, by any
// process, in order and without gaps, until ctx ends, the store is closed or handler fails.
// It returns once that has begun. A broken connection, or a message that Redis has not
// passed on, delays events and loses none; what Redis has lost of the log itself is not told of. When ctx
// ends or Close is called, one call may still be running or about to begin; none comes after it.
func (s *Store) SubscribeToAll(ctx context.Context, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, "", "")
}

// SubscribeToStream is SubscribeToAll for the events of an aggregate.
func (s *Store) SubscribeToStream(ctx context.Context, aggregateID string, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, fieldAggregate, aggregateID)
}

// SubscribeToEventType is SubscribeToAll for the events of a type.
func (s *Store) SubscribeToEventType(ctx context.Context, eventType string, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, fieldType, eventType)
}

// subscriptionPage is how many entries a subscription looks at in one go.
const subscriptionPage = 100

func (s *Store) subscribe(ctx context.Context, handler func(NotificationPayload) error, field, value string) error {
	if handler == nil {
		return contradiction("the handler is missing")
	}
	var at uint64
	err := s.do(ctx, "subscribe", func() (err error) {
		at, err = s.latest(ctx)
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	go func() {
		defer cancel()
		defer stop()
		if err := s.follow(ctx, at, handler, field, value); err != nil && ctx.Err() == nil {
			s.logger.Printf("a subscription has ended: %v", err)
		}
	}()
	return nil
}

// follow calls handler for what comes after a position. Redis that fails is tried again.
func (s *Store) follow(ctx context.Context, at uint64, handler func(NotificationPayload) error, field, value string) error {
	for ctx.Err() == nil {
		changed := s.Changed() // before looking, so that nothing is missed
		var entries []synckit.Entry
		next := at
		err := s.do(ctx, "subscribe", func() (err error) {
			entries, next, err = s.matching(ctx, at, field, value)
			return err
		})
		for _, e := range entries {
			if ctx.Err() != nil || s.ctx.Err() != nil { // ctx ends a moment after the store's
				return ctx.Err()
			}
			if err := handler(NotificationPayload{int64(e.Position), e.Event.ID(), e.Event.AggregateID(), e.Event.Type(), e}); err != nil {
				return err
			}
		}
		var again <-chan time.Time
		switch {
		case err != nil:
			s.logger.Printf("subscribe: %v", err)
			again = time.After(s.reconnect)
			changed = nil
		case next < at:
			s.logger.Printf("Redis has lost events after %d: a subscription goes on from there", next)
			fallthrough
		case next > at:
			at = next
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again:
		}
	}
	return ctx.Err()
}

// matching gives those of the next entries that have a value in a field (empty: all), and
// the position up to which it has looked: the one given if nothing came after it, or the
// newest of a log that ends before it.
func (s *Store) matching(ctx context.Context, at uint64, field, value string) (entries []synckit.Entry, next uint64, err error) {
	if field == "" {
		if entries, err = s.page(ctx, at, subscriptionPage); err != nil {
			return nil, at, err
		}
		if len(entries) > 0 {
			return entries, uint64(entries[len(entries)-1].Position), nil
		}
	} else {
		found, err := findScript.Run(ctx, s.client, []string{s.keys.log()}, position(at), subscriptionPage, field, value).StringSlice()
		if err != nil {
			return nil, at, err
		}
		positions, err := parsePositions(found)
		if err != nil {
			return nil, at, err
		}
		if positions[0] > at {
			entries, err = s.fetch(ctx, positions[1:])
			return entries, positions[0], err
		}
	}
	latest, err := s.latest(ctx)
	return nil, min(at, latest), err
}
