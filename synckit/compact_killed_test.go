package synckit_test

import (
	"context"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/transport/memtransport"
)

type droppingLog interface {
	synckit.Log
	synckit.Dropper
}

// steps are those that a process has left until it is killed.
type steps struct{ left int }

func (s *steps) take() error {
	if s.left--; s.left < 0 {
		return errKilled
	}
	return nil
}

type mortalStore struct {
	droppingLog
	*steps
}

func (l mortalStore) Commit(ctx context.Context, c synckit.Commit) (synckit.Committed, error) {
	if err := l.take(); err != nil {
		return synckit.Committed{}, err
	}
	return l.droppingLog.Commit(ctx, c)
}

func (l mortalStore) Drop(ctx context.Context, aggregate string, ids []string) error {
	if err := l.take(); err != nil {
		return err
	}
	return l.droppingLog.Drop(ctx, aggregate, ids)
}

type mortalTransport struct {
	synckit.PagedTransport
	*steps
}

func (t mortalTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if err := t.take(); err != nil {
		return err
	}
	return t.PagedTransport.Push(ctx, events)
}

// A process that is killed between any two steps leaves what a later one goes on with.
func TestAKilledCompaction(t *testing.T) {
	t.Parallel()
	finished := false
	for budget := 0; !finished; budget++ {
		hub := newHub(t)
		a, other := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
		a.write("x", "a1", "a2")
		a.sync()
		other.sync()
		left := &steps{budget}
		transport := mortalTransport{memtransport.New("hub", hub), left}
		dying := synckit.NewSyncManager(mortalStore{a.store, left}, transport, nil)
		_, err := dying.Compact(t.Context(), "x", time.Time{}, sum)
		finished = err == nil
		dying.Close()
		if err := transport.Close(); err != nil {
			t.Fatal(err)
		}
		other.sync()
		expect(t, "meanwhile", other.content("x"), "a1 a2")
		other.write("x", "b1")
		other.compact("x")
		a.sync()
		for _, n := range []node{a, other} {
			expect(t, "afterwards", n.content("x"), "a1 a2 b1")
			expect(t, "held", held(t, n.store), "")
		}
		expect(t, "held by the peer", held(t, hub), "")
		if budget > 100 {
			t.Fatal("it has no end")
		}
	}
}
