package turns_test

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

	"syncline/internal/turns"
)

func owner(name string) turns.Name { return turns.Name{Of: name, Weight: 1} }

// work takes a turn and a place in it for d, and answers how long it waited.
func work(t *testing.T, p *turns.Pool, d time.Duration, names ...turns.Name) time.Duration {
	t.Helper()
	turn, began := p.Of(names...), time.Now()
	if err := turn.Take(t.Context()); err != nil {
		t.Error(err)
	}
	waited := time.Since(began)
	<-time.After(d)
	turn.Give()
	return waited
}

// crowd has n at a time work for names(i), until it is stopped.
func crowd(t *testing.T, p *turns.Pool, n int, d time.Duration, names func(i int) []turns.Name) (stop func()) {
	t.Helper()
	var next atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for ctx.Err() == nil {
				work(t, p, d, names(int(next.Add(1)-1))...)
			}
		})
	}
	synctest.Wait()
	return func() { cancel(); running.Wait() }
}

// Who asks for much waits for himself: others wait for no more than what is in hand.
func TestOneWithMuchToDoHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for name, names := range map[string]func(i int) []turns.Name{
		"one owner":              func(int) []turns.Name { return []turns.Name{owner("heavy")} },
		"one address, new keys":  func(i int) []turns.Name { return []turns.Name{owner(fmt.Sprint(i)), owner("address")} },
		"one owner, 8 addresses": func(i int) []turns.Name { return []turns.Name{owner("heavy"), owner(fmt.Sprint(i % 8))} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := turns.New(4)
				defer crowd(t, p, 300, 5*time.Millisecond, names)()
				for range 40 {
					if waited := work(t, p, time.Millisecond, owner("honest"), owner("home")); waited > 5*time.Millisecond {
						t.Fatalf("waited %v", waited)
					}
					<-time.After(20 * time.Millisecond)
				}
			})
		})
	}
}

// Where all are heavy, each gets the same, and nobody nothing.
func TestShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := turns.New(4)
		ctx, cancel := context.WithCancel(t.Context())
		var done [5]atomic.Int64 // of the last owner, by an address that has four times as much
		var running sync.WaitGroup
		for i := range done {
			for range 10 * (i + 1) {
				running.Go(func() {
					for ctx.Err() == nil {
						d := time.Duration(i+1) * time.Millisecond
						work(t, p, d, owner(fmt.Sprint(i)), turns.Name{Of: "address", Weight: 5})
						done[i].Add(int64(d))
					}
				})
			}
		}
		<-time.After(3 * time.Second)
		cancel()
		running.Wait()
		for i := range done {
			d := time.Duration(done[i].Load())
			if d < 1500*time.Millisecond || d > 3300*time.Millisecond {
				t.Errorf("owner %d had %v of 12 s for five", i, d)
			}
		}
	})
}

// However many keys come that were never seen before, those who were go on.
func TestNewcomersDoNotStarveOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := turns.New(4)
		defer crowd(t, p, 64, time.Millisecond, func(i int) []turns.Name { return []turns.Name{owner(fmt.Sprint(i))} })()
		began := time.Now()
		for range 50 {
			work(t, p, 4*time.Millisecond, owner("honest"))
		}
		// 64 at a time share four places: a 65th has a 16th of one.
		if took := time.Since(began); took > 2*16*200*time.Millisecond {
			t.Errorf("200 ms of work took %v", took)
		}
	})
}

// One owner leaves a place, so that another need not wait for work to end.
func TestOneOwnerLeavesPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := turns.New(4)
		defer crowd(t, p, 10, time.Hour, func(int) []turns.Name { return []turns.Name{owner("heavy")} })()
		for range 2 {
			if waited := work(t, p, 0, owner("other")); waited > 0 {
				t.Errorf("waited %v", waited)
			}
		}
	})
}

func TestTakeAndGive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := turns.New(2)
		first := p.Of(owner("a"))
		for range 3 { // one place all the same
			if err := first.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		second, third := p.Of(owner("a")), p.Of(owner("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := second.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		second.Give() // it has none
		served := make(chan struct{})
		go func() {
			if third.Take(t.Context()) == nil {
				close(served)
			}
		}()
		synctest.Wait()
		first.Give()
		first.Give()
		<-served
		third.Give()
		var none *turns.Pool
		turn := none.Of(owner("a"))
		if err := turn.Take(t.Context()); err != nil {
			t.Error(err)
		}
		turn.Give()
	})
}

// No more have a place at a time than there are, whoever gives up, and each gets one.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := turns.New(4)
	var working, most, gaveUp atomic.Int64
	var running sync.WaitGroup
	for i := range 64 {
		running.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				turn := p.Of(owner(fmt.Sprint(i%7)), owner(fmt.Sprint("address ", j%3)))
				if rand.IntN(4) == 0 {
					go cancel()
				}
				if turn.Take(ctx) != nil {
					gaveUp.Add(1)
				} else {
					if n := working.Add(1); n > most.Load() {
						most.Store(n)
					}
					working.Add(-1)
				}
				turn.Give()
				cancel()
			}
		})
	}
	running.Wait()
	if most.Load() > 4 {
		t.Errorf("%d had a place at a time", most.Load())
	}
	for i := range 4 { // all places are there
		if err := p.Of(owner(fmt.Sprint("last ", i))).Take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d gave up", gaveUp.Load())
}

func BenchmarkTurn(b *testing.B) {
	p := turns.New(4)
	for b.Loop() {
		turn := p.Of(owner("a"), owner("b"))
		_ = turn.Take(b.Context())
		turn.Give()
	}
}
