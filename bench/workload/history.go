package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"

	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

// growHistory has one manager push a whole history and another pull it, at
// several lengths: time for each event, and the most memory in between.
func (l *Lab) growHistory(ctx context.Context) error {
	push := &report.Curve{Workload: "synckit", Name: "a manager pushes", Size: "events", Cost: "µs each"}
	pull := &report.Curve{Workload: "synckit", Name: "a manager pulls", Size: "events", Cost: "µs each"}
	memory := &report.Curve{Workload: "synckit", Name: "a manager pulls", Size: "events", Cost: "most MB of heap"}
	for _, events := range l.Size.Events {
		h, err := l.syncHistory(ctx, events)
		if err != nil {
			return fmt.Errorf("%d events: %w", events, err)
		}
		for curve, cost := range map[*report.Curve]float64{push: each(h.pushed, events), pull: each(h.pulled, events), memory: h.heap} {
			curve.Sizes = append(curve.Sizes, float64(events))
			curve.Costs = append(curve.Costs, cost)
		}
		l.Say("synckit, %d events: pushed in %v, pulled in %v", events, h.pushed.Round(time.Millisecond), h.pulled.Round(time.Millisecond))
	}
	for _, curve := range []*report.Curve{push, pull, memory} {
		l.Report.AddCurve(*curve)
	}
	return nil
}

func each(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(n) }

// history is what syncing a whole one took.
type history struct {
	pushed, pulled time.Duration
	heap           float64 // the most while it was pulled, in MB
}

// syncHistory syncs events from one SQLite file by way of a server to another.
func (l *Lab) syncHistory(ctx context.Context, events int) (h history, err error) {
	server, err := l.Builder.Start(ctx, servers.Spec{Program: servers.SyncKit})
	if err != nil {
		return h, err
	}
	defer server.Stop()
	dir, err := os.MkdirTemp("", "syncline-bench-")
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, err := openLog(filepath.Join(dir, "from.db"))
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := openLog(filepath.Join(dir, "to.db"))
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := writeHistory(ctx, from, events); err != nil {
		return h, err
	}
	url := "http://" + server.Addresses[0]
	if h.pushed, err = timed(func() error {
		result, err := syncOnce(ctx, from, url)
		return expect(err, result.EventsPushed, events)
	}); err != nil {
		return h, err
	}
	most := watchHeap()
	h.pulled, err = timed(func() error {
		result, err := syncOnce(ctx, to, url)
		return expect(err, result.EventsPulled, events)
	})
	h.heap = most()
	return h, err
}

func openLog(file string) (*sqlite.Store, error) {
	return sqlite.New(&sqlite.Config{DataSourceName: file})
}

// syncOnce syncs a store with batches of 1000.
func syncOnce(ctx context.Context, store synckit.EventStore, url string) (*synckit.SyncResult, error) {
	transport := httptransport.NewTransport(url, nil, nil, nil)
	manager := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{BatchSize: 1000})
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

// writeHistory stores events of a hundred aggregates.
func writeHistory(ctx context.Context, store synckit.Log, events int) error {
	const batch = 1000
	for first := 0; first < events; first += batch {
		var entries []synckit.Entry
		for i := first; i < min(first+batch, events); i++ {
			event := synckit.NewEvent("event-"+strconv.Itoa(i), "Measured", "a"+strconv.Itoa(i%100), load.RandomData(eventData*3/4), nil)
			entries = append(entries, synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: event}})
		}
		if _, err := store.Commit(ctx, synckit.Commit{Append: entries}); err != nil {
			return err
		}
	}
	return nil
}

// watchHeap looks at this process's live heap every few milliseconds. The
// function that it returns stops that, and tells the most that there was more
// than at first, in MB.
func watchHeap() (most func() float64) {
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
		close(stop)
		return float64(<-result) / 1e6
	}
}
