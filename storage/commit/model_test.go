package commit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"syncline/storage/commit"
)

// Whatever fails, each unit is told the truth: what is said to be applied is, once;
// what is said not to be, is not; and nobody is shown what does not last.
func TestEachUnitIsToldTheTruth(t *testing.T) {
	t.Parallel()
	const owners, clients, each = 5, 24, 150
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1))
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	store := newMemory()
	store.fault = func() (f fault) {
		switch dice(20) {
		case 0:
			f.begin = failed(commit.Unavailable)
		case 1:
			f.lock = failed([]commit.Outcome{commit.Refused, commit.Unavailable, commit.Clashed}[dice(3)])
		case 2:
			f.commit = failed([]commit.Outcome{commit.Refused, commit.Unavailable, commit.Clashed}[dice(3)])
		case 3:
			f.commit, f.applied = failed(commit.Unknown), dice(2) == 0
		case 4:
			f.commit = errors.New("a fault of this program")
		}
		return f
	}
	e := commit.New(store, 2, 2)
	tally := map[commit.Outcome]int{}
	var wg, locking sync.WaitGroup
	done := make(chan struct{})
	locking.Go(func() { // another process
		for {
			select {
			case <-done:
				return
			default:
				store.lockElsewhere(ownerNumber(dice(owners)))()
			}
		}
	})
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				unit := &add{owner: ownerNumber(dice(owners)), name: fmt.Sprintf("%d-%d", client, n)}
				switch dice(10) {
				case 0:
					unit.name = "" // looks only
				case 1:
					unit.name = "!" + unit.name
				}
				ctx, cancel := context.WithCancel(t.Context())
				if dice(10) == 0 {
					go cancel()
				}
				err := e.Do(ctx, unit)
				cancel()
				check(t, store, unit, err)
				mu.Lock()
				tally[outcomeOf(err)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	close(done)
	locking.Wait()
	for owner := range owners {
		applied := len(store.applied(ownerNumber(owner)))
		if counted, _ := store.get(counter(ownerNumber(owner), "counter")).(int); counted != applied {
			t.Errorf("owner %d: the counter is %d, and %d units were applied", owner, counted, applied)
		}
	}
	for _, outcome := range []commit.Outcome{0, commit.Unavailable, commit.Unknown} {
		if tally[outcome] == 0 {
			t.Errorf("no unit came to %v: the test does not try it", outcome)
		}
	}
}

func check(t *testing.T, store *memory, unit *add, err error) {
	t.Helper()
	counted, _ := store.get(counter(unit.owner, "counter")).(int)
	applied := store.get(counter(unit.owner, unit.name))
	switch {
	case err == nil && unit.name == "":
		if unit.saw > counted {
			t.Errorf("a unit was shown counter %d, which is %d", unit.saw, counted)
		}
	case err == nil && applied != unit.saw:
		t.Errorf("%s was told that it raised the counter to %d; the store has %v", unit.name, unit.saw, applied)
	case err != nil && applied != nil && outcomeOf(err) != commit.Unknown:
		t.Errorf("%s was applied and told %v", unit.name, err)
	}
}
