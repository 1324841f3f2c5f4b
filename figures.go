package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"syncline/feed"
	"syncline/graph/transport"
	"syncline/internal/commandline"
	"syncline/internal/health"
	"syncline/internal/metrics"
	"syncline/internal/tracing"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/retention"
)

// lagBuckets are seconds from a write to the devices that hear of it.
var lagBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300}

// countStorage shows what the database and its transactions do.
func countStorage(db *storage.DB, engine *commit.Engine, sweeper *retention.Sweeper, figures *metrics.Metrics) {
	figures.Build(commandline.Version(), db.Dialect)
	for name, pool := range db.Pools() {
		figures.Pool(name, pool)
	}
	figures.Gauge("syncline_writes_waiting", "Writes that wait for a transaction.", func() float64 { return float64(engine.Waiting()) })
	units := figures.Histogram("syncline_transaction_writes", "Writes, locks and purges that shared a transaction.", 1, 2, 4, 8, 16, 32, 64, 128, 256)
	took := figures.Histogram("syncline_transaction_duration_seconds", "Time of a transaction, with its commit.",
		.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30)
	engine.OnBatch(func(n int, d time.Duration) { units(float64(n)); took(d.Seconds()) })
	purged := figures.Total("syncline_purged_total", "What was forgotten because it was old, too much, or erased.", "what", "tombstones", "mutation_ids", "holds", "fences", "erased")
	sweeper.OnPurge(func(s retention.Swept) {
		for what, n := range map[string]int{"tombstones": s.Tombstones, "mutation_ids": s.Mutations, "holds": s.Holds, "fences": s.Fences, "erased": s.Erased} {
			purged(what, n)
		}
	})
}

// countDelivery shows how late clients hear of writes, and which of them are too slow.
func countDelivery(figures *metrics.Metrics, tracer *tracing.Tracer) (sent func(context.Context, transport.Position), tooSlow func()) {
	lag := figures.Histogram("syncline_delivery_lag_seconds", "Time from a write, by its record's updatedAt, until the connection of a live subscription has taken it.", lagBuckets...)
	sent = func(ctx context.Context, at transport.Position) {
		lag(max(0, time.Since(at.Since).Seconds())) // clocks of instances differ
		if tracer != nil && at.Trace != nil {
			tracer.Delivered(ctx, at.Trace.Parent, at.Trace.Heard)
		}
	}
	return sent, figures.Count("syncline_slow_readers_total", "Clients that were cut off because they took too little of what was written to them.")
}

func countOpen(transports *transport.Transports, feeds *feed.Feed, figures *metrics.Metrics) {
	figures.Gauges("syncline_connections", "WebSockets and event streams that are open.", "kind", func() map[string]float64 {
		sockets, streams := transports.Open()
		return map[string]float64{"websocket": float64(sockets), "event_stream": float64(streams)}
	})
	figures.Gauge("syncline_feeds", "Subscriptions to records, and calls of ListenChanges, that are open.", func() float64 { return float64(feeds.Followers()) })
}

// countChecks shows what /readyz says, by asking the same.
func countChecks(state *health.Health, figures *metrics.Metrics) {
	figures.Gauges("syncline_check_failing", "1 where /readyz finds a fault: in the database, in what Redis is used for, and so on.", "check", func() map[string]float64 {
		shown := map[string]float64{}
		for name, failing := range state.Failing(context.Background()) {
			shown[name] = 0
			if failing {
				shown[name] = 1
			}
		}
		return shown
	})
}

const (
	sizeEvery = 5 * time.Minute
	sizeTime  = 30 * time.Second
)

// measure shows how large the database is, which takes a while to find out.
func measure(db *storage.DB, figures *metrics.Metrics, log *slog.Logger) (run func(context.Context) error) {
	var last atomic.Pointer[storage.Size]
	last.Store(&storage.Size{})
	figures.Gauge("syncline_owners", "Owners that the database knows, as of the last five minutes.", func() float64 { return float64(last.Load().Owners) })
	figures.Gauge("syncline_database_bytes", "Size of SQLite's file, or of the PostgreSQL database, as of the last five minutes.", func() float64 { return float64(last.Load().Bytes) })
	figures.Gauge("syncline_database_log_bytes", "Size of SQLite's write-ahead log, as of the last five minutes.", func() float64 { return float64(last.Load().Log) })
	return func(ctx context.Context) error {
		tick := time.NewTicker(sizeEvery)
		defer tick.Stop()
		for {
			asking, cancel := context.WithTimeout(ctx, sizeTime)
			size, err := db.Size(asking)
			cancel()
			if err == nil {
				last.Store(&size)
			} else if ctx.Err() == nil {
				log.WarnContext(ctx, "the size of the database is not known", "error", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
}
