package synckittest

import (
	"context"
	"sync"

	"syncline/synckit"
)

// MockTransport is a synckit.Transport to a peer in memory. It knows only the
// documented interface.
type MockTransport struct {
	PushFunc      func(ctx context.Context, events []synckit.EventWithVersion) error
	PullFunc      func(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error)
	SubscribeFunc func(ctx context.Context, handler func([]synckit.EventWithVersion) error) error
	CloseFunc     func() error

	calls
	peer     events
	mu       sync.Mutex
	handlers map[int]func([]synckit.EventWithVersion) error
	next     int
}

var _ synckit.Transport = (*MockTransport)(nil)

// Peer gives what the peer has stored, in order.
func (m *MockTransport) Peer() []synckit.EventWithVersion { return m.peer.after(nil) }

// Publish has the peer store events as if somebody else had pushed them, and
// tells subscribers.
func (m *MockTransport) Publish(events ...synckit.Event) error {
	var published []synckit.EventWithVersion
	for _, e := range events {
		if err := m.peer.add(e); err != nil {
			return err
		}
		published = append(published, synckit.EventWithVersion{Event: e})
	}
	for _, handle := range m.subscribers() {
		if err := handle(published); err != nil {
			return err
		}
	}
	return nil
}

// Push implements synckit.Transport.
func (m *MockTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	m.record(Call{Method: "Push", Events: events})
	if m.PushFunc != nil {
		return m.PushFunc(ctx, events)
	}
	outcome := &synckit.PushError{Refused: map[string]error{}}
	for _, e := range events {
		if err := m.peer.add(e.Event); err != nil {
			outcome.Refused[e.Event.ID()] = err
			continue
		}
		outcome.Stored = append(outcome.Stored, e.Event.ID())
	}
	if len(outcome.Refused) > 0 {
		return outcome
	}
	return nil
}

// Pull implements synckit.Transport.
func (m *MockTransport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	m.record(Call{Method: "Pull", Since: textOf(since)})
	if m.PullFunc != nil {
		return m.PullFunc(ctx, since)
	}
	return m.peer.after(since), nil
}

// Subscribe implements synckit.Transport. It blocks until ctx ends.
func (m *MockTransport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	m.record(Call{Method: "Subscribe"})
	if m.SubscribeFunc != nil {
		return m.SubscribeFunc(ctx, handler)
	}
	defer m.subscribe(handler)()
	<-ctx.Done()
	return ctx.Err()
}

// Close implements synckit.Transport.
func (m *MockTransport) Close() error {
	m.record(Call{Method: "Close"})
	if m.CloseFunc != nil {
		return m.CloseFunc()
	}
	return nil
}

func (m *MockTransport) subscribe(handler func([]synckit.EventWithVersion) error) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.handlers == nil {
		m.handlers = map[int]func([]synckit.EventWithVersion) error{}
	}
	id := m.next
	m.next++
	m.handlers[id] = handler
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.handlers, id)
	}
}

func (m *MockTransport) subscribers() (handlers []func([]synckit.EventWithVersion) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.handlers {
		handlers = append(handlers, h)
	}
	return handlers
}
