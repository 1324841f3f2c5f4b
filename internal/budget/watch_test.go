package budget_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/budget"
)

func TestStalledPeersAreCutWhileOthersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		cut := map[string]time.Duration{}
		began := time.Now()
		var mu sync.Mutex
		watch := func(name string) *budget.Progress {
			g, peer := acquire(t, p, 1200), new(budget.Progress)
			g.Watch(peer, func() {
				mu.Lock()
				cut[name] = time.Since(began)
				mu.Unlock()
				go g.Release()
			})
			return peer
		}
		watch("stalled")
		moving := watch("moving")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 100 {
				<-time.After(100 * time.Millisecond)
				moving.Made()
			}
		}()
		<-time.After(5 * time.Second)
		if len(cut) > 0 {
			t.Errorf("cut while nobody waits: %v", cut)
		}
		acquire(t, p, 1200)
		<-done
		if len(cut) != 1 || cut["stalled"] > 5500*time.Millisecond {
			t.Errorf("cut: %v", cut)
		}
	})
}

// An answer whose end would help nobody who waits is left alone.
func TestWhoWaitsForHisShareHasNoOtherCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		greedy, address := budget.Share{Name: "greedy", Part: 4}, budget.Share{Name: "address", Part: 2}
		hold := func(bytes int64, shares ...budget.Share) *atomic.Bool {
			g, cut := acquire(t, p, bytes, shares...), new(atomic.Bool)
			g.Watch(new(budget.Progress), func() { cut.Store(true); go g.Release() })
			return cut
		}
		other, neighbour := hold(100, budget.Share{Name: "other", Part: 4}), hold(100, budget.Share{Name: "neighbour", Part: 4}, address)
		own := hold(800, greedy, address)
		acquire(t, p, 800, greedy, address) // once the owner's own answer is cut
		if other.Load() || neighbour.Load() || !own.Load() {
			t.Errorf("cut: other %v, neighbour %v, own %v", other.Load(), neighbour.Load(), own.Load())
		}
		acquire(t, p, 700, budget.Share{Name: "more", Part: 1}, address) // the address is full
		go func() { _, _ = p.Acquire(t.Context(), 100, budget.Share{Name: "last", Part: 4}, address) }()
		<-time.After(2 * time.Second)
		if other.Load() || !neighbour.Load() {
			t.Errorf("cut for the address: other %v, neighbour %v", other.Load(), neighbour.Load())
		}
	})
}

// A cut never comes after Unwatch: it might meet what comes next on a connection.
func TestNoCutAfterUnwatch(t *testing.T) {
	t.Parallel()
	p := budget.New(3200)
	g := acquire(t, p, 800)
	var ended atomic.Bool
	began, proceed := make(chan struct{}), make(chan struct{})
	g.Watch(new(budget.Progress), func() {
		close(began)
		<-proceed
		ended.Store(true)
	})
	acquire(t, p, 1600)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = p.Acquire(ctx, 1600) }()
	<-began
	time.AfterFunc(50*time.Millisecond, func() { close(proceed) })
	if g.Unwatch(); !ended.Load() {
		t.Error("Unwatch returned while cut was running")
	}
}

// What was last seen of a peer counts for a grant that is watched later.
// What was given back neither grows nor is watched.
func TestNothingAfterRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		g := acquire(t, p, 100)
		g.Release()
		g.Watch(new(budget.Progress), func() { t.Error("what was given back is cut") })
		if g.Grow(200) || p.Used() != 0 {
			t.Errorf("%d bytes are held by what was given back", p.Used())
		}
		for range 64 {
			acquire(t, p, 50)
		}
		_, _ = p.Acquire(t.Context(), 50) // waits, and has stalled peers looked for
	})
}

func TestWatchIsNoProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		peer, cut := new(budget.Progress), new(atomic.Bool)
		large := acquire(t, p, 2400)
		large.Watch(peer, func() { cut.Store(true); go large.Release() })
		go func() {
			for range 30 {
				<-time.After(90 * time.Millisecond)
				g, err := p.Acquire(t.Context(), 10)
				if err != nil {
					t.Error(err)
					return
				}
				g.Watch(peer, func() {})
				g.Release()
			}
		}()
		if _, err := p.Acquire(t.Context(), 1600); err != nil || !cut.Load() {
			t.Errorf("%v; cut: %v", err, cut.Load())
		}
		<-time.After(3 * time.Second)
	})
}
