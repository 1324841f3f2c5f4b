package locker

import (
	"context"
	"sync"

	"syncline/locks"
)

// gate lets through as many at a time as it has room for, in the order in which
// they came.
type gate chan struct{}

// enter waits until ctx, the request's, or server ends.
func (g gate) enter(ctx, server context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-server.Done():
		return unavailable(server.Err())
	}
}

func (g gate) leave() { <-g }

// turns has the transactions of an owner go one after the other. In the database
// they would too, but each with a connection to wait on.
type turns struct {
	mu     sync.Mutex
	owners map[locks.Owner]*turn // of those who ask for anything
}

type turn struct {
	gate
	users int // who passed the gate, and who waits before it
}

func newTurns() *turns { return &turns{owners: map[locks.Owner]*turn{}} }

func (t *turns) join(owner locks.Owner) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owners[owner] == nil {
		t.owners[owner] = &turn{gate: make(gate, 1)}
	}
	t.owners[owner].users++
	return t.owners[owner]
}

func (t *turns) part(owner locks.Owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owners[owner].users--; t.owners[owner].users == 0 {
		delete(t.owners, owner)
	}
}
