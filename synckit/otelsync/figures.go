package otelsync

import (
	"cmp"
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// figures are the metrics.
type figures struct {
	duration                             metric.Float64Histogram
	events, conflicts, reviews, failures metric.Int64Counter
}

func newFigures(meter metric.Meter) (figures, error) {
	var f figures
	var failed error
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		if err != nil {
			failed = cmp.Or(failed, wrong(name, err))
		}
		return c
	}
	const duration = "synckit.sync.duration"
	var err error
	f.duration, err = meter.Float64Histogram(duration, metric.WithUnit("s"), metric.WithDescription("How long syncs, pushes and pulls took."),
		metric.WithExplicitBucketBoundaries(0.001, 0.004, 0.016, 0.064, 0.25, 1, 4, 16, 64))
	if err != nil {
		failed = wrong(duration, err)
	}
	f.events = counter("synckit.events", "{event}", "Events that the peer or this node stored.")
	f.conflicts = counter("synckit.conflicts", "{conflict}", "Conflicts that were resolved.")
	f.reviews = counter("synckit.reviews", "{review}", "Conflicts and events that were left to a person.")
	f.failures = counter("synckit.failures", "{failure}", "Errors of syncs, pushes and pulls.")
	return f, failed
}

// begin starts the time of an operation; what it gives counts what that came to. A sync that
// the app has cancelled is no failure.
func (f figures) begin(ctx context.Context, name string) func(synckit.Outcome) {
	begun, of := time.Now(), metric.WithAttributes(operation(name))
	return func(outcome synckit.Outcome) {
		f.duration.Record(ctx, time.Since(begun).Seconds(), of)
		add(ctx, f.events, outcome.Pushed, attribute.String("synckit.direction", "push"))
		add(ctx, f.events, outcome.Pulled, attribute.String("synckit.direction", "pull"))
		add(ctx, f.conflicts, outcome.Conflicts)
		add(ctx, f.reviews, outcome.Reviews)
		for _, err := range append(outcome.Errors[:len(outcome.Errors):len(outcome.Errors)], outcome.Err) {
			if errors.CodeOf(err) != "" {
				add(ctx, f.failures, 1, operation(name), attribute.String("error.type", kindOf(err)))
			}
		}
	}
}

func add(ctx context.Context, counter metric.Int64Counter, n int, attributes ...attribute.KeyValue) {
	if n > 0 {
		counter.Add(ctx, int64(n), metric.WithAttributes(attributes...))
	}
}
