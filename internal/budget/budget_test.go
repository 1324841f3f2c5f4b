package budget_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/budget"
)

func acquire(t *testing.T, p *budget.Pool, bytes int64, shares ...budget.Share) *budget.Grant {
	t.Helper()
	g, err := p.Acquire(t.Context(), bytes, shares...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestWhoDoesNotFitWaitsAndIsThenRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		for range 64 {
			acquire(t, p, 50)
		}
		began := time.Now()
		if _, err := p.Acquire(t.Context(), 1); !errors.Is(err, budget.ErrFull) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited < time.Second || waited > 5*time.Second {
			t.Errorf("refused after %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := p.Acquire(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that ended: %v", err)
		}
		if p.Used() != 3200 || p.Waiting() != 0 || p.Refused() != 2 {
			t.Errorf("%d used, %d waiting, %d refused", p.Used(), p.Waiting(), p.Refused())
		}
	})
}

func TestWhoWaitsIsServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		var held []*budget.Grant
		for range 64 {
			held = append(held, acquire(t, p, 50))
		}
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				g := acquire(t, p, 50)
				order <- i
				g.Release()
			}()
			synctest.Wait()
		}
		held[0].Release()
		for i := range 3 {
			if got := <-order; got != i {
				t.Errorf("turn %d was that of %d", i, got)
			}
		}
		held[1].Shrink(20)
		acquire(t, p, 80)
	})
}

// Whoever has his share waits for himself, not for others, nor they for him.
func TestOneCannotTakeAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		greedy, modest := budget.Share{Name: "greedy", Part: 4}, budget.Share{Name: "modest", Part: 4}
		address := budget.Share{Name: "address", Part: 2}
		for range 8 {
			acquire(t, p, 100, greedy, address)
		}
		go func() {
			if _, err := p.Acquire(t.Context(), 100, greedy, address); !errors.Is(err, budget.ErrFull) {
				t.Errorf("more than its share: %v", err)
			}
		}()
		synctest.Wait()
		began := time.Now()
		for i := range 8 {
			acquire(t, p, 100, budget.Share{Name: fmt.Sprint("key ", i), Part: 4}, budget.Share{Name: "elsewhere", Part: 2})
		}
		acquire(t, p, 100, modest, budget.Share{Name: "at home", Part: 2})
		if waited := time.Since(began); waited > 0 {
			t.Errorf("others waited %v", waited)
		}
		if _, err := p.Acquire(t.Context(), 1000, budget.Share{Name: "many keys", Part: 4}, address); !errors.Is(err, budget.ErrFull) {
			t.Errorf("another key of an address that has its share: %v", err)
		}
	})
}

// Another key at an address does not wait for one that has its share.
func TestOneKeyDoesNotHoldUpItsAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		address := budget.Share{Name: "address", Part: 2}
		greedy := budget.Share{Name: "greedy", Part: 4}
		acquire(t, p, 800, greedy, address)
		go func() { _, _ = p.Acquire(t.Context(), 100, greedy, address) }()
		synctest.Wait()
		began := time.Now()
		acquire(t, p, 100, budget.Share{Name: "modest", Part: 4}, address)
		if waited := time.Since(began); waited > 0 {
			t.Errorf("another key waited %v", waited)
		}
		<-time.After(5 * time.Second)
	})
}

func TestGrantsGrowWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	p := budget.New(3200)
	owner := budget.Share{Name: "owner", Part: 4}
	g := acquire(t, p, 100, owner)
	if !g.Grow(500) || p.Used() != 500 || !g.Grow(100) || p.Used() != 500 {
		t.Errorf("%d bytes are granted, want 500", p.Used())
	}
	other := acquire(t, p, 100, owner)
	if other.Grow(500) || p.Used() != 600 {
		t.Errorf("a grant grew over its share: %d bytes", p.Used())
	}
	other.Release()
	if g.Grow(3300) {
		t.Error("a grant grew over the pool")
	}
}

// A grant that grows is of the kind that it has grown to, and leaves room for others.
func TestGrownGrantsLeaveRoom(t *testing.T) {
	t.Parallel()
	p := budget.New(3200)
	var grown int
	for range 8 {
		if acquire(t, p, 10).Grow(700) {
			grown++
		}
	}
	if grown != 3 {
		t.Errorf("%d grants grew to 700 of 2400 bytes", grown)
	}
	acquire(t, p, 50)
}

func TestWhoHasNothingGetsWhatIsAsked(t *testing.T) {
	t.Parallel()
	p := budget.New(3200)
	g := acquire(t, p, 5000, budget.Share{Name: "a", Part: 4})
	if p.Used() > 3200 {
		t.Errorf("%d of 3200 bytes are granted", p.Used())
	}
	g.Release()
	g.Release()
	if p.Used() != 0 {
		t.Errorf("%d bytes stay", p.Used())
	}
}

// Large answers to slow peers leave room for small ones.
func TestSmallGrantsDoNotWaitForLargeOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		large := []*budget.Grant{acquire(t, p, 1200), acquire(t, p, 1200)}
		served := make(chan struct{})
		go func() {
			acquire(t, p, 1200)
			close(served)
		}()
		synctest.Wait()
		began := time.Now()
		for range 4 {
			acquire(t, p, 100)
		}
		go func() { _, _ = p.Acquire(t.Context(), 100) }() // beyond their eighth: not before the large one
		synctest.Wait()
		for range 8 {
			acquire(t, p, 50)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("smaller ones waited %v", waited)
		}
		go func() { _, _ = p.Acquire(t.Context(), 50) }()
		synctest.Wait()
		large[0].Release()
		<-served
	})
}

// Who let memory lie lately waits behind those who did not, and is given less
// time, with whatever key or address comes next.
func TestWhoOwesMuchWaitsForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(32 << 20)
		address := budget.Share{Name: "hostile address", Part: 1}
		hostile := func(i int) []budget.Share {
			return []budget.Share{{Name: fmt.Sprint("key ", i), Part: 4}, address}
		}
		cut := 0
		hold := func(i int) {
			g, err := p.Acquire(t.Context(), 4<<20, hostile(i)...)
			if err != nil {
				return
			}
			g.Watch(new(budget.Progress), func() { cut++; go g.Release() })
		}
		for i := range 40 {
			go hold(i)
		}
		<-time.After(2500 * time.Millisecond)
		for i := range 40 { // all of them wait
			go hold(40 + i)
		}
		synctest.Wait()
		began := time.Now()
		acquire(t, p, 4<<20, budget.Share{Name: "honest", Part: 4}, budget.Share{Name: "honest address", Part: 2})
		if waited := time.Since(began); waited > 250*time.Millisecond {
			t.Errorf("an honest request waited %v", waited)
		}
		<-time.After(10 * time.Second)
		if p.Waiting() != 0 {
			t.Errorf("%d still wait", p.Waiting())
		}
	})
}

func TestTooManyWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(32 << 20)
		owes := budget.Share{Name: "owes", Part: 1}
		for range 6 {
			acquire(t, p, 4<<20, owes).Watch(new(budget.Progress), func() {})
		}
		<-time.After(5 * time.Second)
		var refused atomic.Int32
		for range 600 {
			go func() {
				if _, err := p.Acquire(t.Context(), 4<<20, owes); err != nil {
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := refused.Load(); n == 0 || n > 100 {
			t.Errorf("%d of 600 were refused at once", n)
		}
		before := refused.Load()
		go func() { _, _ = p.Acquire(t.Context(), 4<<20, budget.Share{Name: "honest", Part: 4}) }()
		synctest.Wait()
		if refused.Load() != before+1 {
			t.Error("nobody made way for one who owes nothing")
		}
	})
}

// One share does not fill the room of those who wait.
func TestTooManyOfOneShareWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := budget.New(3200)
		for range 64 {
			acquire(t, p, 50)
		}
		for range 600 {
			go func() { _, _ = p.Acquire(t.Context(), 50, budget.Share{Name: "crowd", Part: 4}) }()
		}
		synctest.Wait()
		if n := p.Waiting(); n != 128 {
			t.Errorf("%d of a share wait, want a quarter of 512", n)
		}
		go func() { _, _ = p.Acquire(t.Context(), 50, budget.Share{Name: "other", Part: 4}) }()
		synctest.Wait()
		if n := p.Waiting(); n != 129 {
			t.Errorf("%d wait with one of another share", n)
		}
		<-time.After(5 * time.Second)
	})
}

func TestPoolOfMany(t *testing.T) {
	t.Parallel()
	p := budget.New(10_000)
	var wg sync.WaitGroup
	var most, used atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for range 300 {
				n := random.Int64N(2000)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(2000))*time.Microsecond)
				g, err := p.Acquire(ctx, n, budget.Share{Name: fmt.Sprint(i % 8), Part: 4}, budget.Share{Name: "all", Part: 1})
				cancel()
				if err != nil {
					continue
				}
				for now := used.Add(n); ; {
					old := most.Load()
					if now <= old || most.CompareAndSwap(old, now) {
						break
					}
				}
				used.Add(-n)
				g.Shrink(n / 2)
				g.Release()
			}
		})
	}
	wg.Wait()
	if most.Load() > 10_000 {
		t.Errorf("%d of 10,000 bytes were granted", most.Load())
	}
	if p.Used() != 0 || p.Waiting() != 0 {
		t.Errorf("%d bytes and %d who wait stay", p.Used(), p.Waiting())
	}
}

func TestNoPoolGrantsAll(t *testing.T) {
	t.Parallel()
	var p *budget.Pool
	g, err := p.Acquire(t.Context(), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	g.Watch(new(budget.Progress), func() { t.Error("cut") })
	if !g.Grow(1 << 41) {
		t.Error("no growth")
	}
	g.Shrink(1)
	g.Release()
}

func BenchmarkAcquire(b *testing.B) {
	p := budget.New(1 << 30)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g, _ := p.Acquire(b.Context(), 1<<10, budget.Share{Name: "owner", Part: 4}, budget.Share{Name: "address", Part: 2})
			g.Release()
		}
	})
}
