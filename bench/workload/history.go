package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"syncline/auth/signing"
	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/synclinetransport"
)

// history is a whole history of events that one manager pushes and another pulls.
type history struct {
	name       string
	spec       servers.Spec
	dial       func(service *servers.Service) (dial func() (synckit.Transport, error), err error)
	aggregates int
	resolver   synckit.ConflictResolver
}

// histories are by way of the library's own server, and of Syncline; and of an aggregate alone, with a
// resolver, where each event has all others to be compared with.
func histories() []history {
	kit, syncline := servers.Spec{Program: servers.SyncKit}, servers.Spec{Program: servers.Now, Deployment: servers.Deployment{Instances: 1}}
	return []history{
		{name: "a manager", spec: kit, dial: overHTTP, aggregates: 100},
		{name: "one aggregate, with a resolver, a manager", spec: kit, dial: overHTTP, aggregates: 1, resolver: resolve.LastWriteWins{}},
		{name: "over Syncline, SQLite, a manager", spec: syncline, dial: overSyncline, aggregates: 100},
	}
}

func overHTTP(service *servers.Service) (func() (synckit.Transport, error), error) {
	url := "http://" + service.Addresses[0]
	return func() (synckit.Transport, error) { return httptransport.NewTransport(url, nil, nil, nil), nil }, nil
}

func overSyncline(service *servers.Service) (func() (synckit.Transport, error), error) {
	key, err := signing.GenerateKey()
	return func() (synckit.Transport, error) {
		c, err := client.New(endpoints(service)[0].String(), key)
		if err != nil {
			return nil, err
		}
		return synclinetransport.New(c, nil), nil
	}, err
}

// growHistories syncs whole histories at several lengths: time for each event, and the
// most memory while they are pulled.
func (l *Lab) growHistories(ctx context.Context) error {
	for _, h := range histories() {
		push := &report.Curve{Workload: "synckit", Name: h.name + " pushes", Size: "events", Cost: "µs each"}
		pull := &report.Curve{Workload: "synckit", Name: h.name + " pulls", Size: "events", Cost: "µs each"}
		memory := &report.Curve{Workload: "synckit", Name: h.name + " pulls", Size: "events", Cost: "most MB of heap"}
		for _, events := range l.Size.Events {
			s, err := l.syncHistory(ctx, h, events)
			if err != nil {
				return fmt.Errorf("%s, %d events: %w", h.name, events, err)
			}
			for curve, cost := range map[*report.Curve]float64{push: each(s.pushed, events), pull: each(s.pulled, events), memory: s.heap} {
				curve.Sizes = append(curve.Sizes, float64(events))
				curve.Costs = append(curve.Costs, cost)
			}
			l.Say("synckit, %s, %d events: pushed in %v, pulled in %v, %.1f MB", h.name, events, s.pushed.Round(time.Millisecond), s.pulled.Round(time.Millisecond), s.heap)
		}
		for _, curve := range []*report.Curve{push, pull, memory} {
			l.Report.AddCurve(*curve)
		}
	}
	return nil
}

func each(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(n) }

// synced is what syncing a whole history took.
type synced struct {
	pushed, pulled time.Duration
	heap           float64 // the most while it was pulled, in MB
}

// syncHistory syncs events from one SQLite file by way of a server to another.
func (l *Lab) syncHistory(ctx context.Context, h history, events int) (s synced, err error) {
	server, err := l.Builder.Start(ctx, h.spec)
	if err != nil {
		return s, err
	}
	defer server.Stop()
	dial, err := h.dial(server)
	if err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "syncline-bench-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, err := openLog(filepath.Join(dir, "from.db"))
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := openLog(filepath.Join(dir, "to.db"))
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := writeHistory(ctx, from, events, h.aggregates); err != nil {
		return s, err
	}
	if s.pushed, err = timed(func() error {
		result, err := h.sync(ctx, from, dial)
		return expect(err, result.EventsPushed, events)
	}); err != nil {
		return s, err
	}
	most := watchHeap()
	s.pulled, err = timed(func() error {
		result, err := h.sync(ctx, to, dial)
		return expect(err, result.EventsPulled, events)
	})
	s.heap = most()
	return s, err
}

func openLog(file string) (*sqlite.Store, error) {
	return sqlite.New(&sqlite.Config{DataSourceName: file})
}

// sync syncs a store with batches of 1000.
func (h history) sync(ctx context.Context, store synckit.EventStore, dial func() (synckit.Transport, error)) (*synckit.SyncResult, error) {
	transport, err := dial()
	if err != nil {
		return &synckit.SyncResult{}, err
	}
	manager := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{BatchSize: 1000, ConflictResolver: h.resolver})
	result, err := manager.Sync(ctx)
	return result, errors.Join(err, manager.Close(), transport.Close())
}

func expect(err error, got, want int) error {
	if err == nil && got != want {
		err = fmt.Errorf("%d events moved, not %d", got, want)
	}
	return err
}

func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}

// writeHistory stores events of so many aggregates.
func writeHistory(ctx context.Context, store synckit.Log, events, aggregates int) error {
	const batch = 1000
	for first := 0; first < events; first += batch {
		var entries []synckit.Entry
		for i := first; i < min(first+batch, events); i++ {
			event := synckit.NewEvent("event-"+strconv.Itoa(i), "Measured", "a"+strconv.Itoa(i%aggregates), load.RandomData(eventData*3/4), nil)
			entries = append(entries, synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: event}})
		}
		if _, err := store.Commit(ctx, synckit.Commit{Append: entries}); err != nil {
			return err
		}
	}
	return nil
}

// leastHeap is what less of is noise, in MB. Nothing at all has no exponent.
const leastHeap = 0.1

// watchHeap looks at this process's heap every few milliseconds, while it is collected as
// by default. The function that it returns stops that, and tells the most that there was
// more than at first, in MB, or leastHeap.
func watchHeap() (most func() float64) {
	seldom := debug.SetGCPercent(100)
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	first := sample[0].Value.Uint64()
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		highest := first
		for {
			metrics.Read(sample)
			highest = max(highest, sample[0].Value.Uint64())
			select {
			case <-stop:
				result <- highest - first
				return
			case <-ticker.C:
			}
		}
	}()
	return func() float64 {
		debug.SetGCPercent(seldom)
		close(stop)
		return max(float64(<-result)/1e6, leastHeap)
	}
}
