// Package tracing draws what happens to requests as spans of traces, by OpenTelemetry, and
// exports them to a collector by OTLP over HTTP.
//
// Spans have no data, no keys and no ids of records, locks or clients: of an owner they have the
// prefix that the log has, of a document the names of root fields.
package tracing

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says what is recorded, and where it goes.
type Config struct {
	URL     string            // of the collector's traces: http or https
	Headers map[string]string // of each request to it
	Sampler Sampler
	Service string // service.name
	Version string // service.version
}

// Tracer draws spans. It is safe for concurrent use. Make one with New.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New makes a tracer. Spans wait in a queue of 2048 (OTEL_BSP_MAX_QUEUE_SIZE) and are dropped beyond: nothing
// that is traced waits for the collector, or fails with it. The log is told when exports begin to fail, and when
// they succeed again.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Tracer, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("OpenTelemetry", "error", err) })) // the exporter tells the log
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.instance.id", rand.Text())),
		resource.WithFromEnv(), // OTEL_RESOURCE_ATTRIBUTES
		resource.WithAttributes(attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version)))
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptrace.New(ctx, newCollector(cfg, log))
	if err != nil {
		return nil, fmt.Errorf("begin to export traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described), sdktrace.WithSampler(cfg.Sampler.sampler()))
	return &Tracer{provider: provider, tracer: provider.Tracer("syncline")}, nil
}

// Shutdown exports what waits, as far as that is possible before ctx ends, and gives up the rest.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("export the last traces: %w", err)
	}
	return nil
}

// format is W3C's Trace Context.
var format propagation.TraceContext

const traceparent = "traceparent"

// remote is the context with the span that a text names as its own; false if it names none.
func remote(ctx context.Context, text string) (context.Context, bool) {
	if text == "" {
		return ctx, false
	}
	span := trace.SpanContextFromContext(format.Extract(context.Background(), propagation.MapCarrier{traceparent: text}))
	return trace.ContextWithRemoteSpanContext(ctx, span), span.IsValid()
}

// Begin begins a span and makes it that of the context, in which End ends it. Its parent is the span that
// parent names, as W3C's traceparent does; if it names none, that of ctx, or, with ofConnection, none: a
// connection that lasts for a day is not one trace. Its span is linked.
func (t *Tracer) Begin(ctx context.Context, name, parent string, ofConnection bool) context.Context {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if ofConnection {
		options = append(options, trace.WithLinks(trace.LinkFromContext(ctx)))
	}
	under, named := remote(ctx, parent)
	if !named {
		under = ctx
		if ofConnection {
			options = append(options, trace.WithNewRoot())
		}
	}
	begun, _ := t.tracer.Start(under, name, options...)
	return begun
}

// End ends the context's span. An outcome that is the server's fault makes it an error.
func (t *Tracer) End(ctx context.Context, outcome string, attrs []slog.Attr) {
	span := trace.SpanFromContext(ctx)
	if span.IsRecording() {
		for _, a := range attrs {
			if a.Value.Kind() == slog.KindInt64 {
				span.SetAttributes(attribute.Int64("syncline."+a.Key, a.Value.Int64()))
			} else {
				span.SetAttributes(attribute.String("syncline."+a.Key, a.Value.String()))
			}
		}
		setOutcome(span, outcome)
	}
	span.End()
}

func setOutcome(span trace.Span, outcome string) {
	span.SetAttributes(attribute.String("syncline.outcome", outcome))
	if outcome == "INTERNAL" || outcome == "UNAVAILABLE" {
		span.SetStatus(codes.Error, outcome)
	}
}

// Past draws a span that is over as a child of the context's. Where that is none, or is not recorded, nothing
// is drawn.
func (t *Tracer) Past(ctx context.Context, name string, began, ended time.Time, outcome string) {
	if span := t.child(ctx, name, trace.WithTimestamp(began)); span != nil {
		setOutcome(span, outcome)
		span.End(trace.WithTimestamp(ended))
	}
}

// child begins a child of the context's span; nil if that is none, or is not recorded.
func (t *Tracer) child(ctx context.Context, name string, options ...trace.SpanStartOption) trace.Span {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	_, span := t.tracer.Start(ctx, name, options...)
	return span
}

// ID is that of the context's trace; empty if it is not recorded.
func (t *Tracer) ID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}
