package synckit_test

import (
	"bytes"
	"context"
	stderrors "errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/metrics"
	"syncline/synckit/storage/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// autoNode is a node whose transport counts its pulls, fails on demand and has
// no live connection unless given one.
type autoNode struct {
	*synckit.Manager
	store *memory.Store
	hub   *memory.Store
	pulls atomic.Int64
	down  atomic.Bool
	fake  *scripted
}

func newAutoNode(t *testing.T, options synckit.SyncOptions) *autoNode {
	t.Helper()
	n := &autoNode{store: memory.New(), hub: memory.New()}
	n.fake = newScripted(n.hub)
	n.fake.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		n.pulls.Add(1)
		if n.down.Load() {
			return synckit.Page{}, stderrors.New("offline")
		}
		return n.fake.PagedTransport.PullPage(ctx, since, limit)
	}
	n.fake.subscribe = func(context.Context, func([]synckit.EventWithVersion) error) error {
		return errors.New(errors.Unsupported, "subscribe", nil)
	}
	n.Manager = synckit.NewSyncManager(n.store, n.fake, &options)
	return n
}

func (n *autoNode) start(t *testing.T) {
	t.Helper()
	if err := n.StartAutoSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (n *autoNode) stop(t *testing.T) {
	t.Helper()
	check(t, "stop", n.StopAutoSync(), nil)
	check(t, "auto sync", n.Status().AutoSync, false)
	n.fake.Close()
}

// after lets time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAutoSyncPollsAtItsInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Minute})
		n.start(t)
		check(t, "at once", n.pulls.Load(), 1)
		check(t, "status", n.Status().AutoSync, true)
		checkCode(t, n.StartAutoSync(t.Context()), errors.InvalidOptions)
		after(time.Minute - time.Millisecond)
		check(t, "before the interval", n.pulls.Load(), 1)
		after(time.Millisecond)
		check(t, "after the interval", n.pulls.Load(), 2)
		check(t, "last sync", n.Status().LastSync, time.Now())
		n.stop(t)
		n.stop(t)
		after(time.Hour)
		check(t, "after stop", n.pulls.Load(), 2)
		n.start(t)
		check(t, "started again", n.pulls.Load(), 3)
		check(t, "close", n.Close(), nil)
	})
}

func TestAutoSyncBacksOffAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Minute, MaxRetryDelay: 16 * time.Second})
		n.down.Store(true)
		n.start(t)
		check(t, "connection", n.Status().Connection, synckit.Offline)
		checkCode(t, n.Status().LastError, errors.Unavailable)
		last, spread := time.Now(), false
		for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 16} {
			longest := seconds * time.Second
			for before := n.pulls.Load(); n.pulls.Load() == before; {
				after(time.Millisecond)
			}
			waited := time.Since(last)
			if waited < longest/2 || waited > longest+time.Millisecond {
				t.Errorf("retried after %s, want %s to %s", waited, longest/2, longest)
			}
			spread = spread || waited%(500*time.Millisecond) > time.Millisecond
			last = time.Now()
		}
		check(t, "delays are spread", spread, true)
		failures := n.Status().Failures
		check(t, "failures are counted", failures >= 7, true)
		n.down.Store(false)
		after(16 * time.Second)
		check(t, "connection", n.Status().Connection, synckit.Online)
		check(t, "failures", n.Status().Failures, 0)
		n.stop(t)
	})
}

func TestAutoSyncPushesWhatIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour})
		n.start(t)
		for _, id := range []string{"a1", "a2", "a3"} {
			if err := n.store.Store(t.Context(), newEvent(id, "x"), nil); err != nil {
				t.Fatal(err)
			}
		}
		after(time.Second)
		check(t, "hub", logOf(t, n.hub), "a1 a2 a3")
		check(t, "syncs", n.pulls.Load(), 2)
		after(time.Minute)
		check(t, "syncs later", n.pulls.Load(), 2)
		n.stop(t)
	})
}

// A peer that asks for time gets it, within bounds.
func TestAutoSyncWaitsAsLongAsThePeerAsks(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{"1m30s": 90 * time.Second, "1000h": 5 * time.Minute, "-1m": 0, "soon": 0} {
		synctest.Test(t, func(t *testing.T) {
			n := newAutoNode(t, synckit.SyncOptions{})
			n.fake.pullPage = func(context.Context, string, int) (synckit.Page, error) {
				n.pulls.Add(1)
				return synckit.Page{}, errors.New(errors.Unavailable, "pull", nil, errors.Metadata{errors.RetryAfter: asked})
			}
			n.start(t)
			began := time.Now()
			for n.pulls.Load() == 1 {
				after(100 * time.Millisecond)
			}
			if waited := time.Since(began); waited < want || waited > want*3/2+2*time.Second {
				t.Errorf("asked to wait %s, waited %v", asked, waited)
			}
			n.stop(t)
		})
	}
}

// Nodes that the peer asked to wait hear of the same change at once. None of them
// comes before its time, and they do not come together.
func TestSignsOfLifeDoNotShortenWhatThePeerAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waits := map[time.Duration]bool{}
		for range 20 {
			n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour})
			hints := make(chan struct{})
			n.fake.subscribe = func(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
				for {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-hints:
						check(t, "handler", handler(nil), nil)
					}
				}
			}
			n.fake.pullPage = func(context.Context, string, int) (synckit.Page, error) {
				n.pulls.Add(1)
				return synckit.Page{}, errors.New(errors.Unavailable, "pull", nil, errors.Metadata{errors.RetryAfter: "20s"})
			}
			n.start(t)
			began := time.Now()
			for n.pulls.Load() == 1 {
				hints <- struct{}{}
				after(time.Second)
			}
			waited := time.Since(began)
			if waited < 20*time.Second || waited > 33*time.Second {
				t.Errorf("asked to wait 20 s, waited %v", waited)
			}
			waits[waited] = true
			n.stop(t)
		}
		if len(waits) < 4 {
			t.Errorf("20 nodes that were asked at once come back at %d times", len(waits))
		}
	})
}

// While the peer is away, writing does not call it again and again.
func TestWritesDoNotShortenTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour})
		n.down.Store(true)
		n.start(t)
		after(time.Minute)
		before := n.pulls.Load()
		if err := n.store.Store(t.Context(), newEvent("a1", "x"), nil); err != nil {
			t.Fatal(err)
		}
		after(100 * time.Millisecond)
		check(t, "pulls", n.pulls.Load(), before)
		n.down.Store(false)
		after(5 * time.Minute)
		check(t, "hub", logOf(t, n.hub), "a1")
		n.stop(t)
	})
}

// A live event, and a connection that stands again, make it sync at once, even
// during a backoff. A subscription that breaks is made again.
func TestAutoSyncFollowsLiveEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour})
		hints, subscriptions := make(chan error), 0
		n.fake.subscribe = func(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
			subscriptions++
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case err := <-hints:
					if err != nil {
						return err
					}
					check(t, "handler", handler(nil), nil)
				}
			}
		}
		n.down.Store(true)
		n.start(t)
		check(t, "live", n.Status().Live, false)
		after(10 * time.Minute)
		n.down.Store(false)
		before := n.pulls.Load()
		hints <- nil
		synctest.Wait()
		check(t, "pulled at once", n.pulls.Load(), before+1)
		check(t, "live", n.Status().Live, true)

		hints <- stderrors.New("broken")
		synctest.Wait()
		check(t, "live", n.Status().Live, false)
		after(time.Second)
		check(t, "subscriptions", subscriptions, 2)
		hints <- nil
		synctest.Wait()
		check(t, "live again", n.Status().Live, true)
		check(t, "pulled at once", n.pulls.Load(), before+2)
		n.stop(t)
		check(t, "live after stop", n.Status().Live, false)
	})
}

// A subscription that breaks right after it has begun is made again less and less often; one that
// has stood for a while soon.
func TestSubscriptionsThatBreakAtOnceAreMadeMoreSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour})
		var subscriptions, lives atomic.Int64 // lives in nanoseconds
		n.fake.subscribe = func(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
			subscriptions.Add(1)
			check(t, "handler", handler(nil), nil)
			select {
			case <-time.After(time.Duration(lives.Load())):
			case <-ctx.Done():
			}
			return stderrors.New("broken")
		}
		n.start(t)
		after(time.Hour)
		if made := subscriptions.Load(); made > 50 {
			t.Errorf("%d subscriptions in an hour", made)
		}
		lives.Store(int64(time.Minute))
		after(10 * time.Minute) // in which the first that lives begins
		before := subscriptions.Load()
		after(10 * time.Minute)
		if made := subscriptions.Load() - before; made < 9 {
			t.Errorf("%d subscriptions of a minute in ten", made)
		}
		n.stop(t)
	})
}

// A transport's Subscribe may return and go on by itself.
func TestSubscribeThatReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{SyncInterval: time.Hour, PullOnly: true})
		var hint func([]synckit.EventWithVersion) error
		n.fake.subscribe = func(_ context.Context, handler func([]synckit.EventWithVersion) error) error {
			hint = handler
			return nil
		}
		n.start(t)
		check(t, "live", n.Status().Live, true)
		check(t, "handler", hint([]synckit.EventWithVersion{newVersionless("x")}), nil)
		synctest.Wait()
		check(t, "pulls", n.pulls.Load(), 2)
		n.stop(t)
	})
}

// StopAutoSync ends what runs and waits for it. That is no failure: nothing is
// wrong with the peer.
func TestStopDuringACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var counted metrics.Collector
		n := newAutoNode(t, synckit.SyncOptions{Logger: slog.New(slog.NewTextHandler(&logged, nil)), Metrics: &counted})
		_, err := n.Sync(t.Context())
		check(t, "error", err, nil)
		var ended atomic.Bool
		n.fake.pullPage = func(ctx context.Context, _ string, _ int) (synckit.Page, error) {
			<-ctx.Done()
			ended.Store(true)
			return synckit.Page{}, ctx.Err()
		}
		n.start(t)
		check(t, "syncing", n.Status().Syncing, true)
		n.stop(t)
		check(t, "ended", ended.Load(), true)
		status := n.Status()
		check(t, "connection", status.Connection, synckit.Online)
		check(t, "last error", status.LastError, nil)
		check(t, "failures", status.Failures, 0)
		check(t, "syncing", status.Syncing, false)
		check(t, "logged", logged.String(), "")
		check(t, "errors counted", len(counted.Snapshot().Errors), 0)
	})
}

func TestAutoSyncEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		check(t, "start", n.StartAutoSync(ctx), nil)
		synctest.Wait()
		cancel()
		synctest.Wait()
		check(t, "auto sync", n.Status().AutoSync, false)
		n.start(t)
		check(t, "started again", n.Status().AutoSync, true)
		n.stop(t)
	})
}

// A peer that does not answer is given up after Timeout.
func TestCallsTakeNoLongerThanTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{Timeout: 3 * time.Second})
		n.fake.pullPage = func(ctx context.Context, _ string, _ int) (synckit.Page, error) {
			<-ctx.Done()
			return synckit.Page{}, ctx.Err()
		}
		began := time.Now()
		_, err := n.Sync(t.Context())
		checkCode(t, err, errors.Timeout)
		check(t, "took", time.Since(began), 3*time.Second)
		n.fake.Close()
	})
}

// Calls that overlap wait for one another, and can give up waiting.
func TestCallsThatOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newAutoNode(t, synckit.SyncOptions{})
		var running, most atomic.Int64
		n.fake.pullPage = func(context.Context, string, int) (synckit.Page, error) {
			most.Store(max(most.Load(), running.Add(1)))
			<-time.After(time.Second)
			running.Add(-1)
			return synckit.Page{}, nil
		}
		for range 5 {
			go n.Sync(t.Context())
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := n.Sync(ctx)
		checkCode(t, err, errors.Timeout)
		check(t, "close waits", n.Close(), nil)
		check(t, "at once", most.Load(), 1)
		synctest.Wait()
		n.fake.Close()
	})
}

// A manager that closes takes no more calls from the beginning of Close on, and
// not only once the last one has ended.
func TestNoCallBeginsWhileTheManagerCloses(t *testing.T) {
	t.Parallel()
	pulling, stopping, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	fake := newScripted(memory.New())
	fake.pullPage = func(ctx context.Context, _ string, _ int) (synckit.Page, error) {
		close(pulling)
		<-ctx.Done()
		close(stopping)
		<-release
		return synckit.Page{}, ctx.Err()
	}
	m := synckit.NewSyncManager(memory.New(), fake, nil)
	check(t, "start", m.StartAutoSync(t.Context()), nil)
	<-pulling
	closed, started := make(chan error, 1), make(chan error, 1)
	go func() { closed <- m.Close() }()
	<-stopping
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Sync(ended) // which would not wait for its turn
	check(t, "sync", errors.CodeOf(err), errors.Closed)
	go func() { started <- m.StartAutoSync(t.Context()) }()
	close(release)
	check(t, "close", <-closed, nil)
	check(t, "start again", errors.CodeOf(<-started), errors.Closed)
}

// Auto sync that is asked for at the same time as Close does not outlive it,
// whichever comes first.
func TestAutoSyncDoesNotOutliveTheManager(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	for range 3000 {
		m := synckit.NewSyncManager(memory.New(), newScripted(hub), nil)
		first := heldUp{Context: t.Context(), reached: make(chan struct{}), goOn: make(chan struct{})}
		var starting sync.WaitGroup
		start := func(ctx context.Context) {
			switch err := m.StartAutoSync(ctx); errors.CodeOf(err) {
			case errors.InvalidOptions, errors.Closed: // another was quicker
			default:
				check(t, "start", err, nil)
			}
		}
		starting.Go(func() { start(first) })
		<-first.reached
		for range 4 {
			starting.Go(func() { start(t.Context()) })
		}
		for range 20 { // most of them wait for the first by now
			runtime.Gosched()
		}
		close(first.goOn)
		check(t, "close", m.Close(), nil)
		starting.Wait()
		if m.Status().AutoSync {
			t.Fatal("it runs on")
		}
	}
}

// heldUp is a context that holds up the first that asks when it ends.
type heldUp struct {
	context.Context
	reached, goOn chan struct{}
}

func (h heldUp) Done() <-chan struct{} {
	select {
	case <-h.goOn:
	default:
		close(h.reached)
		<-h.goOn
	}
	return h.Context.Done()
}
