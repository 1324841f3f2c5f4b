package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/client"
)

// phaseTime is how long a phase of a fault test lasts at least. Each test has
// three phases or more.
func phaseTime() time.Duration {
	if long {
		return 7 * time.Second
	}
	return time.Second
}

// load is writers and followers of a few owners, who go on whatever happens to
// the service. Writers write one after the other as fast as they are answered; in
// calm phases they rest in between, which leaves the processors to other tests.
type load struct {
	t         *testing.T
	writers   []*writer
	followers []*mirror
	calmly    atomic.Bool
	stopping  chan struct{}
	stop      func()
	rest      time.Duration // of a writer after each write

	mu    sync.Mutex
	phase tally
}

// tally counts what a phase brought.
type tally struct {
	acknowledged [writerCount]int
	notApplied   int           // UNAVAILABLE, NOT_APPLIED
	unknown      int           // UNAVAILABLE, UNKNOWN
	lost         int           // no answer
	corrected    int           // clocks of clients
	slowest      time.Duration // of the acknowledged and the refused
	errors       []string      // the first few
}

// startLoad begins to write to and to follow the service at these URLs. The
// writers of an owner, and its followers, are spread over them.
func startLoad(t *testing.T, urls []string) *load {
	t.Helper()
	return startSlowLoad(t, urls, 0)
}

// startSlowLoad is startLoad with writers who rest after each write.
func startSlowLoad(t *testing.T, urls []string, rest time.Duration) *load {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := &load{t: t, writers: newWriters(t, urls, seed), stopping: make(chan struct{}), rest: rest}
	for i, w := range l.writers {
		l.followers = append(l.followers, startMirror(t.Context(), t, urls[(i/ownerCount+1)%len(urls)], w.key, 0))
	}
	var wg sync.WaitGroup
	for _, w := range l.writers {
		wg.Go(func() { l.write(w) })
	}
	l.stop = sync.OnceFunc(func() {
		close(l.stopping)
		wg.Wait()
	})
	t.Cleanup(l.stop)
	return l
}

// write writes until the load is stopped. What is in flight then stays pending.
func (l *load) write(w *writer) {
	for !closed(l.stopping) {
		if w.pending == nil {
			w.begin()
		}
		began := time.Now()
		err := w.send(l.t.Context())
		l.count(w, err, time.Since(began))
		if errors.Is(err, errWrong) {
			l.t.Errorf("writer %d: %v", w.number, err)
			return
		}
		switch {
		case err != nil:
			pause(l.stopping, 50*time.Millisecond)
		case l.calmly.Load():
			pause(l.stopping, 20*time.Millisecond)
		}
		if l.rest > 0 {
			pause(l.stopping, l.rest)
		}
	}
}

// pause waits, unless it is stopped before.
func pause(stop <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-stop:
	case <-timer.C:
	}
}

func (l *load) count(w *writer, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && len(l.phase.errors) < 5 {
		l.phase.errors = append(l.phase.errors, fmt.Sprintf("after %v: %v", took.Round(time.Millisecond), err))
	}
	refused, answered := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		l.phase.acknowledged[w.number]++
	case !answered:
		l.phase.lost++
		return
	case refused.text("outcome") == "NOT_APPLIED":
		l.phase.notApplied++
	case refused.text("outcome") == "UNKNOWN":
		l.phase.unknown++
	case refused.text("code") == "SIGNATURE_EXPIRED":
		l.phase.corrected++
	}
	l.phase.slowest = max(l.phase.slowest, took)
}

// during runs a phase in which writers do not rest: what happens in it, and then as
// long as it takes for each writer to have had a write acknowledged that began in it.
func (l *load) during(name string, happens func()) tally {
	l.t.Helper()
	if l.calmly.Swap(false) {
		l.mustWrite(1) // who rested no longer does
	}
	return l.in(name, happens)
}

// steady is a phase in which nothing happens beyond what is so all along, after
// which each writer must have written and each follower be with it.
func (l *load) steady(name string) tally {
	l.t.Helper()
	return l.during(name, func() {
		pause(nil, phaseTime())
		l.mustGoOn()
	})
}

// calm is a steady phase before, between or after faults, in which writers rest.
func (l *load) calm(name string) tally {
	l.t.Helper()
	l.calmly.Store(true)
	return l.in(name, func() {
		pause(nil, phaseTime())
		l.mustGoOn()
	})
}

func (l *load) in(name string, happens func()) tally {
	l.t.Helper()
	l.mu.Lock()
	l.phase = tally{}
	l.mu.Unlock()
	happens()
	return l.report(name)
}

func (l *load) report(name string) tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.phase
	l.t.Logf("%s: %d acknowledged, %d not applied, %d unknown, %d without answer, %d clocks corrected; the slowest answer took %v",
		name, p.sum(), p.notApplied, p.unknown, p.lost, p.corrected, p.slowest.Round(time.Millisecond))
	return p
}

func (p tally) sum() (acknowledged int) {
	for _, n := range p.acknowledged {
		acknowledged += n
	}
	return acknowledged
}

// mustGoOn waits until each writer has two more writes acknowledged, the second
// of which began after this call, and until each follower has heard of them.
func (l *load) mustGoOn() {
	l.t.Helper()
	l.mustWrite(2)
	heads := l.heads()
	until(l.t, time.Minute, func() bool {
		for i, f := range l.followers {
			if f.position() < heads[l.writers[i].owner] {
				return false
			}
		}
		return true
	}, func() { l.t.Errorf("in a minute not every follower heard of what was written") })
}

// mustWrite waits until each writer has so many more writes acknowledged.
func (l *load) mustWrite(writes int) {
	l.t.Helper()
	before := l.snapshot()
	until(l.t, time.Minute, func() bool {
		now := l.snapshot()
		for i := range now {
			if now[i] < before[i]+writes {
				return false
			}
		}
		return true
	}, func() { l.t.Errorf("in a minute not every writer could write: %v, then %v", before, l.snapshot()) })
}

func (l *load) snapshot() [writerCount]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase.acknowledged
}

// heads reads the head of each owner.
func (l *load) heads() (heads [ownerCount]client.Revision) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for owner := range heads {
		w := l.writers[owner]
		v, err := newClient(l.t, w.url, w.key).Viewer(ctx)
		if err != nil {
			l.t.Fatal(err)
		}
		heads[owner] = v.Head
	}
	return heads
}

// finish stops the load and checks that each acknowledged write is there once,
// that retries converge, and that each follower ends with what the service has.
func (l *load) finish() {
	l.t.Helper()
	l.stop()
	retryPending(l.t, l.writers)
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for owner := range ownerCount {
		checkUnsettled(l.t, l.writers, owner)
		checkSettled(l.t, l.writers, owner)
		w := l.writers[owner]
		want, head := serverState(ctx, l.t, newClient(l.t, w.url, w.key))
		for i, f := range l.followers {
			if l.writers[i].owner == owner {
				f.waitFor(ctx, l.t, head)
				f.compare(l.t, i, want)
			}
		}
	}
}
