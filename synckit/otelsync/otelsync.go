// Package otelsync draws the syncs of a synckit manager as spans and counts them, by OpenTelemetry's
// API: an app gives it the providers of the SDK that it uses.
//
//	observer, err := otelsync.New(otel.GetTracerProvider(), otel.GetMeterProvider())
//	…
//	manager, err := synckit.NewManager(…, synckit.WithObserver(observer))
//
// A Sync, Push or Pull is a span "synckit.sync" with its operation and what it came to; within it
// are "synckit.pull", in which each conflict is a "synckit.decide", and "synckit.push". What a transport
// does in their contexts is drawn inside of them. Nothing names a peer, an aggregate or an
// event: who syncs with whom is the user's own affair.
//
// The metrics:
//
//	synckit.sync.duration{operation}          histogram, seconds
//	synckit.events{direction}                 counter: "push" and "pull"
//	synckit.conflicts                         counter: resolved
//	synckit.reviews                           counter: left to a person
//	synckit.failures{operation,error.type}    counter, by code (synckit/errors)
package otelsync

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// scope names this package as what made spans and metrics.
const scope = "syncline/synckit/otelsync"

// Observer is a synckit.Observer. It is safe for concurrent use, by several managers too.
type Observer struct {
	tracer  trace.Tracer
	figures figures
}

var _ synckit.Observer = (*Observer)(nil)

// New makes an observer that draws and counts by these providers. The error is why a metric
// cannot be made.
func New(tracers trace.TracerProvider, meters metric.MeterProvider) (*Observer, error) {
	figures, err := newFigures(meters.Meter(scope))
	if err != nil {
		return nil, err
	}
	return &Observer{tracer: tracers.Tracer(scope), figures: figures}, nil
}

// Begin implements synckit.Observer.
func (o *Observer) Begin(ctx context.Context, step synckit.Step) (context.Context, func(synckit.Outcome)) {
	ctx, span := o.tracer.Start(ctx, "synckit."+string(step.Name), trace.WithAttributes(attributesOf(step)...))
	finish := func(synckit.Outcome) {}
	if step.Name == synckit.StepSync {
		finish = o.figures.begin(ctx, step.Operation)
	}
	return ctx, func(outcome synckit.Outcome) {
		finish(outcome)
		end(span, outcome)
	}
}

func attributesOf(step synckit.Step) []attribute.KeyValue {
	switch step.Name {
	case synckit.StepSync:
		return []attribute.KeyValue{operation(step.Operation)}
	case synckit.StepDecide:
		return []attribute.KeyValue{
			attribute.Int("synckit.local", step.Local), attribute.Int("synckit.remote", step.Remote),
		}
	default:
		return nil
	}
}

func operation(name string) attribute.KeyValue { return attribute.String("synckit.operation", name) }

// end ends a span with what its step came to. An error is told by its code: its text may
// have an event's ID.
func end(span trace.Span, outcome synckit.Outcome) {
	defer span.End()
	for _, count := range []struct {
		name string
		n    int
	}{
		{"pushed", outcome.Pushed},
		{"pulled", outcome.Pulled},
		{"conflicts", outcome.Conflicts},
		{"reviews", outcome.Reviews},
		{"errors", len(outcome.Errors)},
	} {
		if count.n > 0 {
			span.SetAttributes(attribute.Int("synckit."+count.name, count.n))
		}
	}
	if outcome.Err != nil {
		kind := kindOf(outcome.Err)
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, kind)
	}
}

// kindOf is an error's code. One without is that of a context that the app has cancelled.
func kindOf(err error) string {
	if code := errors.CodeOf(err); code != "" {
		return string(code)
	}
	return "CANCELED"
}

func wrong(name string, err error) error { return fmt.Errorf("make metric %s: %w", name, err) }
