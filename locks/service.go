package locks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"syncline/internal/input"
	"syncline/pubsub"
)

// Service is the use of locks: it validates, lets the Locker decide, then tells
// those who watch.
type Service struct {
	locker       Locker
	shared       *reads // of watchers
	bus          pubsub.Bus
	pollInterval time.Duration
	log          *slog.Logger
	pollNow      chan struct{} // holds one request to poll before the interval is over
	admit        func(context.Context, Owner) error

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// NewService puts a locker and a bus to use. It depends on Run for hints that
// the bus loses.
func NewService(locker Locker, bus pubsub.Bus, pollInterval time.Duration, log *slog.Logger) *Service {
	return &Service{
		locker:       locker,
		shared:       newReads(locker),
		bus:          bus,
		pollInterval: pollInterval,
		log:          log,
		pollNow:      make(chan struct{}, 1),
		watchers:     make(map[*Watcher]struct{}),
	}
}

// AdmitOwners has Acquire ask first whether the owner may have locks, and answer the
// error if there is one. It is called before the service is used.
func (s *Service) AdmitOwners(admit func(context.Context, Owner) error) { s.admit = admit }

// Acquire takes, renews, upgrades or downgrades a lock. That others hold it is
// an answer, not an error. A TTL above MaxTTL is capped. Errors are
// *InvalidError, *UnavailableError, the context's, or that of AdmitOwners.
func (s *Service) Acquire(ctx context.Context, owner Owner, request Request) (Grant, error) {
	if err := validate(request); err != nil {
		return Grant{}, err
	}
	if s.admit != nil {
		if err := s.admit(ctx, owner); err != nil {
			return Grant{}, err
		}
	}
	request.TTL = min(request.TTL, MaxTTL)
	grant, err := s.locker.Acquire(ctx, owner, request)
	if grant.Acquired || err != nil { // an error may hide that it was granted
		s.tell(ctx, owner, request.Name)
	}
	return grant, err
}

// Release ends the instance's hold, if it has one, and answers the state after.
// Errors are *InvalidError, *UnavailableError or the context's.
func (s *Service) Release(ctx context.Context, owner Owner, name, instanceID string) (Lock, error) {
	if err := validateKey(name, instanceID); err != nil {
		return Lock{}, err
	}
	key := Key{Owner: owner, Name: name}
	if s.admit != nil && s.admit(ctx, owner) != nil { // who may have no locks, has none: no trace is left of asking
		if lock, err := s.read(ctx, key); err == nil && !lock.heldBy(instanceID) {
			return lock, nil
		}
	}
	lock, err := s.locker.Release(ctx, key, instanceID)
	s.tell(ctx, owner, name)
	return lock, err
}

// Read reads a lock. A lock that was never taken is free. Errors are
// *InvalidError, *UnavailableError or the context's.
func (s *Service) Read(ctx context.Context, owner Owner, name string) (Lock, error) {
	if err := validateName(name); err != nil {
		return Lock{}, err
	}
	return s.read(ctx, Key{Owner: owner, Name: name})
}

func (s *Service) read(ctx context.Context, key Key) (Lock, error) {
	found, err := s.locker.Read(ctx, []Key{key})
	if err != nil {
		return Lock{}, err
	}
	return found[0], nil
}

// Forget is called after all of an owner's data was erased, which ended the holds of
// these locks as far as the store of records knows of them. It ends the others, with
// tokens up to newest, and tells those who watch.
func (s *Service) Forget(ctx context.Context, owner Owner, names []string, newest Token) {
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = Key{Owner: owner, Name: name}
	}
	if f, ok := s.locker.(Forgetter); ok && len(keys) > 0 {
		if err := f.Forget(ctx, keys, newest); err != nil {
			s.log.WarnContext(ctx, "locks of an erased account not ended; they end when their time runs out", "owner", owner.Short(), "error", err)
		}
	}
	for _, name := range names {
		s.tell(ctx, owner, name)
	}
}

// tell publishes that a lock may have changed. The change stands whatever
// becomes of the hint, so a caller that has gone away must not hold it back.
func (s *Service) tell(ctx context.Context, owner Owner, name string) {
	hint := pubsub.Hint{Owner: owner, Topic: pubsub.LockTopic(name)}
	if err := s.bus.Publish(context.WithoutCancel(ctx), hint); err != nil {
		s.log.WarnContext(ctx, "hint not published; watchers of the lock learn by polling", "owner", owner.Short(), "error", err)
	}
}

func validate(request Request) error {
	if err := validateKey(request.Name, request.InstanceID); err != nil {
		return err
	}
	if request.TTL < MinTTL {
		return input.Errorf("ttlSeconds", "must be at least %d", int(MinTTL/time.Second))
	}
	return nil
}

func validateKey(name, instanceID string) error {
	if err := validateName(name); err != nil {
		return err
	}
	return input.Text("instanceId", instanceID, 1, MaxInstanceIDBytes)
}

func validateName(name string) error {
	return input.Text("name", name, 1, MaxNameBytes)
}
