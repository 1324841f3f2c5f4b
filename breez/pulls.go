package breez

import (
	"context"
	"errors"
	"sync"
	"time"

	"syncline/pubsub"
	"syncline/record"
)

// Pulls counts, where all instances see it, how often an owner's clients were to pull again.
// It is safe for concurrent use.
type Pulls interface {
	// AskToPull counts once more.
	AskToPull(ctx context.Context, owner record.Owner) error
	// AskedToPull reads the counts of many owners in one query. One who never wrote may be
	// missing.
	AskedToPull(ctx context.Context, owners []record.Owner) (map[record.Owner]int64, error)
}

// pullTopic tells streams that there is more to pull, though nothing changed.
const pullTopic pubsub.Topic = "breez: pull"

// asks tells an owner's streams to pull again: by the bus, and where that ends with this
// instance, by a count that each instance compares.
type asks struct {
	bus    pubsub.Bus
	counts Pulls // nil: the bus reaches all instances

	mu    sync.Mutex
	known map[record.Owner]*count // of owners who have streams here
}

// count is how often an owner's streams at this instance know that they were to pull.
type count struct {
	n       int64
	streams int
}

// subscribe tells by the subscription of each time from now on that the owner's clients are to
// pull. Errors are the bus's and those of Pulls.
func (a *asks) subscribe(ctx context.Context, owner record.Owner) (pubsub.Subscription, error) {
	s, err := a.bus.Subscribe(ctx, owner, pullTopic)
	if err != nil || a.counts == nil {
		return s, err
	}
	counts, err := a.counts.AskedToPull(ctx, []record.Owner{owner})
	if err != nil {
		s.Close()
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[owner] == nil {
		a.known[owner] = &count{n: counts[owner]}
	}
	a.known[owner].streams++
	return &counted{s, sync.OnceFunc(func() { a.leave(owner) })}, nil
}

// counted is a subscription of an owner whose count is compared until it is closed.
type counted struct {
	pubsub.Subscription
	leave func()
}

// Close implements pubsub.Subscription.
func (c *counted) Close() {
	c.leave()
	c.Subscription.Close()
}

func (a *asks) leave(owner record.Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[owner].streams--
	if a.known[owner].streams == 0 {
		delete(a.known, owner)
	}
}

// tell has an owner's clients told to pull again, those at other instances when these compare
// next.
func (a *asks) tell(ctx context.Context, owner record.Owner) error {
	if a.counts == nil {
		return a.publish(ctx, owner)
	}
	if err := a.counts.AskToPull(ctx, owner); err != nil {
		return errors.Join(err, a.publish(ctx, owner))
	}
	a.mu.Lock()
	_, here := a.known[owner]
	a.mu.Unlock()
	if !here {
		return nil
	}
	return a.compare(ctx, []record.Owner{owner})
}

func (a *asks) publish(ctx context.Context, owner record.Owner) error {
	return a.bus.Publish(ctx, pubsub.Hint{Owner: owner, Topic: pullTopic})
}

// compare tells the streams of owners whose count has grown.
func (a *asks) compare(ctx context.Context, owners []record.Owner) error {
	counts, err := a.counts.AskedToPull(ctx, owners)
	if err != nil {
		return err
	}
	for owner, n := range counts {
		if a.learn(owner, n) {
			err = errors.Join(err, a.publish(ctx, owner))
		}
	}
	return err
}

// learn tells whether a count is news to streams of this instance, once.
func (a *asks) learn(owner record.Owner, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.known[owner]
	if known == nil || n <= known.n {
		return false
	}
	known.n = n
	return true
}

// owners are those who have streams here.
func (a *asks) owners() []record.Owner {
	a.mu.Lock()
	defer a.mu.Unlock()
	owners := make([]record.Owner, 0, len(a.known))
	for owner := range a.known {
		owners = append(owners, owner)
	}
	return owners
}

// Run compares the counts of all owners who have streams here, once per PollInterval, where
// there are Pulls. It returns the context's error when ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s.Pulls == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	due := time.NewTicker(s.PollInterval)
	defer due.Stop()
	for {
		select {
		case <-due.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		owners := s.asks.owners()
		if len(owners) == 0 {
			continue
		}
		if err := s.asks.compare(ctx, owners); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "whether clients are to pull again was not compared; the next time tries again", "error", err)
		}
	}
}

// tellTime bounds how long a reply that was cut waits for the word that there is more.
const tellTime = 5 * time.Second

func (s *Service) tellToPull(ctx context.Context, owner record.Owner) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if err := s.asks.tell(ctx, owner); err != nil {
		s.Log.WarnContext(ctx, "not all clients are told that there is more to pull; they learn it with the next change", "owner", owner.Short(), "error", err)
	}
}
