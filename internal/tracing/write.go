package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"syncline/pubsub"
	"syncline/storage/commit"
)

// Unit draws how long a unit of work waited for its transaction, and that took, up to the answer. Units that
// share a transaction have each a span for it.
func (t *Tracer) Unit(ctx context.Context, c commit.Course) {
	began := c.Began
	if began.IsZero() { // none took it
		began = c.Answered
	}
	t.Past(ctx, "queue", c.Submitted, began, outcomeOf(ctx, c.Err, c.Began.IsZero()))
	if c.Began.IsZero() {
		return
	}
	if span := t.child(ctx, "transaction", trace.WithTimestamp(c.Began)); span != nil {
		span.SetAttributes(attribute.Int("syncline.units", c.Units))
		setOutcome(span, outcomeOf(ctx, c.Err, true))
		span.End(trace.WithTimestamp(c.Answered))
	}
}

// outcomeOf does not show the error, which may have what a client sent.
func outcomeOf(ctx context.Context, err error, failed bool) string {
	failure, ok := errors.AsType[*commit.Failure](err)
	switch {
	case err == nil || !failed:
		return "ok"
	case ctx.Err() != nil:
		return "cancelled"
	case ok && failure.Outcome == commit.Refused:
		return "refused"
	case ok:
		return "UNAVAILABLE"
	default: // judged, and refused by its unit
		return "refused"
	}
}

// Bus draws the hints that bus is given in the course of what is traced, and has them carry their span to those
// who hear them, on whichever instance.
func (t *Tracer) Bus(bus pubsub.Bus) pubsub.Bus { return tracedBus{bus, t} }

type tracedBus struct {
	pubsub.Bus
	tracer *Tracer
}

func (b tracedBus) Publish(ctx context.Context, hint pubsub.Hint) error {
	span := b.tracer.child(ctx, "hint", trace.WithSpanKind(trace.SpanKindProducer))
	if span == nil {
		return b.Bus.Publish(ctx, hint)
	}
	carrier := propagation.MapCarrier{}
	format.Inject(trace.ContextWithSpan(ctx, span), carrier)
	hint.Trace = carrier[traceparent]
	err := b.Bus.Publish(ctx, hint)
	if err == nil {
		setOutcome(span, "ok")
	} else {
		setOutcome(span, "UNAVAILABLE")
	}
	span.End()
	return err
}

// Delivered draws, as a child of the hint that told of it, that the connection of a subscription, whose context
// this is, has just taken an event. The subscription's own span is linked.
func (t *Tracer) Delivered(ctx context.Context, hint string, heard time.Time) {
	if under, ok := remote(ctx, hint); ok {
		if span := t.child(under, "delivery", trace.WithTimestamp(heard), trace.WithLinks(trace.LinkFromContext(ctx)), trace.WithSpanKind(trace.SpanKindConsumer)); span != nil {
			span.End()
		}
	}
}
