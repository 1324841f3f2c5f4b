package e2e

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A service whose instances are killed again and again while writes are in
// flight keeps each acknowledged write exactly once, invents none, leaves no
// hole in the revisions, and answers a retry by mutation id with what really
// happened.
func TestCrash(t *testing.T) {
	kills := 4
	if long {
		kills = 25
	}
	onEachDeployment(t, func(t *testing.T, d *deployment) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		writers := newWriters(t, d.urls(), seed)
		for round := range kills {
			crashRound(t, d, writers, 5+random.Int64N(80), 1+random.IntN(len(d.instances)))
			for owner := range ownerCount {
				checkUnsettled(t, writers, owner)
			}
			retryPending(t, writers)
			for owner := range ownerCount {
				checkSettled(t, writers, owner)
			}
			if t.Failed() {
				t.Fatalf("failed in round %d", round)
			}
		}
	})
}

// crashRound lets all writers write until enough was acknowledged, kills the
// first so many instances, starts them again, and returns when each writer has
// stopped.
func crashRound(t *testing.T, d *deployment, writers []*writer, acks int64, kills int) {
	t.Helper()
	var acknowledged atomic.Int64
	enough, killed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			for !closed(killed) {
				err := w.write(t.Context())
				if errors.Is(err, errWrong) {
					t.Errorf("writer %d: %v", w.number, err)
				}
				if err != nil {
					return
				}
				if acknowledged.Add(1) == acks {
					close(enough)
				}
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Errorf("only %d of %d writes were acknowledged in a minute", acknowledged.Load(), acks)
	}
	for _, s := range d.instances[:kills] {
		s.Kill()
	}
	close(killed)
	wg.Wait()
	for _, s := range d.instances[:kills] {
		s.Start()
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
