package tracing

import sdktrace "go.opentelemetry.io/otel/sdk/trace"

// Sampler says which traces are recorded.
type Sampler struct {
	Name  string  // as OTEL_TRACES_SAMPLER has them
	Ratio float64 // from 0 to 1, of traces; for those with a ratio
}

// sampler follows, where it is based on parents, what a client says about the span that it names.
func (s Sampler) sampler() sdktrace.Sampler {
	switch s.Name {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(s.Ratio)
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.Ratio))
	default:
		return sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
}
