package locks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"syncline/locks"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
)

func newService(t *testing.T) (*locks.Service, *memory, *inproc.Bus) {
	m, bus := newMemory(), inproc.New()
	t.Cleanup(bus.Close)
	return locks.NewService(m, bus, time.Minute, silent), m, bus
}

func request(name, instance string, ttl time.Duration) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, Exclusive: true, TTL: ttl}
}

func TestServiceRefusesBadInput(t *testing.T) {
	t.Parallel()
	s, m, _ := newService(t)
	longest, tooLong := strings.Repeat("n", locks.MaxNameBytes), strings.Repeat("n", locks.MaxNameBytes+1)
	longestID, tooLongID := strings.Repeat("é", locks.MaxInstanceIDBytes/2), strings.Repeat("é", locks.MaxInstanceIDBytes/2)+"x"
	for _, c := range []struct {
		field    string // empty: acceptable
		name, id string
		ttl      time.Duration
	}{
		{"", "a", "me", time.Second},
		{"", longest, longestID, locks.MaxTTL},
		{"name", "", "me", time.Second},
		{"name", tooLong, "me", time.Second},
		{"name", "a\x00b", "me", time.Second},
		{"name", "a\nb", "me", time.Second},
		{"name", "a\u0085b", "me", time.Second},
		{"name", "a\xff", "me", time.Second},
		{"instanceId", "a", "", time.Second},
		{"instanceId", "a", tooLongID, time.Second},
		{"instanceId", "a", "me\t", time.Second},
		{"instanceId", "a", "\xc3", time.Second},
		{"ttlSeconds", "a", "me", time.Second - 1},
		{"ttlSeconds", "a", "me", 0},
		{"ttlSeconds", "a", "me", -time.Second},
	} {
		_, acquired := s.Acquire(t.Context(), alice, request(c.name, c.id, c.ttl))
		expectField(t, "Acquire", acquired, c.field)
		_, released := s.Release(t.Context(), alice, c.name, c.id)
		_, read := s.Read(t.Context(), alice, c.name)
		watcher, watched := s.Watch(t.Context(), alice, c.name)
		if watched == nil {
			watcher.Close()
		}
		switch c.field {
		case "ttlSeconds":
		case "name":
			expectField(t, "Release", released, "name")
			expectField(t, "Read", read, "name")
			expectField(t, "Watch", watched, "name")
		default:
			expectField(t, "Release", released, c.field)
			expectField(t, "Read", read, "")
			expectField(t, "Watch", watched, "")
		}
	}
	if n := len(m.locks); n != 2 {
		t.Errorf("%d locks were touched, want the 2 of acceptable requests", n)
	}
}

func expectField(t *testing.T, call string, err error, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
		return
	}
	if invalid, ok := errors.AsType[*locks.InvalidError](err); !ok || invalid.Field != field {
		t.Errorf("%s: %v, want an InvalidError for %s", call, err, field)
	}
}

func TestServiceCapsTTL(t *testing.T) {
	t.Parallel()
	s, _, _ := newService(t)
	grant, err := s.Acquire(t.Context(), alice, request("a", "me", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if left := grant.ExpiresAt.Sub(grant.Lock.ReadAt); left != locks.MaxTTL {
		t.Errorf("a TTL of an hour became %v, want %v", left, locks.MaxTTL)
	}
}

// Hints tell of what changed, and of what may have changed.
func TestServicePublishes(t *testing.T) {
	t.Parallel()
	s, m, bus := newService(t)
	hints, err := bus.Subscribe(t.Context(), alice, pubsub.LockTopic("a"))
	if err != nil {
		t.Fatal(err)
	}
	hinted := func() bool {
		select {
		case <-hints.Hints():
			return true
		default:
			return false
		}
	}
	acquire := func(instance string) { _, _ = s.Acquire(t.Context(), alice, request("a", instance, time.Minute)) }
	release := func(instance string) { _, _ = s.Release(t.Context(), alice, "a", instance) }
	for _, step := range []struct {
		what string
		do   func()
		want bool
	}{
		{"a grant", func() { acquire("me") }, true},
		{"a renewal", func() { acquire("me") }, true},
		{"a refusal", func() { acquire("you") }, false},
		{"a reading", func() { _, _ = s.Read(t.Context(), alice, "a") }, false},
		{"bad input", func() { acquire("") }, false},
		{"another lock", func() { _, _ = s.Acquire(t.Context(), alice, request("b", "me", time.Minute)) }, false},
		{"another owner's lock", func() { _, _ = s.Acquire(t.Context(), bob, request("a", "me", time.Minute)) }, false},
		{"a release", func() { release("me") }, true},
		{"a grant of unknown outcome", func() { m.setDown(true); acquire("me") }, true},
		{"a release of unknown outcome", func() { release("me") }, true},
	} {
		if step.do(); hinted() != step.want {
			t.Errorf("%s: the hint came or not, want %v", step.what, step.want)
		}
	}
}

// leaving is a locker that grants; then the caller goes away before the hint is out.
type leaving struct {
	locks.Locker
	leave context.CancelFunc
}

func (l leaving) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	defer l.leave()
	return l.Locker.Acquire(ctx, owner, request)
}

// contextual is a bus that minds the context of Publish.
type contextual struct{ *inproc.Bus }

func (c contextual) Publish(ctx context.Context, hint pubsub.Hint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.Bus.Publish(ctx, hint)
}

func TestServicePublishesForACallerThatLeft(t *testing.T) {
	t.Parallel()
	bus := inproc.New()
	defer bus.Close()
	ctx, leave := context.WithCancel(t.Context())
	s := locks.NewService(leaving{newMemory(), leave}, contextual{bus}, time.Minute, silent)
	hints, err := bus.Subscribe(t.Context(), alice, pubsub.LockTopic("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(ctx, alice, request("a", "me", time.Minute)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints.Hints():
	default:
		t.Error("no hint was published")
	}
}
